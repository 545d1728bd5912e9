"""A clock that a test moves. It starts at the machine's time, since clients sign with that."""

from __future__ import annotations

import datetime
import threading
import time


class Clock:
    def __init__(self):
        self._lock, self._now = threading.Lock(), time.time()

    def now(self) -> float:
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds

    def text(self, when: float | None = None) -> str:
        moment = datetime.datetime.fromtimestamp(self.now() if when is None else when, datetime.timezone.utc)
        return moment.isoformat(timespec="milliseconds")

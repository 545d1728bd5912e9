"""What positions along the sample dimension mean in time."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np


class Times:
    """The times of a dimension, read when they are first asked for. Thread-safe."""

    def __init__(self, group: Any, dimension: str) -> None:
        self._group, self._dimension = group, dimension
        self._lock = threading.Lock()
        self._axis: Any = None
        self._all: np.ndarray | None = None

    def _open(self) -> Any:
        with self._lock:
            if self._axis is None:
                self._axis = self._group.time_axis(self._dimension)
            return self._axis

    def find(self, first: str, last: str) -> tuple[int, int]:
        """(start, stop) of the positions from one date to another, both included."""
        return self._open().find(first, last)

    def step(self) -> int:
        """Microseconds from one position to the next; InvalidArgumentError where that differs."""
        return self._open().step_microseconds(self._group)

    def all(self) -> np.ndarray:
        """datetime64 where the calendar is the one people live by; else dates as text, in the calendar's own."""
        if self._all is None:
            moments = self._open().unix_microseconds()
            self._all = np.array(self._open().texts()) if moments is None else moments.view("datetime64[us]")
        return self._all

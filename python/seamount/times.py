"""What positions along the sample dimension mean in time."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np

from .errors import InvalidArgumentError

_MONTHS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS = {"noleap": 365, "365_day": 365, "all_leap": 366, "366_day": 366, "360_day": 360}


class Times:
    """The times of a dimension, read when they are first asked for. Thread-safe."""

    def __init__(self, group: Any, dimension: str) -> None:
        self._group, self._dimension = group, dimension
        self._lock = threading.Lock()
        self._axis: Any = None
        self._all: np.ndarray | None = None
        self._clock: tuple[np.ndarray, np.ndarray] | None = None

    def _open(self) -> Any:
        with self._lock:
            if self._axis is None:
                self._axis = self._group.time_axis(self._dimension)
            return self._axis

    def positions(self, first: Times, index: Any, durations: list[int]) -> np.ndarray:
        """(sample, lead): where the times of positions of ``first`` and so many microseconds later are here."""
        here, wanted = self.all(), first.all()[np.asarray(index)]
        if here.dtype.kind != "M" or wanted.dtype.kind != "M":
            raise InvalidArgumentError(f"the calendar of {self._dimension!r} is not the usual one: its times cannot be counted in days")
        times = wanted[:, None] + np.array(durations, "m8[us]")[None]
        found = np.minimum(np.searchsorted(here, times), len(here) - 1)
        if not np.array_equal(here[found], times):
            raise InvalidArgumentError(f"{self._dimension!r} has no such times: expected the index of a batch's samples, and its leads")
        return found

    def clock(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """At each position the hour of the day, and the share of its year that has passed."""
        if self._clock is None:
            self._clock = self._read_clock()
        hour, year = self._clock
        if positions.size and (positions.min() < 0 or positions.max() >= len(hour)):
            raise InvalidArgumentError(
                f"positions {positions.min()} to {positions.max()} of {self._dimension!r} are needed, which has {len(hour)}: an "
                "encoding has leads that no slot has"
            )
        return hour[positions], year[positions]

    def months(self) -> np.ndarray:
        """Of each position, 1 to 12, in the calendar's own."""
        times = self.all()
        if times.dtype.kind == "M":
            return times.astype("M8[M]").astype("i8") % 12 + 1
        return np.array([int(text.lstrip("-").split("-")[1]) for text in times])

    def hours(self) -> np.ndarray:
        """Of each position, the hour of the day, with its fraction."""
        times = self.all()
        if times.dtype.kind == "M":
            return (times - times.astype("M8[D]")) / np.timedelta64(1, "h")
        clocks = (text.partition("T")[2] for text in times)
        return np.array([sum(float(part) / 60**i for i, part in enumerate(clock.split(":"))) for clock in clocks])

    def _read_clock(self) -> tuple[np.ndarray, np.ndarray]:
        times, hours = self.all(), self.hours()
        if times.dtype.kind == "M":
            begin = times.astype("M8[Y]")
            year = (times - begin) / ((begin + 1).astype("M8[D]") - begin.astype("M8[D]"))
            return hours, year
        days = _DAYS.get(self._calendar())
        if days is None:
            raise InvalidArgumentError(f"the calendar of {self._dimension!r}, {self._calendar()!r}, has no length of the year here")
        years = []
        for text, hour in zip(times, hours):
            _, month, day = text.partition("T")[0].lstrip("-").split("-")
            leap = 1 if days == 366 and int(month) > 2 else 0
            before = (int(month) - 1) * 30 if days == 360 else _MONTHS[int(month) - 1] + leap
            years.append((before + int(day) - 1 + hour / 24) / days)
        return hours, np.array(years)

    def _calendar(self) -> str:
        attributes = json.loads(self._group.open_array(self._dimension, "").attributes_json)
        return str(attributes.get("calendar", "standard")).lower()

    def find(self, first: str, last: str) -> tuple[int, int]:
        """(start, stop) of the positions from one date to another, both included."""
        return self._open().find(first, last)

    def between(self, first: str, last: str) -> tuple[int, int]:
        """The same; an empty date is the first or last that there is."""
        axis = self._open()
        texts = axis.texts() if not (first and last) else []
        if not (first and last) and not texts:
            raise InvalidArgumentError(f"{self._dimension!r} has no times to select from")
        return axis.find(first or texts[0], last or texts[-1])

    def step(self) -> int:
        """Microseconds from one position to the next; InvalidArgumentError where that differs."""
        return self._open().step_microseconds(self._group)

    def all(self) -> np.ndarray:
        """datetime64 where the calendar is the one people live by; else dates as text, in the calendar's own."""
        if self._all is None:
            moments = self._open().unix_microseconds()
            self._all = np.array(self._open().texts()) if moments is None else moments.view("datetime64[us]")
        return self._all

"""Checking what people pass as numbers, ranges and leads."""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .errors import InvalidArgumentError

Lead = int | str | datetime.timedelta | np.timedelta64

_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}


def integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name} is {value!r}: expected an integer") from None


def natural(name: str, value: Any) -> int:
    number = integer(name, value)
    if not 0 <= number < 2**64:
        raise InvalidArgumentError(f"{name} is {number}: expected " + ("0 or more" if number < 0 else "less than 2^64"))
    return number


def leads(name: str, given: Any, step: Callable[[], int] | None = None) -> list[int]:
    """As numbers of steps. ``step`` says how many microseconds one has; without it durations are refused."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidArgumentError(f"{name} is {given!r}: expected a list of leads, as [-1, 0]")
    return [_steps(name, lead, step) for lead in given]


def durations(name: str, given: Any) -> list[int]:
    """In microseconds; empty where a lead is a number of steps, other than 0."""
    found = []
    for lead in given:
        if isinstance(lead, (str, datetime.timedelta, np.timedelta64)):
            found.append(_microseconds(name, lead))
        elif integer(name, lead) == 0:
            found.append(0)
        else:
            return []
    return found


def _steps(name: str, lead: Any, step: Callable[[], int] | None) -> int:
    if step is None or not isinstance(lead, (str, datetime.timedelta, np.timedelta64)):
        return integer(name, lead)
    duration, here = _microseconds(name, lead), step()
    if duration % here:
        raise InvalidArgumentError(
            f"{name}: lead {lead!r} is no whole number of steps, which are of {datetime.timedelta(microseconds=here)}"
        )
    return duration // here


def _microseconds(name: str, lead: Any) -> int:
    if isinstance(lead, datetime.timedelta):
        return lead // datetime.timedelta(microseconds=1)
    if isinstance(lead, np.timedelta64):
        unit, count = np.datetime_data(lead.dtype)
        if unit in ("W", "D", "h", "m", "s", "ms", "us", "ns") and not np.isnat(lead):
            nanoseconds = int(lead.astype("timedelta64[ns]").astype("i8"))
            if nanoseconds % 1000 == 0:
                return nanoseconds // 1000
        raise InvalidArgumentError(f"{name}: lead {lead!r} is no duration of whole microseconds")
    match = re.fullmatch(r"([+-]?\d+) ?([a-z]+)", lead.strip().lower())
    unit = match.group(2) if match else ""
    unit = unit if unit in _SECONDS else unit.removesuffix("s")
    if match is None or unit not in _SECONDS:
        raise InvalidArgumentError(f"{name}: lead {lead!r} is no duration: expected one as '-6h', '30min' or '2 days'")
    return int(match.group(1)) * _SECONDS[unit] * 1_000_000


def range_of(select: Any) -> tuple[int, int]:
    """(start, stop) as two natural numbers; InvalidArgumentError for anything else."""
    try:
        start, stop = select
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"select is {select!r}: expected (start, stop)") from None
    return natural("select", start), natural("select", stop)


def ranges_of(select: Any, find: Callable[[str, str], tuple[int, int]]) -> list[tuple[int, int]]:
    """One range, or several in a list; ``find`` turns dates into positions."""
    if isinstance(select, str):
        raise InvalidArgumentError(f"select is {select!r}: expected (start, stop); a split goes by split={select!r}")
    several = isinstance(select, list) and all(isinstance(part, (tuple, list)) for part in select)
    if several and not select:
        raise InvalidArgumentError("select is []: expected (start, stop), or several of them")
    return [_range_or_dates(part, find) for part in (select if several else [select])]


def _range_or_dates(select: Any, find: Callable[[str, str], tuple[int, int]]) -> tuple[int, int]:
    if isinstance(select, (tuple, list)) and len(select) == 2 and all(isinstance(part, str) for part in select):
        return find(*select)
    return range_of(select)


def dates_of(times: Any) -> tuple[str, str]:
    """The ends of ``slice("1990", "1999")``, an open one as the farthest date that there is."""
    if not isinstance(times, slice) or times.step is not None:
        raise InvalidArgumentError(f"times is {times!r}: expected slice('1990', '1999-06'), dates that are both included")
    if times.start is None and times.stop is None:
        raise InvalidArgumentError("times is slice(None, None): expected a first date, a last one, or both")
    return _date(times.start, "first"), _date(times.stop, "last")


def _date(given: Any, which: str) -> str:
    if given is None:
        return ""
    if isinstance(given, np.datetime64):
        return str(given)
    if isinstance(given, datetime.date):
        return given.isoformat()
    if not isinstance(given, str):
        raise InvalidArgumentError(f"times: the {which} date is {given!r}: expected a date, as '1990-06'")
    return given


def runs_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype("i1"), [0]])))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2])]


def numbers_among(name: str, given: Any, low: int, high: int) -> set[int]:
    numbers = {integer(name, number) for number in ([given] if isinstance(given, int) else given)}
    if not numbers or min(numbers) < low or max(numbers) > high:
        raise InvalidArgumentError(f"{name} is {given!r}: expected numbers from {low} to {high}")
    return numbers


def where_of(times: Any, months: Any, hours: Any, where: Any) -> list[tuple[int, int]] | None:
    """Ranges of the positions that all three allow; None where nothing is asked for."""
    masks = []
    if months is not None:
        masks.append(np.isin(times.months(), list(numbers_among("months", months, 1, 12))))
    if hours is not None:
        masks.append(np.isin(np.floor(times.hours()), list(numbers_among("hours", hours, 0, 23))))
    if where is not None:
        all_times = times.all()
        mask = np.asarray(where(all_times) if callable(where) else where)
        if mask.dtype != np.bool_ or mask.shape != all_times.shape:
            raise InvalidArgumentError(
                f"where gives {mask.dtype} of shape {mask.shape}: expected bool, one for each of the {len(all_times)} positions"
            )
        masks.append(mask)
    return runs_of(np.logical_and.reduce(masks)) if masks else None


def normalization(given: Any) -> dict[str, tuple[float, float]]:
    """{variable: (mean, std)} as numbers."""
    numbers = {}
    for name, pair in given.items():
        try:
            mean, std = pair
            numbers[str(name)] = (float(mean), float(std))
        except (TypeError, ValueError):
            raise InvalidArgumentError(f"normalize[{name!r}] is {pair!r}: expected (mean, std), two numbers") from None
    return numbers


def split_of(group: Any, name: str) -> list[tuple[int, int]]:
    splits = group.splits
    if name in splits:
        return splits[name]
    there = f"it has {', '.join(map(repr, splits))}" if splits else "it has none (a recipe's key 'split' makes them)"
    raise InvalidArgumentError(f"split is {name!r}, and the group notes no such split: {there}")

"""Checking what people pass as numbers, ranges and leads."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from .errors import InvalidArgumentError


def integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name} is {value!r}: expected an integer") from None


def natural(name: str, value: Any) -> int:
    number = integer(name, value)
    if number < 0:
        raise InvalidArgumentError(f"{name} is {number}: expected 0 or more")
    return number


def leads(name: str, given: Any) -> list[int]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidArgumentError(f"{name} is {given!r}: expected a list of leads, as [-1, 0]")
    return [integer(name, lead) for lead in given]


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

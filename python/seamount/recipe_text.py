"""A dict as the YAML of a recipe: a key or an item a line, what is short in one."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from .errors import InvalidArgumentError

_WIDTH = 100


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """Raises InvalidArgumentError where a value is nothing that a recipe can hold."""
    return "".join(_block(recipe, ""))


def _block(value: Any, indent: str) -> list[str]:
    """Lines of a map or a list. What fits is written inline, which is JSON, and so YAML."""
    lines: list[str] = []
    items = value.items() if isinstance(value, Mapping) else [(None, item) for item in value]
    for key, item in items:
        head = f"{indent}{_inline(str(key))}:" if isinstance(value, Mapping) else f"{indent}-"
        brief = _inline(item)
        nested = isinstance(item, Mapping) or (isinstance(item, Sequence) and not isinstance(item, str))
        if not nested or len(item) == 0 or len(head) + len(brief) < _WIDTH:
            lines.append(f"{head} {brief}\n")
        else:
            lines += [f"{head}\n", *_block(item, indent + "  ")]
    return lines


def _inline(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except InvalidArgumentError:
        raise
    except ValueError as error:
        raise InvalidArgumentError(f"the recipe holds a value that is no finite number: {error}") from None


def _plain(value: Any) -> Any:
    """What is not of JSON, as a person would write it: paths, dates, NumPy's numbers and arrays."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":  # as a list these are numbers
        return numpy.datetime_as_string(value, unit="s").tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise InvalidArgumentError(
        f"the recipe holds a {type(value).__name__}: expected texts, numbers, lists and dicts (and, as 'source', an"
        " xarray.Dataset)"
    )

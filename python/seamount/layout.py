"""In which order a tensor has its dimensions, and which of them are one: ``"b(tv)yx"``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from .errors import InvalidArgumentError

_OWN = {"b": "batch", "t": "lead", "v": "variable"}
_USUAL = {
    "y": {"lat", "latitude", "rlat", "nlat", "south_north"},
    "x": {"lon", "longitude", "rlon", "nlon", "west_east"},
    "z": {"level", "lev", "plev", "height", "depth", "altitude", "pressure_level", "bottom_top"},
}


class Layout:
    """What ``layout=`` says, before the data are known."""

    def __init__(self, text: str, slot: str) -> None:
        self.text, self._slot = text, slot
        if not isinstance(text, str):
            raise InvalidArgumentError(f"layout of {slot!r} is {text!r}: expected a text, as 'b(tv)yx'")
        word = r"\w+" if " " in text.strip() else r"\w"
        tokens = re.findall(rf"{word}|\S", text)
        self.groups: list[list[str]] = []
        inside = False
        for token in tokens:
            if token in "()":
                if inside is (token == "("):
                    raise self._error("parentheses do not match")
                inside = token == "("
                if inside:
                    self.groups.append([])
            elif not re.fullmatch(word, token):
                raise self._error(f"{token!r} is no name of a dimension")
            elif inside:
                self.groups[-1].append(_OWN.get(token, token))
            else:
                self.groups.append([_OWN.get(token, token)])
        if inside or [] in self.groups:
            raise self._error("parentheses do not match")

    def fitted(self, dims: Sequence[str], leads: int, variables: int, shape: Sequence[int]) -> Fitted:
        """For a field of these dimensions. InvalidArgumentError for what would need a copy, or names no dimension."""
        if taken := set(dims) & set(_OWN.values()):
            raise self._error(f"the field has a dimension {sorted(taken)[0]!r} of its own")
        sizes = {"batch": 0, "lead": leads, "variable": variables, **dict(zip(dims, shape))}
        memory = ["batch", "lead", "variable", *dims]
        groups = [[name if name in _OWN.values() else self._field(name, dims) for name in group] for group in self.groups]
        named = [name for group in groups for name in group]
        for name in memory:
            if named.count(name) > 1:
                raise self._error(f"{name!r} stands there twice")
            if name not in named and sizes[name] != 1:
                raise self._error(f"it leaves out {name!r}" + (f", which has {sizes[name]}" if name != "batch" else ""))
        for group in groups:
            places = [memory.index(name) for name in group if sizes[name] != 1]
            between = {memory.index(name) for name in memory if sizes[name] == 1}
            if any(not set(range(a + 1, b)) <= between or b < a for a, b in zip(places, places[1:])):
                raise self._error(
                    f"({' '.join(group)}) can be one dimension only of neighbours in the order ({', '.join(memory)}), as the "
                    "field lies as it is stored: anything else would be a copy; let the model merge it"
                )
        return Fitted(groups, memory, sizes)

    def _field(self, name: str, dims: Sequence[str]) -> str:
        if name in dims:
            return name
        usual = [dim for dim in dims if dim.lower() in _USUAL.get(name, set())]
        like = usual or [dim for dim in dims if len(name) == 1 and dim.startswith(name)]
        if len(like) == 1:
            return like[0]
        raise self._error(f"{name!r} is none of its dimensions: b (batch), t (lead), v (variable), {', '.join(dims)}")

    def _error(self, why: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"layout of {self._slot!r} is {self.text!r}: {why}; expected letters, or names with spaces between, as 'b(tv)yx'"
        )


class Fitted:
    """A layout of one slot's tensors."""

    def __init__(self, groups: list[list[str]], memory: list[str], sizes: dict[str, int]) -> None:
        self._groups, self._memory, self._sizes = groups, memory, sizes
        self._named = [name for group in groups for name in group]
        self._left_out = [name for name in memory if name not in self._named]

    def apply(self, tensor: np.ndarray) -> np.ndarray:
        """A view of (batch, lead, variable, *field), where that is dense."""
        sizes = dict(zip(self._memory, tensor.shape))
        turned = tensor.transpose([self._memory.index(name) for name in [*self._named, *self._left_out]])
        return turned.reshape([math.prod(sizes[name] for name in group) for group in self._groups])

    def plain(self, tensor: np.ndarray) -> np.ndarray:
        """What ``apply`` gave, as (batch, lead, variable, *field)."""
        plain = self.undo(tensor)
        assert plain is not None
        return plain

    def undo(self, tensor: np.ndarray, leads: int | None = None) -> np.ndarray | None:
        """(batch, lead, variable, *field) again, for any number of samples; None where the shape does not fit."""
        sizes = self._sizes | ({} if leads is None else {"lead": leads})
        whole = [math.prod(sizes[name] for name in group if name != "batch") for group in self._groups]
        if tensor.ndim != len(whole) or "batch" not in self._named:
            return None
        where = next(i for i, group in enumerate(self._groups) if "batch" in group)
        if any(i != where and extent != size for i, (extent, size) in enumerate(zip(tensor.shape, whole))):
            return None
        if whole[where] == 0 or tensor.shape[where] % whole[where]:
            return None
        sizes["batch"] = tensor.shape[where] // whole[where]
        split = tensor.reshape([sizes[name] for name in [*self._named, *self._left_out]])
        return split.transpose([[*self._named, *self._left_out].index(name) for name in self._memory])

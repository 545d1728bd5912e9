"""A whole field out of overlapping patches: where they lie, how much each counts, and their sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from .errors import InvalidArgumentError
from .patches import Crops, Patches

Blend = Literal["linear", "cosine", "uniform"]

Along = tuple[str, int, int]
"""Of a dimension of the patches: name, a patch's size, the dimension's length."""


def blend_of(given: Any) -> Blend:
    """InvalidArgumentError where it is none."""
    if given not in (words := get_args(Blend)):
        raise InvalidArgumentError(f"blend is {given!r}: expected one of {', '.join(map(repr, words))}")
    return given  # type: ignore[no-any-return]


class Tiling:
    """A grid of patches that covers a field, and weights that are 1 together at every point.

    A patch's weight is a product over its dimensions. Along each it grows from the patch's edge through the overlap, so
    that neighbours pass into each other: in a straight line, or as a squared sine; or it is the same everywhere.
    """

    def __init__(self, patches: Patches, lengths: dict[str, int], blend: Blend) -> None:
        """``lengths``: of the dimensions that patches cut, in their positions."""
        self._blend = blend
        options = patches.options()
        if options["random"] or options["at"]:
            raise InvalidArgumentError("patches are random or at places: expected a grid, which covers the field")
        self.along: list[Along] = []
        self._overlaps: list[int] = []
        self._starts: list[list[int]] = []
        for name, size, stride, wrap in options["dims"]:
            length = lengths[name]
            if not 0 < size <= length or not 0 < stride <= size:
                raise InvalidArgumentError(
                    f"patches along {name!r} have size {size} and stride {stride}: expected 1 to {length}, all that there is, and "
                    "a stride of at most the size, so that no position is left out"
                )
            self.along.append((name, size, length))
            self._overlaps.append(size - stride)
            self._starts.append(_starts(length, size, stride, wrap))
        grid = np.meshgrid(*self._starts, indexing="ij")
        self.places: list[tuple[int, ...]] = [tuple(int(n) for n in place) for place in zip(*(axis.ravel() for axis in grid))]

    def record(self) -> dict[str, Any]:
        """What it is, for a run that would go on with it."""
        each = zip(self.along, self._overlaps, self._starts)
        return {"blend": self._blend, **{name: [size, overlap, len(starts)] for (name, size, _), overlap, starts in each}}

    def onto(self, dims: Sequence[str], shape: Sequence[int], scale: int) -> Blending:
        """For fields of these dimensions, whose grid is ``scale`` times as fine."""
        weights = {}
        for (name, size, length), overlap, starts in zip(self.along, self._overlaps, self._starts):
            ramp = _ramp(size * scale, overlap * scale, self._blend)
            total = np.zeros(length * scale)
            for start in starts:
                total[(start * scale + np.arange(size * scale)) % len(total)] += ramp
            weights[name] = (ramp, 1 / total)
        return Blending(self.places, self.along, list(dims), list(shape), scale, weights)


class Blending:
    """The patches of one tensor, (batch, lead, variable, *field), and the whole fields that they make."""

    def __init__(
        self,
        places: list[tuple[int, ...]],
        along: list[Along],
        dims: list[str],
        shape: list[int],
        scale: int,
        weights: dict[str, tuple[np.ndarray, np.ndarray]],
    ) -> None:
        """``weights``: by dimension, of a patch's positions, and what makes all patches' together 1 at the field's."""
        sizes = {name: size * scale for name, size, _ in along}
        patch = [sizes.get(dim, length) for dim, length in zip(dims, shape)]
        self.patch_shape, self._shape = tuple(patch), tuple(shape)
        self._crops = Crops(along, (dims, patch), scale)
        self._places, self._dims, self._weights = places, dims, weights

    def zeros(self, times: int, leads: int, variables: int) -> np.ndarray:
        """To :meth:`add` to. Sums are made in float64, so that their order is not seen."""
        return np.zeros((times, leads, variables, *self._shape))

    def add(self, field: np.ndarray, place: int, values: np.ndarray) -> None:
        """One patch, by the number of its place, to one time's whole field, both (lead, variable, *field)."""
        index = self._index(place)
        weighted = values.astype("f8")
        for axis, dim in enumerate(self._dims):
            if dim in self._weights:
                ramp, share = self._weights[dim]
                along = ramp * share[index[2 + axis].ravel()]
                weighted *= along.reshape([-1 if axis == a else 1 for a in range(len(self._dims))])
        field[index] += weighted

    def cut(self, field: np.ndarray, place: int) -> np.ndarray:
        """The patch at a place out of a whole field."""
        return field[self._index(place)]

    def _index(self, place: int) -> tuple[Any, ...]:
        return slice(None), slice(None), *self._crops.index(np.array(self._places[place]))


def _starts(length: int, size: int, stride: int, wrap: bool) -> list[int]:
    """As the engine lays a grid: every position lies in a patch."""
    if wrap:
        return list(range(0, length, stride))
    starts = list(range(0, length - size + 1, stride))
    return starts if starts[-1] == length - size else [*starts, length - size]


def _ramp(size: int, overlap: int, blend: Blend) -> np.ndarray:
    """A patch's weights along one dimension, above 0 everywhere."""
    if blend == "uniform":
        return np.ones(size)
    inward = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    line = np.minimum(inward / (overlap + 1), 1.0)
    return line if blend == "linear" else np.sin(line * np.pi / 2) ** 2

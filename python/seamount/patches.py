"""Samples that are parts of the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InvalidArgumentError
from .selection import integer, natural

PerDim = int | Mapping[str, int]


@dataclass(frozen=True)
class Patches:
    """Windows over dimensions of the field: each sample is a position along the sample dimension and one of these there.

    By default they lie on a grid, one beside the other; where the last one would reach beyond the dimension, it ends
    with it instead, so that every position is in one. A point is a patch of size 1 in both directions.

    Args:
        size: positions of a patch, by dimension: ``{"lat": 64, "lon": 64}``. The field has all of other dimensions.
        stride: from one patch to the next, a number for all dimensions or by dimension; else the size.
        overlap: instead: how many positions two neighbours have in common.
        wrap: dimensions whose last position is the first one's neighbour, as longitudes around the globe: patches begin
            at any position of them and reach over the end.
        random: so many at each position along the sample dimension, at random places, others in each epoch. They follow
            from the loader's seed, the epoch and the sample: a run that is resumed sees the same ones.
        at: these places only: for each the first position in each dimension of ``size``.

    Example:
        >>> Patches({"lat": 64, "lon": 64}, overlap=16, wrap="lon")
        >>> Patches({"lat": 64, "lon": 64}, wrap="lon", random=4)
        >>> Patches({"lat": 1, "lon": 1}, at=[(30, 7), (41, 130)])  # two stations
    """

    size: Mapping[str, int]
    stride: PerDim | None = None
    overlap: PerDim | None = None
    wrap: str | Sequence[str] = ()
    random: int = 0
    at: Sequence[Sequence[int]] | None = None

    def options(self) -> dict[str, Any]:
        """As the engine takes them."""
        if not isinstance(self.size, Mapping) or not self.size:
            raise InvalidArgumentError(f"size of patches is {self.size!r}: expected sizes by dimension, {{'lat': 64}}")
        sizes = {str(name): natural(f"size of patches, {name!r},", size) for name, size in self.size.items()}
        places = [[natural("at of patches", start) for start in place] for place in self.at or ()]
        if sum((bool(places) or self.at is not None, self.random != 0, (self.stride, self.overlap) != (None, None))) > 1:
            raise InvalidArgumentError("patches: expected one of random, at, and stride or overlap")
        if self.at is not None and not places:
            raise InvalidArgumentError("at of patches is empty: expected places, as [(30, 7)]")
        wrap = [self.wrap] if isinstance(self.wrap, str) else list(self.wrap)
        self._check_names("wrap", wrap)
        strides = self._strides(sizes)
        return {
            "dims": [(name, size, strides[name], name in wrap) for name, size in sizes.items()],
            "random": natural("random of patches", self.random),
            "at": places,
        }

    def _strides(self, sizes: dict[str, int]) -> dict[str, int]:
        if self.stride is not None and self.overlap is not None:
            raise InvalidArgumentError("patches have a stride and an overlap: expected one of them")
        strides = sizes | self._per_dim("stride", self.stride, sizes)
        for name, overlap in self._per_dim("overlap", self.overlap, sizes).items():
            strides[name] = sizes[name] - overlap
            if not 0 < strides[name] <= sizes[name]:
                raise InvalidArgumentError(
                    f"overlap of patches along {name!r} is {overlap}: expected 0 to {sizes[name] - 1}, less than the size"
                )
        return strides

    def _per_dim(self, what: str, given: PerDim | None, sizes: dict[str, int]) -> dict[str, int]:
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            return dict.fromkeys(sizes, integer(f"{what} of patches", given))
        self._check_names(what, list(given))
        return {str(name): integer(f"{what} of patches", number) for name, number in given.items()}

    def _check_names(self, what: str, names: list[str]) -> None:
        for name in names:
            if name not in self.size:
                raise InvalidArgumentError(f"{what} of patches names {name!r}: expected one of {', '.join(map(repr, self.size))}")


NO_PATCHES: dict[str, Any] = {"dims": [], "random": 0, "at": []}


class Crops:
    """Where patches lie in the field of one slot."""

    def __init__(self, patches: list[tuple[str, int, int]], field: tuple[list[str], list[int]], scale: int) -> None:
        """``patches``: name, size and length of each dimension; ``scale``: positions of the slot for one of these."""
        self._dims, self._shape = field
        self._numbers = {name: (p, length) for p, (name, _, length) in enumerate(patches)} if scale else {}
        self._scale = scale

    def cropped(self, dim: str) -> bool:
        return dim in self._numbers and dim in self._dims

    def any(self) -> bool:
        return any(self.cropped(dim) for dim in self._dims)

    def positions(self, dim: str, places: np.ndarray) -> np.ndarray:
        """(batch, size): of each sample, along a dimension that is cropped."""
        number, length = self._numbers[dim]
        size = self._shape[self._dims.index(dim)]
        return (places[:, number, None] * self._scale + np.arange(size)) % (length * self._scale)

    def index(self, place: np.ndarray) -> tuple[np.ndarray, ...]:
        """What takes one sample's patch out of a whole field."""
        along = [
            self.positions(dim, place[None])[0] if self.cropped(dim) else np.arange(size)
            for dim, size in zip(self._dims, self._shape)
        ]
        return np.ix_(*along)


def patch_options(patches: Any) -> dict[str, Any]:
    if patches is None:
        return NO_PATCHES
    if not isinstance(patches, Patches):
        raise InvalidArgumentError(f"patches is {patches!r}: expected a seamount.Patches, as Patches({{'lat': 64, 'lon': 64}})")
    return patches.options()

"""NumPy's indexing of arrays that are not in memory: which positions it needs along each dimension, and the index that
NumPy is left to apply to them."""

from __future__ import annotations

import concurrent.futures
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InvalidArgumentError

Read = Callable[[list[int], list[int]], np.ndarray]

# Pieces are read at once: each waits for the network.
_THREADS = 8


@dataclass(frozen=True)
class Axis:
    """Along one dimension: the positions that are needed, ascending, and what is to be taken of them."""

    positions: np.ndarray
    index: Any  # an integer, a slice or an array of integers

    def pieces(self, chunk: int) -> list[slice]:
        """Which of the positions to read together: all those without a whole chunk between them."""
        if not len(self.positions):
            return [slice(0, 0)]
        cuts = np.flatnonzero(np.diff(self.positions // chunk) > 1) + 1
        ends = [0, *cuts.tolist(), len(self.positions)]
        return [slice(a, b) for a, b in zip(ends, ends[1:])]


@dataclass(frozen=True)
class Pick:
    """What an index asks of an array: a block of positions, and the index of the block that gives the same."""

    axes: list[Axis]
    key: tuple[Any, ...]
    pointwise: bool  # more than one array of integers: the block has more than is asked for

    @property
    def shape(self) -> list[int]:
        """The block's."""
        return [len(axis.positions) for axis in self.axes]

    def as_block(self, values: Any, dtype: np.dtype) -> np.ndarray | None:
        """The values themselves, where they are the block already but for dimensions of one element: no copy is made of
        what may be half the memory."""
        if not isinstance(values, np.ndarray) or values.dtype != dtype or len(self.key) != len(self.axes):
            return None
        slices = [axis for axis in self.axes if isinstance(axis.index, slice)]
        integers = sum(isinstance(axis.index, int) for axis in self.axes)
        if len(slices) + integers != len(self.axes) or any(axis.index.step < 0 for axis in slices):
            return None
        if values.shape != tuple(len(axis.positions) for axis in slices):
            return None
        return values.reshape(self.shape)


def pick(key: Any, shape: Sequence[int], what: str) -> Pick:
    """By NumPy's rules. IndexError says what is wrong with the key."""
    axes: list[Axis] = []
    local: list[Any] = []
    for part in _expanded(key, shape, what):
        if part is None:
            local.append(None)
            continue
        axes.append(_axis(part, shape[len(axes)], f"dimension {len(axes)} of {what}"))
        local.append(axes[-1].index)
    arrays = [axis.index for axis in axes if isinstance(axis.index, np.ndarray)]
    picked = Pick(axes, tuple(local), len(arrays) > 1)
    if picked.pointwise:
        _check_size(picked, arrays, what)
    return picked


def outer(key: Any, shape: Sequence[int], what: str) -> list[Axis]:
    """Each dimension by itself, as zarr's ``oindex``: arrays of integers have one dimension."""
    parts = _expanded(key, shape, what)
    if any(part is None for part in parts):
        raise IndexError(f"an orthogonal index of {what} makes no new dimensions")
    axes = [_axis(part, extent, f"dimension {d} of {what}") for d, (part, extent) in enumerate(zip(parts, shape))]
    for axis in axes:
        if isinstance(axis.index, np.ndarray) and axis.index.ndim != 1:
            raise IndexError(f"an orthogonal index of {what} takes arrays of one dimension")
    return axes


def _expanded(key: Any, shape: Sequence[int], what: str) -> list[Any]:
    """One part for each dimension, and None for new ones."""
    parts: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, (list, np.ndarray)) and not (isinstance(part, np.ndarray) and part.ndim == 0):
            part = np.asarray(part)
            if part.dtype == bool:
                parts.extend(_Mask(where, extent) for where, extent in zip(np.nonzero(part), part.shape))
                continue
            if part.size == 0 and part.dtype.kind == "f":  # an empty list
                part = part.astype(np.intp)
        parts.append(part)
    ellipses = sum(part is Ellipsis for part in parts)
    used = sum(part is not None and part is not Ellipsis for part in parts)
    if ellipses > 1 or used > len(shape):
        raise IndexError(f"{what} has {len(shape)} dimensions, and the index is {key!r}")
    if not ellipses:
        parts.append(Ellipsis)
    at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    parts[at : at + 1] = [slice(None)] * (len(shape) - used)
    return parts


@dataclass(frozen=True)
class _Mask:
    """One dimension of an array of booleans: where it is true, and how long it is."""

    where: np.ndarray
    extent: int


def _axis(part: Any, extent: int, what: str) -> Axis:
    if isinstance(part, slice):
        chosen = range(extent)[part]
        step = -1 if chosen.step < 0 else 1
        ascending = chosen[::step]
        return Axis(np.arange(ascending.start, ascending.stop, ascending.step), slice(None, None, step))
    if isinstance(part, _Mask):
        if part.extent != extent:
            raise IndexError(f"a mask of {part.extent} along {what}, which has {extent}")
        part = part.where
    if isinstance(part, np.ndarray) and part.ndim:
        if part.dtype.kind not in "iu":
            raise IndexError(f"an index of {part.dtype} along {what}: expected integers or booleans")
        bad = part[(part < -extent) | (part >= extent)]
        if bad.size:
            raise IndexError(f"index {bad.flat[0]} along {what}: it has positions 0..{extent}")
        positions, index = np.unique(np.where(part < 0, part + extent, part).astype(np.intp), return_inverse=True)
        return Axis(positions, index.reshape(part.shape))
    if isinstance(part, (bool, np.bool_)):
        raise IndexError(f"index {part!r} along {what}: expected an integer, a slice, an array, None or ...")
    try:
        number = operator.index(part)
    except TypeError:
        raise IndexError(f"index {part!r} along {what}: expected an integer, a slice, an array, None or ...") from None
    if not -extent <= number < extent:
        raise IndexError(f"index {number} along {what}: it has positions 0..{extent}")
    return Axis(np.array([number % extent]), 0)


def _check_size(picked: Pick, arrays: list[np.ndarray], what: str) -> None:
    """Points are taken out of the block that spans them, which must not be absurdly larger than what is asked for."""
    most, fold = 1 << 27, 16
    try:
        together = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise IndexError(f"the arrays that {what} is indexed by, of shapes {shapes}, do not go together") from None
    asked = np.prod(together, dtype=float)
    for axis in picked.axes:
        if isinstance(axis.index, slice):
            asked *= len(axis.positions)
    block = np.prod(picked.shape, dtype=float)
    if block > most and block > fold * asked:
        raise InvalidArgumentError(
            f"the points asked of {what} span {block:.3g} elements, for {asked:.3g}: ask for fewer of them at a time"
        )


def boxes(axes: list[Axis], chunks: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """The block in pieces, as slices of the axes' positions."""
    yield from itertools.product(*(axis.pieces(chunk) for axis, chunk in zip(axes, chunks)))


def spanned(axes: list[Axis], piece: tuple[slice, ...]) -> tuple[list[int], list[int], tuple[Any, ...] | None]:
    """(origin, shape) of the box around a piece, and the index of the piece in it; None where it is the box."""
    origin, shape, index, dense = [], [], [], True
    for axis, part in zip(axes, piece):
        positions = axis.positions[part]
        start = int(positions[0]) if len(positions) else 0
        length = int(positions[-1]) - start + 1 if len(positions) else 0
        origin.append(start)
        shape.append(length)
        index.append(positions - start)
        dense = dense and length == len(positions)
    return origin, shape, None if dense else np.ix_(*index)


def gather(axes: list[Axis], chunks: Sequence[int], read: Read) -> np.ndarray:
    """The block of all positions."""
    pieces = list(boxes(axes, chunks))

    def values(piece: tuple[slice, ...]) -> np.ndarray:
        origin, shape, index = spanned(axes, piece)
        box = read(origin, shape)
        return box if index is None else box[index]

    if len(pieces) == 1:
        return values(pieces[0])
    first = values(pieces[0])
    block = np.empty([len(axis.positions) for axis in axes], first.dtype)
    block[pieces[0]] = first

    def place(piece: tuple[slice, ...]) -> None:
        block[piece] = values(piece)

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(place, pieces[1:]))
    return block


def scatter(
    axes: list[Axis],
    chunks: Sequence[int],
    block: np.ndarray,
    read: Read,
    write: Callable[[list[int], list[int], np.ndarray], None],
) -> None:
    """Writes the block to its positions. What lies between them is read and written back."""
    for piece in boxes(axes, chunks):
        origin, shape, index = spanned(axes, piece)
        if 0 in shape:
            continue
        if index is None:
            write(origin, shape, block[piece])
            continue
        box = read(origin, shape)
        box[index] = block[piece]
        write(origin, shape, box)

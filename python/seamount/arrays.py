"""Zarr groups and arrays as NumPy has arrays, for prediction and statistics; training reads with the loader."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core, indexing
from .connection import Key, Place, path_of
from .errors import InvalidArgumentError, KeyNotFoundError, NotFoundError, SeamountError
from .overview import Overview, groups_in, overview_of, text_of
from .overview_html import array_html, html_of
from .selection import natural, range_of, split_of
from .times import Times

if TYPE_CHECKING:
    import xarray

MissingChunks = Literal["error", "fill"]
Mode = Literal["r", "r+"]


class Array:
    """A Zarr array (format 2 or 3): ``array[3, ..., 10:20]``, ``np.asarray(array)``; opened with ``mode="r+"`` also
    ``array[:10] = values``, ``array.append(values)``. Reading and writing are thread-safe, changing the shape is not.

    Text and bytes of variable length come as ``StringDType`` (before NumPy 2 as objects) and as objects.
    """

    def __init__(self, group: Any, name: str, missing: str, mode: Mode, threads: int = 16) -> None:
        self._group = group
        self._threads = threads
        self._missing = missing
        self._mode = mode
        self._core = group.open_array(name, missing)

    @property
    def name(self) -> str:
        """The array's path within the group that was opened."""
        return self._core.path

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each dimension."""
        return tuple(self._core.shape)

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """The unit of decoding: the inner chunk where sharded; where chunks differ in size, the largest along each dimension."""
        return tuple(self._core.chunks)

    @property
    def dtype(self) -> np.dtype:
        """As stored."""
        return np.dtype(self._core.dtype)

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions' names; empty where the array has none."""
        return tuple(self._core.dims)

    @property
    def attributes(self) -> dict[str, Any]:
        """The array's attributes, without what Zarr keeps in them for itself. Numbers that JSON cannot say are text."""
        return json.loads(self._core.attributes_json)

    def read(
        self, select: tuple[int, int] | Mapping[str, tuple[int, int]] | None = None, raw: bool = False
    ) -> np.ndarray:
        """The values, in an array of one's own.

        Where the array has CF attributes that change numbers (``scale_factor``, ``add_offset``, ``_FillValue``,
        ``missing_value``, ``valid_range``, …), they are applied, and the result is float64 with NaN where values are
        missing; otherwise the stored type is kept. Nothing is normalised.

        Args:
            select: ``(start, stop)`` along the first dimension, or ``{dimension: (start, stop)}`` for any of them; all
                by default.
            raw: the numbers as stored.

        Raises:
            InvalidArgumentError (ValueError): the selection lies outside.
            DataLossError (OSError): a chunk is corrupt, or was written and is gone; the message names it.
        """
        origin, shape = [0] * self.ndim, list(self.shape)
        for axis, (start, stop) in self._ranges(select).items():
            if start > stop or stop > self.shape[axis]:
                raise InvalidArgumentError(
                    f"select {start}..{stop} of {self.name!r}: dimension {self._said(axis)} has positions "
                    f"0..{self.shape[axis]}"
                )
            origin[axis], shape[axis] = start, stop - start
        return self._core.read(origin, shape, raw, self._threads)

    def _ranges(self, select: Any) -> dict[int, tuple[int, int]]:
        if select is None:
            return {}
        if not isinstance(select, Mapping):
            if not self.shape:
                raise InvalidArgumentError(f"select is {select!r}, and {self.name!r} is one number without dimensions")
            return {0: range_of(select)}
        unknown = [name for name in select if name not in self.dims]
        if unknown:
            raise InvalidArgumentError(f"select names {unknown[0]!r}: {self.name!r} has the dimensions {self.dims}")
        return {self.dims.index(name): range_of(part) for name, part in select.items()}

    def _said(self, axis: int) -> str:
        return repr(self.dims[axis]) if self.dims else str(axis)

    def __getitem__(self, key: Any) -> np.ndarray:
        """As NumPy: integers, slices, ``...``, ``None``, arrays of integers and of booleans. Decoded as :meth:`read` does.
        Only what is needed is read; of points (two arrays of integers or more) the block that spans them."""
        picked = indexing.pick(key, self.shape, repr(self.name))
        return self._gather(picked.axes)[picked.key]

    def __setitem__(self, key: Any, values: Any) -> None:
        """Writes, as NumPy: ``array[10:20, ..., [3, 5]] = values``. Needs ``mode="r+"``.

        Chunks and shards that are written only partly are read first, and written only if nobody else has meanwhile. With
        steps and arrays of integers, and across chunks, two writers at a time can still undo each other.
        """
        picked = indexing.pick(key, self.shape, repr(self.name))
        writer = self._writable()
        block = picked.as_block(values, self.dtype)
        if block is None:
            block = self._gather_stored(picked.axes) if picked.pointwise else np.empty(picked.shape, self.dtype)
            block[picked.key] = values
        self._scatter(writer, picked.axes, block)

    @property
    def oindex(self) -> OuterIndex:
        """Indexing of each dimension by itself: ``array.oindex[[0, 5], :, [1, 2]]`` has shape (2, …, 2)."""
        return OuterIndex(self)

    def resize(self, *shape: Any) -> None:
        """Another shape, in place: ``array.resize(20, 73, 144)``. What a smaller one cuts off is deleted, and a larger one
        begins with the fill value. Needs ``mode="r+"``; one writer at a time.

        Other objects of the array keep the old shape; open them again.
        """
        wanted = shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape
        sizes = [natural("shape", size) for size in wanted]
        self._writable().resize(sizes)
        self._reopen()

    def append(self, values: Any, axis: int = 0) -> tuple[int, ...]:
        """Makes the array longer by ``values``, which have its other dimensions; returns the new shape. Readers see all of
        it or nothing. Needs ``mode="r+"``; one writer at a time."""
        writer = self._writable()
        values = np.asarray(values, self.dtype)
        if not -self.ndim <= axis < self.ndim:
            raise InvalidArgumentError(f"append to {self.name!r}: it has no axis {axis}")
        axis %= self.ndim
        expected = self.shape[:axis] + values.shape[axis : axis + 1] + self.shape[axis + 1 :]
        if values.shape != expected:
            raise InvalidArgumentError(
                f"append to {self.name!r} along axis {axis}: values of shape {values.shape}, expected "
                f"{self.shape[:axis] + ('any',) + self.shape[axis + 1 :]}"
            )
        if values.size:
            append = writer.append_strings if self._strings else writer.append
            append(axis, _flat(values, self._strings))
            self._reopen()
        return self.shape

    def _writable(self) -> Any:
        if self._mode == "r":
            raise InvalidArgumentError(f"{self.name!r} is open for reading: open it with mode='r+' to write to it")
        if self._core.packed:
            raise InvalidArgumentError(
                f"{self.name!r} holds packed numbers (scale_factor, add_offset, _Unsigned), which are not written from here"
            )
        return self._core

    def _reopen(self) -> None:
        self._group.refresh_consolidated()
        self._core = self._group.open_array(self.name, self._missing)

    @property
    def _strings(self) -> bool:
        return self.dtype.kind in "OT"

    def _gather(self, axes: list[indexing.Axis]) -> np.ndarray:
        return indexing.gather(axes, self.chunks, lambda origin, shape: self._core.read(origin, shape, False, self._threads))

    def _gather_stored(self, axes: list[indexing.Axis]) -> np.ndarray:
        return indexing.gather(axes, self.chunks, lambda origin, shape: self._core.read(origin, shape, True, self._threads))

    def _scatter(self, writer: Any, axes: list[indexing.Axis], block: np.ndarray) -> None:
        def put(origin: list[int], shape: list[int], values: np.ndarray) -> None:
            if self._strings:
                writer.write_strings(origin, shape, _flat(values, True))
            else:
                writer.write(origin, shape, _flat(values, False), self._threads)

        indexing.scatter(
            axes,
            self.chunks,
            block,
            lambda origin, shape: writer.read(origin, shape, True, self._threads),
            put,
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The whole array, decoded: what ``np.asarray`` takes."""
        if copy is False:
            raise ValueError(f"{self.name!r} has to be read, which makes a copy")
        values = self.read()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self.name!r} is one number without dimensions")
        return self.shape[0]

    def __reduce__(self) -> Any:
        raise TypeError(
            "a seamount.Array cannot be pickled: it holds connections. Open it where it is needed: "
            f"seamount.open_array(url, {self.name!r})"
        )

    def __repr__(self) -> str:
        return f"<seamount.Array {self.name!r} {self.dtype} {dict(zip(self.dims, self.shape)) or self.shape}>"

    def _repr_html_(self) -> str:
        return array_html(self)


class OuterIndex:
    """What :attr:`Array.oindex` is."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> np.ndarray:
        """The values at every combination of what is given for each dimension: an integer, a slice, or an array of
        integers or booleans of one dimension."""
        axes = indexing.outer(key, self._array.shape, repr(self._array.name))
        values = self._array._gather(axes)
        for axis in reversed(range(len(axes))):  # an integer takes its dimension away
            values = values[(slice(None),) * axis + (axes[axis].index,)]
        return values

    def __setitem__(self, key: Any, values: Any) -> None:
        """Writes there; see :meth:`Array.__setitem__`."""
        array = self._array
        axes = indexing.outer(key, array.shape, repr(array.name))
        writer = array._writable()
        block = np.empty([len(axis.positions) for axis in axes], array.dtype)
        indices = [np.atleast_1d(np.arange(len(axis.positions))[axis.index]) for axis in axes]
        given = [len(index) for index, axis in zip(indices, axes) if not isinstance(axis.index, int)]
        block[np.ix_(*indices)] = np.broadcast_to(values, given).reshape([len(index) for index in indices])
        array._scatter(writer, axes, block)


def _flat(values: np.ndarray, strings: bool) -> Any:
    """As the engine takes them: a list, or the bytes."""
    if strings:
        return values.ravel().tolist()
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


class Group:
    """A Zarr group: ``group["u"]`` is its array, ``list(group)`` their names. Thread-safe.

    One that ``seamount prepare`` has not finished yet is refused when it is opened.
    """

    def __init__(self, core: Any, url: str, mode: Mode = "r", place: Place | None = None) -> None:
        if mode not in ("r", "r+"):
            raise InvalidArgumentError(f"mode is {mode!r}: expected 'r' to read, or 'r+' to write too")
        self._core = core
        self._url = url
        self._mode = mode
        self._place = place or Place()
        self._overview: Overview | None = None

    @property
    def url(self) -> str:
        """Where it lies."""
        return self._url

    @property
    def attributes(self) -> dict[str, Any]:
        """The group's own attributes; ``{}`` where it has none."""
        return json.loads(self._core.attributes_json)

    @property
    def sample_dim(self) -> str | None:
        """The dimension samples run along, where ``seamount prepare`` noted it."""
        return self._core.sample_dim or None

    @property
    def splits(self) -> dict[str, tuple[int, int] | list[tuple[int, int]]]:
        """``{name: (start, stop)}`` along :attr:`sample_dim`: what a loader takes as ``split=name``. One of several stretches
        (every other year) is a list of them."""
        return {name: ranges[0] if len(ranges) == 1 else ranges for name, ranges in self._core.splits.items()}

    @property
    def segments(self) -> list[tuple[int, int]]:
        """Stretches ``(start, stop)`` along :attr:`sample_dim` without a gap; windows stay inside one. Empty: not noted."""
        return self._core.segments

    def times(self, dimension: str | None = None) -> np.ndarray:
        """What the positions along a dimension (:attr:`sample_dim` by default) mean, from its coordinate: datetime64, or
        text where the calendar is not the usual one."""
        return Times(self._core, dimension or self._core.sample_dim or "time").all()

    def variables(self) -> list[str]:
        """The names of the arrays directly within, coordinates among them. Reads their metadata."""
        return self._core.arrays()

    def groups(self) -> list[str]:
        """The names of the groups directly within."""
        return groups_in(self._place.open(self._url))

    def open_group(self, name: str) -> Group:
        """A group within: a name, or a path."""
        _check_name("name", name)
        return group_at(f"{self._url.rstrip('/')}/{name.strip('/')}", self._mode, self._place)

    @property
    def coords(self) -> dict[str, np.ndarray]:
        """The coordinates of its dimensions, read: latitudes, times as the group has them."""
        overview = self.overview()
        return {name: array[...] for name, array in overview.coordinates.items() if name in overview.dims}

    def overview(self) -> Overview:
        """What is in it: dimensions, coordinates and variables, from one look at their documents, which is kept."""
        if self._overview is None:
            self._overview = overview_of(self)
        return self._overview

    def to_xarray(self, split: str | None = None, **options: Any) -> xarray.Dataset:
        """As ``xarray.open_dataset(url, engine="seamount")``, whose ``options`` it takes: values are read when they are needed.
        With ``split`` the part of it. ImportError where xarray or zarr-python is not installed.

        Example:
            >>> seamount.open("gs://lab/winds.zarr").to_xarray(split="test").uwnd.sel(lat=45, method="nearest")
        """
        from .xarray_engine import dataset_of

        return dataset_of(self._url, self._place, options, split_of(self._core, split) if split else None, self._core.sample_dim)

    def open_array(self, variable: str, *, missing_chunks: MissingChunks | None = None) -> Array:
        """One array; see :func:`seamount.open_array`."""
        _check_name("variable", variable)
        # Files hardly make a thread wait, and each holds a chunk or a shard.
        threads = 2 * (os.cpu_count() or 1) if self._url.startswith("file:") else 16
        return Array(self._core, variable, missing_chunks or "", self._mode, min(threads, 16))

    def __getitem__(self, variable: str) -> Array:
        try:
            return self.open_array(variable)
        except NotFoundError as error:
            raise KeyNotFoundError(str(error)) from None

    def __iter__(self) -> Any:
        return iter(self.variables())

    def _ipython_key_completions_(self) -> list[str]:
        return self.variables()

    def __contains__(self, variable: object) -> bool:
        return variable in self.variables()

    def __reduce__(self) -> Any:
        raise TypeError("a seamount.Group cannot be pickled: it holds connections. Open it where it is needed")

    def __repr__(self) -> str:
        try:
            return text_of(self, self._url)
        except SeamountError as error:
            return f"<seamount.Group {self._url!r}: {error}>"

    def _repr_html_(self) -> str:
        return html_of(self, self._url)


def _check_name(what: str, given: Any) -> None:
    if not isinstance(given, str):
        raise InvalidArgumentError(f"{what} is {given!r}: expected a name")


def open_group(
    url: str | os.PathLike[str],
    *,
    mode: Mode = "r",
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> Group:
    """Opens the Zarr group at ``url`` (``gs://bucket/prefix``, ``file:///directory`` or a folder). With ``mode="r+"`` its arrays can
    be written to.

    Raises:
        PreconditionFailedError (RuntimeError): it is half-written: ``seamount prepare`` is at work there, or was
            interrupted.
        NotFoundError (FileNotFoundError): no such bucket.
        InvalidArgumentError (ValueError): an array lies there, or the URL is none.

    Example:
        >>> group = seamount.open_group("gs://lab/winds.zarr")
        >>> group.variables(), group.splits
        (['lat', 'lon', 'time', 'uwnd', 'vwnd'], {'train': (0, 108), 'test': (108, 132)})
    """
    return group_at(path_of("url", url), mode, Place(key, endpoint, anonymous))


def group_at(url: str, mode: Mode, place: Place) -> Group:
    """:func:`open_group`, of a place that is known already."""
    return Group(_core.open_group(place.open(url)), url, mode, place)

"""Reading Zarr groups and arrays into NumPy, for prediction and statistics; training reads with the loader."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from . import _core
from .connection import Key, open_store
from .errors import InvalidArgumentError
from .selection import range_of
from .times import Times

MissingChunks = Literal["error", "fill"]


class Array:
    """A Zarr array (format 2 or 3), open for reading: ``array[3, ..., 10:20]``, ``np.asarray(array)``. Thread-safe."""

    def __init__(self, core: Any) -> None:
        self._core = core

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
        """The unit of decoding: the inner chunk where sharded."""
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
        return self._core.read(origin, shape, raw)

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
        """The values at integers, slices and ``...``, decoded as :meth:`read` does; only what is needed is read."""
        parts = list(key) if isinstance(key, tuple) else [key]
        ellipses = sum(part is Ellipsis for part in parts)
        if ellipses > 1 or len(parts) - ellipses > self.ndim:
            raise IndexError(f"{self.name!r} has {self.ndim} dimensions, and the index is {key!r}")
        if not ellipses:
            parts.append(Ellipsis)
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        origin, shape, rest = [], [], []
        for axis, (part, extent) in enumerate(zip(parts, self.shape)):
            start, count, after = _part(part, extent, f"dimension {self._said(axis)} of {self.name!r}")
            origin.append(start)
            shape.append(count)
            rest.append(after)
        return self._core.read(origin, shape, False)[tuple(rest)]

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


def _part(part: Any, extent: int, what: str) -> tuple[int, int, Any]:
    """(start, count) to read along one dimension, and the index of it that is left then."""
    if isinstance(part, slice):
        chosen = range(extent)[part]
        if not chosen:
            return 0, 0, slice(None)
        low = min(chosen[0], chosen[-1])
        return low, max(chosen[0], chosen[-1]) - low + 1, slice(None, None, chosen.step)
    try:
        number = operator.index(part)
    except TypeError:
        raise IndexError(f"index {part!r} along {what}: expected an integer, a slice or ...") from None
    if not -extent <= number < extent:
        raise IndexError(f"index {number} along {what}: it has positions 0..{extent}")
    return number % extent, 1, 0


class Group:
    """A Zarr group, open for reading: ``group["u"]`` is its array, ``list(group)`` their names. Thread-safe.

    One that ``seamount prepare`` has not finished yet is refused when it is opened.
    """

    def __init__(self, core: Any, url: str) -> None:
        self._core = core
        self._url = url

    @property
    def attributes(self) -> dict[str, Any]:
        """The group's own attributes; ``{}`` where it has none."""
        return json.loads(self._core.attributes_json)

    @property
    def sample_dim(self) -> str | None:
        """The dimension samples run along, where ``seamount prepare`` noted it."""
        return self._core.sample_dim or None

    @property
    def splits(self) -> dict[str, tuple[int, int]]:
        """``{name: (start, stop)}`` along :attr:`sample_dim`: what a loader takes as ``split=name``."""
        return self._core.splits

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

    def open_array(self, variable: str, *, missing_chunks: MissingChunks | None = None) -> Array:
        """One array; see :func:`seamount.open_array`."""
        return Array(self._core.open_array(variable, missing_chunks or ""))

    def __getitem__(self, variable: str) -> Array:
        return self.open_array(variable)

    def __iter__(self) -> Any:
        return iter(self.variables())

    def __contains__(self, variable: object) -> bool:
        return variable in self.variables()

    def __reduce__(self) -> Any:
        raise TypeError("a seamount.Group cannot be pickled: it holds connections. Open it where it is needed")

    def __repr__(self) -> str:
        splits = f", splits {self.splits}" if self.splits else ""
        return f"<seamount.Group {self._url!r}{splits}>"


def open_group(
    url: str | os.PathLike[str],
    *,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> Group:
    """Opens the Zarr group at ``url`` (``gs://bucket/prefix`` or ``file:///directory``).

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
    return Group(_core.open_group(open_store(url, endpoint=endpoint, key=key, anonymous=anonymous)), os.fspath(url))


def ls(
    url: str | os.PathLike[str],
    *,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> list[str]:
    """The names of the arrays in the group at ``url``: ``open_group(url).variables()``."""
    return open_group(url, endpoint=endpoint, key=key, anonymous=anonymous).variables()


def open_array(
    url: str | os.PathLike[str],
    variable: str,
    *,
    missing_chunks: MissingChunks | None = None,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> Array:
    """Opens one array of the Zarr group at ``url`` (``gs://bucket/prefix`` or ``file:///directory``).

    Only metadata are read. ``missing_chunks``, ``endpoint``, ``key`` and ``anonymous`` are as for
    :class:`seamount.Loader`.

    Raises:
        NotFoundError (FileNotFoundError): there is no such bucket or variable; the message has the nearest name.
        PreconditionFailedError (RuntimeError): the group is half-written.
        InvalidArgumentError (ValueError): the array has a data type or a codec that is not supported; it is named.
        PermissionDeniedError, UnauthenticatedError (PermissionError): the bucket may not be read with this key.
        UnavailableError (ConnectionError): the server was away for longer than retrying lasts.

    Example:
        >>> wind = seamount.open_array("gs://lab/winds.zarr", "uwnd")
        >>> wind.dims, wind.shape
        (('time', 'lat', 'lon'), (132, 73, 144))
        >>> january = wind[0]  # (73, 144), in the units of wind.attributes["units"]
    """
    group = open_group(url, endpoint=endpoint, key=key, anonymous=anonymous)
    return group.open_array(variable, missing_chunks=missing_chunks)


def read(
    url: str | os.PathLike[str],
    variable: str,
    select: tuple[int, int] | Mapping[str, tuple[int, int]] | None = None,
    raw: bool = False,
    *,
    missing_chunks: MissingChunks | None = None,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> np.ndarray:
    """The values of one array: ``open_array(url, variable).read(select, raw)``, which says what comes and what is raised.

    Data that are replaced meanwhile are noticed: PreconditionFailedError.

    Example:
        >>> latitude = seamount.read("gs://lab/winds.zarr", "lat")
    """
    group = open_group(url, endpoint=endpoint, key=key, anonymous=anonymous)
    values = group.open_array(variable, missing_chunks=missing_chunks).read(select, raw)
    group._core.check_same()
    return values


def attributes(
    url: str | os.PathLike[str],
    variable: str | None = None,
    *,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> dict[str, Any]:
    """The attributes of a variable, or of the group itself; ``{}`` for a group that has none.

    Example:
        >>> seamount.attributes("gs://lab/winds.zarr", "uwnd")["units"]
        'm/s'
    """
    group = open_group(url, endpoint=endpoint, key=key, anonymous=anonymous)
    return group.attributes if variable is None else group[variable].attributes

"""Reading Zarr arrays and attributes into NumPy, for prediction and statistics; training reads with the loader."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from . import _core
from .loader import range_of


class Array:
    """A Zarr array (format 2 or 3), open for reading. Thread-safe."""

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

    def read(self, select: tuple[int, int] | None = None, raw: bool = False) -> np.ndarray:
        """The values, in an array of one's own.

        Where the array has CF attributes that change numbers (``scale_factor``, ``add_offset``, ``_FillValue``,
        ``missing_value``), they are applied, and the result is float64 with NaN where values are missing; otherwise
        the stored type is kept. Nothing is normalised.

        Args:
            select: ``(start, stop)`` along the first dimension; all of it by default.
            raw: the numbers as stored.

        Raises:
            InvalidArgumentError (ValueError): the selection lies outside.
            DataLossError (OSError): a chunk is corrupt; the message names it.
        """
        start, stop = (0, self.shape[0] if self.shape else 0) if select is None else range_of(select)
        return self._core.read(start, stop, raw)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a seamount.Array cannot be pickled: it holds connections. Open it where it is needed: "
            f"seamount.open_array(url, {self.name!r})"
        )

    def __repr__(self) -> str:
        return f"<seamount.Array {self.name!r} {self.dtype} {dict(zip(self.dims, self.shape)) or self.shape}>"


def open_array(
    url: str | os.PathLike[str],
    variable: str,
    *,
    endpoint: str | None = None,
    key: str | os.PathLike[str] | None = None,
    anonymous: bool = False,
) -> Array:
    """Opens one array of the Zarr group at ``url`` (``gs://bucket/prefix`` or ``file:///directory``).

    Only metadata are read. ``endpoint``, ``key`` and ``anonymous`` are as for :class:`seamount.Loader`.

    Raises:
        NotFoundError (FileNotFoundError): there is no such variable; the message has the nearest name.
        InvalidArgumentError (ValueError): the array has a data type or a codec that is not supported; it is named.
        PermissionDeniedError, UnauthenticatedError (PermissionError): the bucket may not be read with this key.
        UnavailableError (ConnectionError): the server was away for longer than retrying lasts.

    Example:
        >>> wind = seamount.open_array("gs://lab/winds.zarr", "uwnd")
        >>> wind.dims, wind.shape
        (('time', 'lat', 'lon'), (132, 73, 144))
        >>> january = wind.read((0, 1))  # (1, 73, 144), in the units of wind.attributes["units"]
    """
    return Array(_core.open_array(os.fspath(url), variable, endpoint or "", _text(key), anonymous))


def read(
    url: str | os.PathLike[str],
    variable: str,
    select: tuple[int, int] | None = None,
    raw: bool = False,
    *,
    endpoint: str | None = None,
    key: str | os.PathLike[str] | None = None,
    anonymous: bool = False,
) -> np.ndarray:
    """The values of one array: ``open_array(url, variable).read(select, raw)``, which says what comes and what is raised.

    Example:
        >>> latitude = seamount.read("gs://lab/winds.zarr", "lat")
    """
    return open_array(url, variable, endpoint=endpoint, key=key, anonymous=anonymous).read(select, raw)


def attributes(
    url: str | os.PathLike[str],
    variable: str | None = None,
    *,
    endpoint: str | None = None,
    key: str | os.PathLike[str] | None = None,
    anonymous: bool = False,
) -> dict[str, Any]:
    """The attributes of a variable, or of the group itself; ``{}`` for a group that has none.

    Example:
        >>> seamount.attributes("gs://lab/winds.zarr", "uwnd")["units"]
        'm/s'
    """
    if variable is not None:
        return open_array(url, variable, endpoint=endpoint, key=key, anonymous=anonymous).attributes
    document = _core.group_document(os.fspath(url), endpoint or "", _text(key), anonymous)
    if document is None:
        return {}
    format_, text = document
    parsed = json.loads(text)
    return parsed.get("attributes", {}) if format_ == 3 else parsed


def _text(path: str | os.PathLike[str] | None) -> str:
    return "" if path is None else os.fspath(path)

"""What lies at a place: ``seamount.open``, and calls that open and read at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .arrays import Array, Group, MissingChunks, Mode, open_group
from .connection import Key, Place, url_of
from .errors import InvalidArgumentError, NotFoundError
from .overview import document_of


def open(
    url: str | os.PathLike[str],
    *,
    mode: Mode = "r",
    missing_chunks: MissingChunks | None = None,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> Group | Array:
    """Opens what lies at ``url``, a Zarr group or an array: ``gs://bucket/prefix``, ``file:///directory`` or a folder.

    A group says in a terminal and in a notebook what is in it: dimensions, splits, arrays with their chunks, a look at a
    field. ``group["u"]`` is an array, ``group.open_group("fine")`` a group within. Arrays are read, and with ``mode="r+"``
    written, as NumPy's.

    Raises: as :func:`seamount.open_group` and :func:`seamount.open_array`; NotFoundError (FileNotFoundError) where no group and
    no array lies.

    Example:
        >>> group = seamount.open("gs://lab/winds.zarr")
        >>> group["uwnd"][0, ..., 10:20]
    """
    place = url_of(url)
    store = Place(key, endpoint, anonymous).open(place)
    document = document_of(store, "")
    if document.get("node_type") != "array" and store.stat(".zarray") is None:
        group = open_group(place, mode=mode, endpoint=endpoint, key=key, anonymous=anonymous)
        if not document and store.stat(".zgroup") is None and not group.variables() and not group.groups():
            objects, folders, _ = store.list("", "/", max_results=1)
            names = [*(found["key"] for found in objects), *folders]
            there = f"{names[0]!r} lies there, but" if names else "it is empty, and has"
            raise NotFoundError(f"nothing to open at {place}: {there} no Zarr group and no array")
        return group
    parent, _, name = place.rstrip("/").rpartition("/")
    if parent.endswith("/") or not name:
        raise InvalidArgumentError(f"{place} is an array at a store's root: expected one with a folder around it")
    return open_group(parent, mode=mode, endpoint=endpoint, key=key, anonymous=anonymous).open_array(
        name, missing_chunks=missing_chunks
    )

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
    mode: Mode = "r",
    missing_chunks: MissingChunks | None = None,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> Array:
    """Opens one array of the Zarr group at ``url`` (``gs://bucket/prefix``, ``file:///directory`` or a folder).

    Only metadata are read. With ``mode="r+"`` it can be written to, too. ``missing_chunks``, ``endpoint``, ``key`` and ``anonymous`` are as for
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
    group = open_group(url, mode=mode, endpoint=endpoint, key=key, anonymous=anonymous)
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
    return group.attributes if variable is None else group.open_array(variable).attributes

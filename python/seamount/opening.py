"""``seamount.open``: what lies at a place."""

from __future__ import annotations

import os

from .arrays import Array, Group, MissingChunks, Mode, open_group
from .connection import Key, Place, url_of
from .errors import InvalidArgumentError
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

    Raises: as :func:`seamount.open_group` and :func:`seamount.open_array`.

    Example:
        >>> group = seamount.open("gs://lab/winds.zarr")
        >>> group["uwnd"][0, ..., 10:20]
    """
    place = url_of(url)
    store = Place(key, endpoint, anonymous).open(place)
    array = document_of(store, "").get("node_type") == "array" or store.stat(".zarray") is not None
    if not array:
        return open_group(place, mode=mode, endpoint=endpoint, key=key, anonymous=anonymous)
    parent, _, name = place.rstrip("/").rpartition("/")
    if parent.endswith("/") or not name:
        raise InvalidArgumentError(f"{place} is an array at a store's root: expected one with a folder around it")
    return open_group(parent, mode=mode, endpoint=endpoint, key=key, anonymous=anonymous).open_array(
        name, missing_chunks=missing_chunks
    )

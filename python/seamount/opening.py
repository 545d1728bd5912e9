"""``seamount.open``: what lies at a place."""

from __future__ import annotations

import os

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

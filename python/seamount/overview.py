"""What is in a group, as its repr says it: one look at the documents, kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .errors import SeamountError

if TYPE_CHECKING:
    import numpy as np

    from . import _core


class Array(Protocol):
    """As much of a :class:`seamount.Array` as is shown."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def chunks(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def dims(self) -> tuple[str, ...]: ...
    @property
    def attributes(self) -> dict[str, Any]: ...
    def __getitem__(self, key: Any) -> np.ndarray: ...


class Group(Protocol):
    """As much of a :class:`seamount.Group`."""

    @property
    def sample_dim(self) -> str | None: ...
    @property
    def splits(self) -> dict[str, tuple[int, int] | list[tuple[int, int]]]: ...
    def variables(self) -> list[str]: ...
    def groups(self) -> list[str]: ...
    def times(self, dimension: str | None = None) -> np.ndarray: ...
    def overview(self) -> Overview: ...
    def __getitem__(self, variable: str) -> Array: ...


@dataclass
class Overview:
    """Arrays by what they are for."""

    dims: dict[str, int] = field(default_factory=dict)
    coordinates: dict[str, Array] = field(default_factory=dict)
    variables: dict[str, Array] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)  # and why


def overview_of(group: Group) -> Overview:
    """A coordinate has a dimension's name, or is one by the attributes of another."""
    overview, arrays = Overview(), {}
    for name in group.variables():
        try:
            arrays[name] = group[name]
        except SeamountError as error:
            overview.unreadable[name] = str(error)
    named: set[str] = set()
    for name, array in arrays.items():
        for dim, size in zip(array.dims, array.shape):
            overview.dims[dim] = max(size, overview.dims.get(dim, 0))
        attributes = array.attributes
        for key in ("coordinates", "bounds", "grid_mapping"):
            named |= set(str(attributes.get(key, "")).split())
    for name, array in arrays.items():
        kind = overview.coordinates if name in overview.dims or name in named else overview.variables
        kind[name] = array
    return overview


def groups_in(store: _core.Store) -> list[str]:
    """The names of the groups directly below a store's root."""
    consolidated = document_of(store, "").get("consolidated_metadata")
    if isinstance(consolidated, dict) and isinstance(consolidated.get("metadata"), dict):
        members = consolidated["metadata"].items()
        return sorted(name for name, member in members if "/" not in name and member.get("node_type") == "group")
    names, token = [], ""
    while True:
        _, folders, token = store.list("", "/", token)
        names += [folder.rstrip("/") for folder in folders]
        if not token:
            return sorted(name for name in names if _is_group(store, name))


def _is_group(store: _core.Store, name: str) -> bool:
    return document_of(store, f"{name}/").get("node_type") == "group" or store.stat(f"{name}/.zgroup") is not None


def document_of(store: _core.Store, prefix: str) -> dict[str, Any]:
    """``zarr.json`` there; nothing where there is none, or it is no document: opening says what is wrong with it."""
    found = store.read(f"{prefix}zarr.json")
    try:
        document = json.loads(found[0]) if found else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def text_of(group: Group, url: str) -> str:
    """For a terminal."""
    overview = group.overview()
    lines = [f"<seamount.Group {url!r}>"]
    if overview.dims:
        lines.append("Dimensions:  " + ", ".join(f"{dim}: {size}" for dim, size in overview.dims.items()))
    if group.splits:
        parts = (f"{name} {where}" for name, where in splits_of(group))
        lines.append(f"Splits:      {', '.join(parts)} of {group.sample_dim}")
    for title, arrays in (("Coordinates:", overview.coordinates), ("Variables:", overview.variables)):
        if arrays:
            width = max(map(len, arrays))
            lines += [title, *(f"    {name:{width}}  {line_of(array)}" for name, array in arrays.items())]
    for name, why in overview.unreadable.items():
        lines.append(f"Not readable: {name}: {why}")
    if names := group.groups():
        lines.append("Groups:      " + ", ".join(names))
    return "\n".join(lines)


def splits_of(group: Group) -> list[tuple[str, str]]:
    """Names, and what they are stretches of, in the order in which they lie."""
    stretches = {name: ranges if isinstance(ranges, list) else [ranges] for name, ranges in group.splits.items()}
    ordered = sorted(stretches.items(), key=lambda split: split[1])
    return [(name, _stretches(ranges)) for name, ranges in ordered]


def _stretches(ranges: list[tuple[int, int]]) -> str:
    shown = 3
    parts = [f"{start}..{stop}" for start, stop in ranges[:shown]]
    return " + ".join(parts) + (f" + {len(ranges) - shown} more" if len(ranges) > shown else "")


def line_of(array: Array) -> str:
    """An array in a line: dimensions, type, chunks, units."""
    dims = ", ".join(array.dims) if array.dims else " × ".join(map(str, array.shape))
    parts = [f"({dims})", str(array.dtype), f"chunks {' × '.join(map(str, array.chunks))}" if array.chunks else "one number"]
    attributes = array.attributes
    parts += [str(attributes[key]) for key in ("units", "long_name") if key in attributes]
    return "  ".join(parts)

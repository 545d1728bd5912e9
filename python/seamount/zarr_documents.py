"""The documents of Zarr 3 that the package writes itself; elements are encoded by the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

_LITTLE: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}
_ONE_BYTE: dict[str, Any] = {"name": "bytes"}
_CHECKSUM: dict[str, Any] = {"name": "crc32c"}


def array_document(
    dtype: np.dtype[Any],
    dims: Sequence[str],
    shape: Sequence[int],
    unit: Sequence[int],
    chunk: Sequence[int],
    attributes: dict[str, Any],
) -> dict[str, Any]:
    """An array whose objects are ``unit``, each a shard of ``chunk`` where these differ; floats are NaN where not written."""
    shuffle = {"typesize": dtype.itemsize, "cname": "zstd", "clevel": 1, "shuffle": "shuffle", "blocksize": 0}
    inner = [
        _LITTLE if dtype.itemsize > 1 else _ONE_BYTE,
        {"name": "blosc", "configuration": shuffle},
        _CHECKSUM,
    ]
    sharded = {"chunk_shape": list(chunk), "codecs": inner, "index_codecs": [_LITTLE, _CHECKSUM], "index_location": "start"}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(unit)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN" if dtype.kind == "f" else False if dtype.kind == "b" else 0,
        "codecs": inner if list(unit) == list(chunk) else [{"name": "sharding_indexed", "configuration": sharded}],
        "attributes": attributes,
        "dimension_names": list(dims),
    }


def group_document(attributes: dict[str, Any], members: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A group with the documents of all that is below it, by path, as readers look for them."""
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": attributes,
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": members},
    }


def encoded(document: dict[str, Any]) -> bytes:
    """As an object's bytes, the same for the same document. InvalidArgumentError is the caller's to raise for what JSON
    cannot say: TypeError, ValueError."""
    return json.dumps(document, indent=1, allow_nan=False).encode()

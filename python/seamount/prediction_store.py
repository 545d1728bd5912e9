"""How a prediction lies in a store: arrays whose objects are one batch each, a record of what it is, and a mark for each
batch that is there, which holds its samples' positions.

What is known of samples is written last, each as one object, and then the group's own document, as `seamount prepare` does: what has one is whole. Several ranks may write, each
its own batches; all of them write the same documents.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _core
from .errors import InvalidArgumentError, PreconditionFailedError
from .zarr_documents import array_document, encoded, group_document

RECORD = ".seamount-predict.json"
_MARKS = ".seamount-predict/"
_READERS = 16  # of marks, each of which waits for the network
_ABSENT = ""  # a generation: "write only where nothing is"


@dataclass
class Output:
    """One array: its path below the group, and how it is laid out. ``values``: of one that is written at once; ``of``: of one
    that follows from the samples' positions, when all are known."""

    path: str
    dtype: np.dtype[Any]
    dims: list[str]
    shape: list[int]
    unit: list[int]
    chunk: list[int]
    attributes: dict[str, Any] = field(default_factory=dict)
    values: np.ndarray | None = None
    of: Callable[[np.ndarray], np.ndarray] | None = None

    def document(self) -> dict[str, Any]:
        attributes = self.attributes | {"seamount": {"every_object": True}}
        return array_document(self.dtype, self.dims, self.shape, self.unit, self.chunk, attributes)


class PredictionStore:
    """A prediction in the making."""

    def __init__(self, store: _core.Store, url: str, record: dict[str, Any], batches: int) -> None:
        self._store, self._url, self._batches = store, url, batches
        try:
            self._record = encoded(record)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(f"attributes: {error}: expected what JSON can say") from None
        self._arrays: dict[str, Any] = {}

    def begin(self, overwrite: bool) -> set[int]:
        """Takes the place, or goes on with the same prediction there. Returns the batches that are there already.

        Raises:
            PreconditionFailedError: something else lies there.
        """
        if overwrite:
            self._delete()
        found = self._read(RECORD)
        if found is None:
            self._check_empty()
            self._write_new(RECORD, self._record)
            found = self._read(RECORD)
        if found is None or json.loads(found) != json.loads(self._record):
            raise PreconditionFailedError(
                f"{self._url} holds another prediction ({_difference(found, self._record)}): expected the same one, which would "
                "be gone on with. Take another place, or overwrite=True to delete it first"
            )
        return self.done()

    def done(self) -> set[int]:
        """The batches that are there."""
        return {int(key.removeprefix(_MARKS)) for key in self._keys(_MARKS)}

    def create(self, outputs: list[Output]) -> None:
        """Makes the arrays, or opens those that another rank or run has made."""
        for output in outputs:
            self._write_new(f"{output.path}/zarr.json", encoded(output.document()))
        group = _core.open_group(self._store)
        for output in outputs:
            array = self._arrays[output.path] = group.open_array(output.path, "fill")
            if output.values is not None:
                array.write([0] * len(output.shape), output.shape, _bytes_of(output.values, output.dtype))

    def write(self, batch: int, start: int, index: np.ndarray, parts: dict[str, np.ndarray]) -> None:
        """A batch's part of each array, from ``start`` on, then its mark; ``index``: its samples' positions."""
        for path, values in parts.items():
            array = self._arrays[path]
            array.write([start] + [0] * (values.ndim - 1), list(values.shape), _bytes_of(values, np.dtype(array.dtype)))
        self._store.write(f"{_MARKS}{batch}", encoded({"positions": index.tolist()}), content_type="application/json")

    def finish(self, outputs: list[Output], attributes: dict[str, Any]) -> bool:
        """Writes the group's documents once every batch is there; whether it is."""
        if self.finished():
            return True
        if len(self.done()) < self._batches:
            return self.finished()  # by another rank, whose marks are gone
        index = self._positions()
        if index is None:
            return self.finished()
        for output in outputs:
            if output.of is not None:
                values = output.of(index)
                self._arrays[output.path].write([0], output.shape, _bytes_of(values, output.dtype))
        documents = {output.path: output.document() for output in outputs}
        folders = sorted({os.path.dirname(path) for path in documents} - {""})
        for folder in folders:
            below = {path.removeprefix(f"{folder}/"): document for path, document in documents.items()
                     if path.startswith(f"{folder}/")}  # fmt: skip
            documents[folder] = group_document({}, below)
            self._write_new(f"{folder}/zarr.json", encoded(documents[folder]))
        self._write_new("zarr.json", encoded(group_document(attributes, documents)))
        for key in self._keys(_MARKS):
            self._store.delete(key)
        return True

    def _positions(self) -> np.ndarray | None:
        """Of all samples; None where another rank has taken the marks away."""
        with ThreadPoolExecutor(_READERS, "seamount-predict") as pool:
            marks = list(pool.map(lambda batch: self._read(f"{_MARKS}{batch}"), range(self._batches)))
        there = [json.loads(mark)["positions"] for mark in marks if mark is not None]
        return np.concatenate([np.array(part, "i8") for part in there]) if len(there) == len(marks) else None

    def finished(self) -> bool:
        """Whether it is whole."""
        return self._store.stat("zarr.json") is not None

    def _read(self, key: str) -> bytes | None:
        found = self._store.read(key)
        return None if found is None else found[0]

    def _write_new(self, key: str, data: bytes) -> None:
        """Unless it is there, by another rank."""
        try:
            self._store.write(key, data, content_type="application/json", generation=_ABSENT)
        except PreconditionFailedError:
            pass

    def _check_empty(self) -> None:
        objects, _, _ = self._store.list("", max_results=1)
        if objects and objects[0]["key"] != RECORD:
            raise PreconditionFailedError(
                f"{self._url} is not empty ({objects[0]['key']!r} lies there) and holds no prediction: expected an empty place"
            )

    def _delete(self) -> None:
        """The prediction that lies there, by its record. Its own document goes first, so that nobody takes the rest for
        whole, and the record last, so that deleting can go on."""
        found = self._read(RECORD)
        if found is None:
            return
        arrays = [str(path) for path in json.loads(found)["arrays"]]
        folders = {os.path.dirname(path) for path in arrays} - {""}
        documents = {"zarr.json", RECORD, *(f"{folder}/zarr.json" for folder in folders)}
        beginnings = (_MARKS, *(f"{path}/" for path in arrays))
        keys = self._keys("")
        others = [key for key in keys if key not in documents and not key.startswith(beginnings)]
        if others:
            raise PreconditionFailedError(
                f"{self._url} also holds {others[0]!r}, which is not of the prediction there: nothing was deleted"
            )
        for key in sorted(keys, key=lambda key: (key != "zarr.json", key == RECORD)):
            self._store.delete(key)

    def _keys(self, prefix: str) -> list[str]:
        keys, token = [], ""
        while True:
            objects, _, token = self._store.list(prefix, page_token=token)
            keys += [found["key"] for found in objects]
            if not token:
                return keys


def _bytes_of(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    return np.ascontiguousarray(values, dtype).reshape(-1).view(np.uint8)


def _difference(found: bytes | None, wanted: bytes) -> str:
    there, here = (json.loads(text) if text else {} for text in (found, wanted))
    names = [name for name in here if there.get(name) != here[name]] or ["something"]
    return f"its {names[0]} is {there.get(names[0])!r}, and this one's {here.get(names[0])!r}"

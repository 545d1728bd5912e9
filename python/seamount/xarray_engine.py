"""xarray over the engine: ``xarray.open_dataset("gs://lab/winds.zarr", engine="seamount", key="lab-key.json")``.

What the dataset looks like is xarray's own reading of Zarr, to the last attribute. The values come from the engine, which
fetches and decodes chunks side by side; an array in a codec or type that it does not have comes through zarr-python.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray
from xarray.backends import BackendArray, BackendEntrypoint, StoreBackendEntrypoint
from xarray.backends import ZarrStore as XarrayStore
from xarray.core import indexing

from . import _core
from .connection import Key, Place, url_of
from .errors import InvalidArgumentError
from .overview import document_of
from .zarr_store import ZarrStore


class _Group:
    """The engine's view of one group, opened where it is needed: here, or in a process that it travelled to."""

    def __init__(self, url: str, place: Place) -> None:
        self.url, self.place = url, place
        self._lock = threading.Lock()
        self._core: _core.Group | None = None

    def open(self) -> _core.Group:
        with self._lock:
            if self._core is None:
                self._core = _core.open_group(self.place.open(self.url))
            return self._core

    def __getstate__(self) -> tuple[str, Place]:
        return self.url, self.place

    def __setstate__(self, state: tuple[str, Place]) -> None:
        self.__init__(*state)  # type: ignore[misc]


class _Array(BackendArray):
    """One array. Thread-safe."""

    def __init__(self, group: _Group, name: str, plain: Any, chunks: tuple[int, ...]) -> None:
        self._group, self._name = group, name
        self._plain = plain  # as zarr-python reads it
        self._chunks = chunks
        self._core: _core.Array | None = None
        self.shape, self.dtype = plain.shape, plain.dtype

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_core": None}

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if self._core is None:
            try:
                self._core = self._group.open().open_array(self._name, "")
            except InvalidArgumentError:
                return self._plain[key]
        if isinstance(key, indexing.VectorizedIndexer):
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)
        return self._read(key.tuple)

    def _read(self, key: tuple[Any, ...]) -> Any:
        picks = [_Pick(part, extent, chunk) for part, extent, chunk in zip(key, self.shape, self._chunks)]
        into = np.empty([pick.count for pick in picks], self.dtype)
        for runs in itertools.product(*(pick.runs for pick in picks)):
            box = self._core.read([run.start for run in runs], [run.stop - run.start for run in runs], True)  # type: ignore[union-attr]
            there = [pick.of_run(run) for pick, run in zip(picks, runs)]
            into[np.ix_(*(places for places, _ in there))] = box[np.ix_(*(taken for _, taken in there))]
        return into[tuple(0 if pick.single else slice(None) for pick in picks)]


class _Pick:
    """What is wanted along one dimension, and the runs of positions that are read for it: what lies further apart than a
    chunk is read apart."""

    def __init__(self, part: Any, extent: int, chunk: int) -> None:
        self.single = isinstance(part, (int, np.integer))
        if isinstance(part, slice):
            self._wanted = np.arange(extent)[part]
        else:
            self._wanted = np.atleast_1d(np.asarray(part))
            self._wanted = np.where(self._wanted < 0, self._wanted + extent, self._wanted)
        self.count = len(self._wanted)
        self.runs: list[range] = []
        if self.count:
            places = np.unique(self._wanted)
            ends = np.flatnonzero(np.diff(places) > chunk)
            starts, stops = places[np.r_[0, ends + 1]], places[np.r_[ends, len(places) - 1]] + 1
            self.runs = [range(int(a), int(b)) for a, b in zip(starts, stops)]

    def of_run(self, run: range) -> tuple[np.ndarray, np.ndarray]:
        """Where the run's part of the result is, and which of the run's positions go there."""
        places = np.flatnonzero((self._wanted >= run.start) & (self._wanted < run.stop))
        return places, self._wanted[places] - run.start


class _Store(XarrayStore):
    """xarray's reading of Zarr, with the engine's values."""

    seamount_group: _Group

    def open_store_variable(self, name: str) -> Any:
        variable: Any = super().open_store_variable(name)  # type: ignore[no-untyped-call]
        plain = variable._data.array
        array = _Array(self.seamount_group, name, plain, tuple(plain.get_array().chunks))
        return xarray.Variable(variable.dims, indexing.LazilyIndexedArray(array), variable.attrs, variable.encoding)


def dataset_of(
    url: str, place: Place, options: dict[str, Any], ranges: list[tuple[int, int]] | None, dim: str
) -> xarray.Dataset:
    """A group as a dataset; ``ranges`` along ``dim`` of it."""
    store = place.open(url_of(url))
    consolidated = "consolidated_metadata" in document_of(store, "") or store.stat(".zmetadata") is not None
    options = {"consolidated": consolidated} | options  # xarray would warn where they are not
    dataset = xarray.open_dataset(url, engine=SeamountBackend, **(vars(place) | options))
    if ranges is None:
        return dataset
    one = slice(*ranges[0]) if len(ranges) == 1 else np.concatenate([np.arange(start, stop) for start, stop in ranges])
    return dataset.isel({dim: one})


class SeamountBackend(BackendEntrypoint):
    """``engine="seamount"``. Beside xarray's own arguments: ``group``, ``consolidated``, and of the place ``key``,
    ``endpoint``, ``anonymous``, ``cache_dir``, ``cache_size``, as for :class:`seamount.Loader`."""

    description = "Open Zarr in buckets and folders through Seamount"
    open_dataset_parameters = (
        "filename_or_obj", "mask_and_scale", "decode_times", "concat_characters", "decode_coords", "drop_variables",
        "use_cftime", "decode_timedelta", "group", "consolidated", "key", "endpoint", "anonymous", "cache_dir",
        "cache_size",
    )  # fmt: skip

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        return isinstance(filename_or_obj, str) and filename_or_obj.startswith("seamount://")

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        mask_and_scale: Any = True,
        decode_times: Any = True,
        concat_characters: Any = True,
        decode_coords: Any = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: Any = None,
        decode_timedelta: Any = None,
        group: str | None = None,
        consolidated: bool | None = None,
        key: Key | None = None,
        endpoint: str | None = None,
        anonymous: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_size: int | str = "4GiB",
    ) -> xarray.Dataset:
        place = Place(key, endpoint, anonymous, cache_dir, cache_size)
        url = url_of(filename_or_obj)
        engine = _Group("/".join(filter(None, [url.rstrip("/"), (group or "").strip("/")])), place)
        engine.open()  # refuses what is half-written
        store = _Store.open_group(ZarrStore(url, read_only=True, **vars(place)), group=group, consolidated=consolidated)
        store.seamount_group = engine
        return StoreBackendEntrypoint().open_dataset(
            store,
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            drop_variables=drop_variables,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )

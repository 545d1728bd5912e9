"""seamount.zarr_store under zarr-python's own conformance suite, and the xarray engine against xarray's own."""

from __future__ import annotations

import asyncio
import pickle
import uuid

import numpy as np
import pytest
import xarray
import zarr
from test_clients import lab_with_winds
from zarr.core.buffer import Buffer, cpu
from zarr.testing.store import StoreTests

from seamount.zarr_store import ZarrStore


@pytest.fixture(scope="module")
def lab(seamount_binary, tmp_path_factory):
    with lab_with_winds(seamount_binary, tmp_path_factory.mktemp("lab")) as lab:
        yield lab


class TestZarrStore(StoreTests[ZarrStore, cpu.Buffer]):
    store_cls = ZarrStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, lab):
        return {"url": f"gs://winds/{uuid.uuid4().hex}", "key": str(lab.admin_key)}

    async def set(self, store: ZarrStore, key: str, value: Buffer) -> None:
        (await store._store()).write(key, value.to_bytes())

    async def get(self, store: ZarrStore, key: str) -> Buffer:
        return self.buffer_cls.from_bytes((await store._store()).read(key)[0])

    def test_store_repr(self, store: ZarrStore) -> None:
        assert repr(store) == f"ZarrStore({store.url!r})"

    def test_store_supports_writes(self, store: ZarrStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: ZarrStore) -> None:
        assert store.supports_listing


def dataset() -> xarray.Dataset:
    random = np.random.default_rng(3)
    values = random.normal(280, 10, (40, 9, 11)).astype("f4")
    values[3, 2] = np.nan
    return xarray.Dataset(
        {
            "t": (("time", "lat", "lon"), values, {"units": "K"}),
            "packed": (("time", "lat", "lon"), values),
            "flags": (("lat", "lon"), random.integers(0, 9, (9, 11), "i2"), {"flag_values": [0, 1]}),
            "name": (("lat",), np.array([f"row {i}" for i in range(9)])),
            "height": ((), 2.0),
        },
        {"time": xarray.date_range("2000-01-30", periods=40), "lat": np.linspace(-40, 40, 9), "lon": np.arange(11.0)},
        {"title": "test"},
    )


PACKED = {"packed": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}}


@pytest.fixture(params=[(2, True), (3, True), (3, False)], ids=lambda p: f"v{p[0]}{'' if p[1] else '-plain'}", scope="module")
def written(request, lab):
    """(the dataset's URL, a store of it): written through zarr-python."""
    format, consolidated = request.param
    url = f"gs://winds/xarray-{format}-{consolidated}"
    store = ZarrStore(url, key=str(lab.admin_key))
    encoding = {**PACKED, "t": {"chunks": (7, 4, 11)}}
    dataset().to_zarr(store, zarr_format=format, consolidated=consolidated, encoding=encoding)
    return url, store


def test_a_dataset_is_as_xarray_reads_it(written, lab):
    from seamount.xarray_engine import SeamountBackend

    url, store = written
    expected = xarray.open_zarr(store)
    found = xarray.open_dataset(url, engine=SeamountBackend, key=str(lab.admin_key))
    xarray.testing.assert_identical(found.load(), expected.load())
    xarray.testing.assert_identical(found.drop_vars("packed").load(), dataset().drop_vars("packed"))
    for name in expected.variables:
        assert {k: str(v) for k, v in found[name].encoding.items()} == {k: str(v) for k, v in expected[name].encoding.items()}
    raw = xarray.open_dataset(url, engine=SeamountBackend, key=str(lab.admin_key), mask_and_scale=False, decode_times=False)
    xarray.testing.assert_identical(raw.load(), xarray.open_zarr(store, mask_and_scale=False, decode_times=False).load())


def test_any_index_gives_what_numpy_gives(written, lab):
    from seamount.xarray_engine import SeamountBackend

    url, _ = written
    expected = dataset().t
    found = xarray.open_dataset(url, engine=SeamountBackend, key=str(lab.admin_key)).t
    seed = int(np.random.default_rng().integers(1 << 30))
    print("seed", seed)
    random = np.random.default_rng(seed)

    def part(extent):
        kind = random.integers(5)
        if kind == 0:
            return int(random.integers(-extent, extent))
        if kind == 1:
            return slice(*random.integers(-extent, extent, 2).tolist(), int(random.choice([-3, -1, 1, 2])))
        if kind == 2:
            return random.integers(-extent, extent, random.integers(0, 5)).tolist()
        return slice(None)

    for _ in range(60):
        index = {name: part(extent) for name, extent in zip(expected.dims, expected.shape)}
        np.testing.assert_array_equal(found.isel(index).values, expected.isel(index).values, err_msg=str(index))
    points = {"time": xarray.DataArray([3, 39, 0], dims="p"), "lat": xarray.DataArray([2, 8, 0], dims="p")}
    np.testing.assert_array_equal(found.isel(points).values, expected.isel(points).values)


def test_far_steps_are_read_apart(written, lab):
    from seamount.xarray_engine import _Pick

    assert [list(run) for run in _Pick(np.array([0, 2, 30, 31]), 40, 7).runs] == [[0, 1, 2], [30, 31]]
    assert _Pick(np.array([], int), 40, 7).runs == []


def test_it_goes_to_other_processes_and_through_dask(written, lab):
    from seamount.xarray_engine import SeamountBackend

    url, _ = written
    found = xarray.open_dataset(url, engine=SeamountBackend, key=str(lab.admin_key), chunks={})
    assert found.t.chunks[0] == (7, 7, 7, 7, 7, 5)
    again = pickle.loads(pickle.dumps(found))
    xarray.testing.assert_identical(again.t.compute(), dataset().t)


def test_what_is_half_written_is_refused(lab, seamount_binary, tmp_path):
    from seamount.xarray_engine import SeamountBackend

    folder = tmp_path / "half.zarr"
    dataset().to_zarr(folder)
    (folder / ".seamount-prepare.json").write_text("{}")
    (folder / "zarr.json").unlink()
    with pytest.raises(RuntimeError, match="half|prepare"):
        xarray.open_dataset(str(folder), engine=SeamountBackend)


def test_zarr_python_writes_and_reads_through_it(lab):
    store = ZarrStore("gs://winds/plain", key=str(lab.admin_key))
    group = zarr.open_group(store, mode="w")
    array = group.create_array("a", shape=(100, 30), chunks=(10, 30), shards=(50, 30), dtype="f8")
    values = np.random.default_rng(1).normal(size=(100, 30))
    array[:] = values
    np.testing.assert_array_equal(zarr.open_group(store, mode="r")["a"][33:77, 5], values[33:77, 5])
    assert sorted(zarr.open_group(store, mode="r")) == ["a"]
    asyncio.run(store.delete_dir(""))
    assert asyncio.run(store.is_empty(""))

"""The Python loader, against NumPy on data written by zarr-python."""

from __future__ import annotations

import ast
import gc
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from loader_support import (  # noqa: F401
    LAT,
    LON,
    OPTIONS,
    STATS,
    TIMES,
    assert_same,
    epoch_of,
    expected,
    url,
    values,
    write,
)

import seamount


@pytest.mark.parametrize("shuffle", [None, "block", "global"])
def test_batches_are_what_numpy_gathers(url, values, shuffle):
    loader = seamount.Loader(url, shuffle=shuffle, **OPTIONS)
    assert (len(loader), loader.samples, loader.field_shape, loader.field_dims) == (8, 57, (LAT, LON), ("lat", "lon"))
    seen = []
    for batch in loader:
        assert batch.inputs.dtype == batch.targets.dtype == np.float32 and batch.index.dtype == np.int64
        assert batch.inputs.shape == (len(batch.index), 2, 2, LAT, LON)
        np.testing.assert_allclose(batch.inputs, expected(values, batch.index, [-2, 0], STATS), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(batch.targets, expected(values, batch.index, [1], STATS), rtol=1e-6, atol=1e-7)
        seen.extend(batch.index)
    assert sorted(seen) == list(range(2, 59))
    assert (seen == sorted(seen)) == (shuffle is None)
    assert loader.epoch == 1


def test_options(url, values):
    loader = seamount.Loader(url, ["v"], select=(10, 40), drop_last=True, batch_size=7, normalize=False, shuffle=None)
    batches = list(loader)
    assert [list(b.index) for b in batches] == [list(range(10 + 7 * i, 17 + 7 * i)) for i in range(4)]
    assert batches[0].targets is None
    np.testing.assert_array_equal(batches[2].inputs[:, 0, 0], values["v"][24:31])
    given = seamount.Loader(url, ["u", "v"], normalize={"u": (0, 0.5)}, shuffle=None)
    batch = next(iter(given))
    np.testing.assert_allclose(batch.inputs[:, 0, 0], values["u"][:16] * 2, rtol=1e-6)
    np.testing.assert_allclose(batch.inputs[:, 0, 1], (values["v"][:16] + 1) / 5, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_packed_types_and_fill_values(tmp_path, zarr_format):
    rng = np.random.default_rng(1)
    shape = (TIMES, LAT, LON)
    group = zarr.create_group(tmp_path / "packed.zarr", zarr_format=zarr_format)
    stored, truth = {}, {}
    stored["short"] = rng.integers(-3000, 3000, shape).astype("i2")
    stored["short"][rng.random(shape) < 0.1] = -32767
    truth["short"] = np.where(stored["short"] == -32767, np.nan, stored["short"] * 0.01 + 273.15)
    attributes = {"scale_factor": 0.01, "add_offset": 273.15}
    # xarray's two ways of saying it: the attribute, and in format 2 the array's own fill value.
    if zarr_format == 3:
        attributes["_FillValue"] = -32767
    write(group, "short", stored["short"], attributes, fill_value=-32767)
    stored["double"] = rng.normal(101325, 300, shape)
    stored["double"][rng.random(shape) < 0.1] = 1e20
    truth["double"] = np.where(stored["double"] == 1e20, np.nan, stored["double"])
    write(group, "double", stored["double"], {"missing_value": [1e20]})
    stored["half"] = rng.normal(0, 1, shape).astype("f2")
    truth["half"] = stored["half"]
    write(group, "half", stored["half"])
    url = f"file://{tmp_path / 'packed.zarr'}"
    loader = seamount.Loader(url, list(stored), inputs=[0, 1], normalize=False, batch_size=16, fill=np.nan)
    for batch in loader:
        np.testing.assert_allclose(batch.inputs, expected(truth, batch.index, [0, 1]), rtol=1e-6)
    for name in stored:
        np.testing.assert_array_equal(seamount.read(url, name, raw=True), stored[name])
        np.testing.assert_allclose(seamount.read(url, name, select=(3, 9)), truth[name][3:9], rtol=1e-12)


def test_shards_and_absent_chunks(tmp_path, values):
    group = zarr.create_group(tmp_path / "s.zarr")
    data = values["u"].copy()
    data[8:16] = 7.0  # equal to the fill value, so zarr-python leaves these chunks out
    write(group, "u", data, chunks=(1, LAT, LON), shards=(32, LAT, LON), fill_value=7.0,
          config={"write_empty_chunks": False})
    loader = seamount.Loader(f"file://{tmp_path}/s.zarr", ["u"], inputs=[-1, 0], normalize=False, shuffle="block")
    for batch in loader:
        np.testing.assert_array_equal(batch.inputs, expected({"u": data}, batch.index, [-1, 0]).astype("f4"))
    stats = loader.stats()
    assert stats["chunks_absent"] == 8 and stats["chunks_fetched"] == TIMES
    assert stats["requests"] < TIMES


def test_resumes_bit_for_bit_at_every_batch(url):
    whole = seamount.Loader(url, **OPTIONS, threads=2)
    states, batches = [], []
    for _ in range(2):
        states.append(whole.state_dict())
        for batch in whole:
            batches.append((batch.index.copy(), batch.inputs.copy(), batch.targets.copy()))
            states.append(whole.state_dict())
        states.pop()
    for i, state in enumerate(states):
        resumed = seamount.Loader(url, **OPTIONS, threads=1 + i % 3, memory="1MiB")
        resumed.load_state_dict(json.loads(json.dumps(state)))
        for epoch in range(resumed.epoch, 2):
            resumed.set_epoch(epoch)
            rest = epoch_of(resumed)
            assert_same(rest, batches[i : i + len(rest)])
            i += len(rest)
        assert i == len(batches)


def test_thread_counts_and_memory_change_nothing(url):
    reference = epoch_of(seamount.Loader(url, **OPTIONS))
    for threads in (1, 2, 7):
        for memory in ("200KiB", "2MiB", 1 << 28):
            assert_same(epoch_of(seamount.Loader(url, **OPTIONS, threads=threads, memory=memory)), reference)


def test_a_step_holds_the_same_samples_for_any_number_of_ranks(url):
    alone = [set(b.index) for b in seamount.Loader(url, **OPTIONS)]
    ranks = [epoch_of(seamount.Loader(url, **(OPTIONS | {"batch_size": 4}), rank=r, world=2)) for r in range(2)]
    assert [{i for part in step for i in part[0]} for step in zip(*ranks, strict=True)] == alone


def test_evaluation_on_several_ranks_sees_all_samples(url):
    loaders = [seamount.Loader(url, ["u"], batch_size=4, shuffle=None, rank=r, world=7) for r in range(7)]
    batches = [list(loader) for loader in loaders]
    counted = [i for rank in batches for b in rank for i in b.index[: len(b.index) - b.padding]]
    assert sorted(counted) == list(range(TIMES))
    assert {len(rank) for rank in batches} == {3}
    assert [rank[-1].padding for rank in batches] == [0, 0, 0, 0, 1, 1, 1]


def test_set_epoch(url):
    loader = seamount.Loader(url, **OPTIONS)
    first, second = epoch_of(loader), epoch_of(loader)
    assert not np.array_equal(first[0][0], second[0][0])
    loader.set_epoch(0)
    assert_same(epoch_of(loader), first)
    loader.set_epoch(1)  # where it stands already
    iterator = iter(loader)
    next(iterator)
    loader.set_epoch(1)
    assert_same(epoch_of(loader), second[1:])


def test_a_state_of_another_order_is_refused(url):
    state = seamount.Loader(url, **OPTIONS).state_dict()
    with pytest.raises(ValueError, match="another order of samples"):
        seamount.Loader(url, **(OPTIONS | {"inputs": [-3, 0]})).load_state_dict(state)
    for state, message in [({}, "version"), ("x", "expected what state_dict"), ({"version": 1}, "seed is None")]:
        with pytest.raises(ValueError, match=message):
            seamount.Loader(url, **OPTIONS).load_state_dict(state)


def test_a_state_of_the_first_order_resumes_in_it(url):
    """The batches are those that the release before the second order made."""
    loader = seamount.Loader(url, **OPTIONS, shuffle="block")
    state = loader.state_dict()
    assert state["order"] == "v2 samples 2+57 shuffle block 65x1 from -2 by 5"
    old = state | {"order": "v1 samples 2+57 shuffle block 65x1 from -2", "position": 40}
    loader.load_state_dict(old)
    assert loader.state_dict() == old
    assert [b.index.tolist() for b in loader] == [
        [49, 13, 22, 43, 15, 45, 26, 5], [9, 23, 35, 18, 31, 58, 20, 55], [10]]
    assert loader.state_dict()["order"] == old["order"]


def test_arrays_are_handed_over_without_a_copy(url):
    loader = seamount.Loader(url, **OPTIONS)
    batch = next(iter(loader))
    shared = np.from_dlpack(batch.inputs)
    assert np.shares_memory(shared, batch.inputs)
    assert not batch.inputs.flags.owndata and batch.inputs.flags.c_contiguous
    before = shared.copy()
    del batch
    for _ in loader:
        pass
    del loader
    gc.collect()
    np.testing.assert_array_equal(shared, before)


def test_memory_is_used_again_once_dropped(url):
    loader = seamount.Loader(url, **OPTIONS)
    addresses = set()
    for _ in range(6):
        for batch in loader:
            addresses.add(batch.inputs.ctypes.data)
            del batch
    assert len(addresses) < 6 * len(loader)


def test_shown_in_a_notebook_it_says_what_it_is_not_all_its_numbers(url):
    loader = seamount.Loader(url, ["u", "v"], inputs=[-1, 0], targets=[1], batch_size=4)
    assert "58 samples in 15 batches" in repr(loader)
    batch = next(iter(loader))
    assert repr(batch).startswith("<seamount.Batch inputs (4, 2, 2, 6, 10) targets (4, 1, 2, 6, 10) index [")


def test_a_url_that_is_no_group_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="is there a Zarr group here"):
        seamount.Loader(f"file://{tmp_path}", ["u"])


def test_to_torch(url):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    batch = next(iter(seamount.Loader(url, **OPTIONS)))
    inputs, targets = batch.to_torch()
    assert inputs.data_ptr() == batch.inputs.ctypes.data and inputs.dtype == torch.float32
    assert targets.shape == batch.targets.shape


def test_a_corrupt_chunk_is_named(url, tmp_path):
    (tmp_path / "winds.zarr" / "u" / "c" / "7" / "0" / "0").write_bytes(b"garbage")
    loader = seamount.Loader(url, **OPTIONS)
    with pytest.raises(seamount.errors.DataLossError, match=r"(?s)variable 'u'.*u/c/7/0/0") as caught:
        epoch_of(loader)
    assert isinstance(caught.value, OSError) and isinstance(caught.value, seamount.SeamountError)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"variables": ["uu"]}, FileNotFoundError, "no variable 'uu'"),
        ({"variables": "u"}, ValueError, r"\['u'\]"),
        ({"sample_dim": "tims"}, ValueError, "did you mean 'time'"),
        ({"shuffle": "blocks"}, ValueError, "'global', 'block'"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -1}, ValueError, "batch_size"),
        ({"inputs": [-90]}, ValueError, "no sample fits"),
        ({"select": (50, 70)}, ValueError, "positions 0..60"),
        ({"memory": "10KiB"}, ValueError, "too small"),
        ({"batch_size": 2.5}, ValueError, "batch_size is 2.5: expected an integer"),
        ({"inputs": 0}, ValueError, "inputs is 0: expected a list of leads"),
        ({"inputs": [0.5]}, ValueError, "inputs is 0.5: expected an integer"),
        ({"select": 5}, ValueError, r"select is 5: expected \(start, stop\)"),
        ({"select": (-1, 5)}, ValueError, "select is -1"),
        ({"select": "train"}, ValueError, "a split goes by split='train'"),
        ({"shuffle": True}, ValueError, "shuffle is True"),
        ({"memory": "lots"}, ValueError, "lots"),
        ({"normalize": {"x": (0, 1)}}, ValueError, "'x'"),
        ({"normalize": {"u": (0,)}}, ValueError, r"normalize\['u'\] is \(0,\): expected \(mean, std\)"),
        ({"select": []}, ValueError, "expected \\(start, stop\\), or several"),
        ({"select": [(0, 30), (20, 40)]}, ValueError, "0..30 and 20..40 overlap"),
        ({"split": "train"}, ValueError, "notes no such split: it has none"),
        ({"split": "train", "select": (0, 9)}, ValueError, "one of them"),
        ({"missing_chunks": "nan"}, ValueError, "'error', 'fill' or None"),
        ({"drop_last": True, "batch_size": 58}, ValueError, "no batch: an epoch has 57 samples, and a step takes 58"),
        ({"rank": 1}, ValueError, "both or neither"),
        ({"key": 3}, ValueError, "its content as text or as a dict"),
    ],
)
def test_wrong_options_are_explained(url, change, error, message):
    with pytest.raises(error, match=message):
        seamount.Loader(url, **(OPTIONS | change))


def test_an_unknown_variable_gets_the_nearest_name(tmp_path, values):
    group = zarr.create_group(tmp_path / "n.zarr")
    write(group, "uwnd", values["u"])
    with pytest.raises(FileNotFoundError, match="did you mean 'uwnd'"):
        seamount.Loader(f"file://{tmp_path}/n.zarr", ["uwmd"])
    with pytest.raises(FileNotFoundError, match="did you mean 'uwnd'"):
        seamount.read(f"file://{tmp_path}/n.zarr", "uwmd")


def test_normalising_needs_the_attribute(tmp_path, values):
    group = zarr.create_group(tmp_path / "n.zarr")
    write(group, "u", values["u"])
    with pytest.raises(ValueError, match="normalize=False"):
        seamount.Loader(f"file://{tmp_path}/n.zarr", ["u"])


def test_repr_says_what_and_where_and_no_secret(url, tmp_path):
    key = tmp_path / "secret-key.json"
    loader = seamount.Loader(url, **OPTIONS, key=key)
    assert "secret" not in repr(loader)
    assert url in repr(loader) and "['u', 'v']" in repr(loader) and "position 0" in repr(loader)


def test_the_stub_names_what_the_extension_has():
    tree = ast.parse((Path(seamount.__file__).parent / "_core.pyi").read_text())
    said = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            members = [part for part in node.body if not isinstance(part, ast.Expr)]
            said[node.name] = {getattr(part, "name", None) or part.target.id for part in members}
        elif isinstance(node, ast.FunctionDef):
            said[node.name] = None
    there = {name for name in dir(seamount._core) if not name.startswith("_")}
    assert there == set(said)
    for name, members in said.items():
        if members is not None:
            assert {m for m in dir(getattr(seamount._core, name)) if not m.startswith("_")} == members, name


def test_several_ranges(url, values):
    loader = seamount.Loader(url, ["u"], inputs=[-1, 0], select=[(30, 40), (0, 5)], shuffle=None, normalize=False)
    batch = next(iter(loader))
    assert batch.index.tolist() == [1, 2, 3, 4, *range(31, 40)]
    np.testing.assert_array_equal(batch.inputs, expected({"u": values["u"]}, batch.index, [-1, 0]).astype("f4"))


def test_a_batch_comes_apart(url):
    loader = seamount.Loader(url, **OPTIONS)
    for inputs, targets in loader:
        assert inputs.shape[1] == 2 and targets.shape[1] == 1


def test_iterators_share_an_epoch(url):
    loader = seamount.Loader(url, **OPTIONS)
    iterators = [iter(loader) for _ in range(4)]
    seen = [i for iterator in iterators for i in next(iterator).index]
    for iterator in iterators:
        seen.extend(i for batch in iterator for i in batch.index)
    assert sorted(seen) == list(range(2, 59)) and loader.epoch == 1


def test_missing_values_are_told_once_and_filled_where_asked(tmp_path, values):
    data = values["u"].copy()
    data[:, 2, 3:5] = np.nan  # land
    write(zarr.create_group(tmp_path / "sea.zarr"), "sst", data)
    url = f"file://{tmp_path}/sea.zarr"
    options = {"inputs": [-1, 0], "targets": [1], "shuffle": None, "normalize": False}
    with pytest.warns(UserWarning, match=r"'sst'.*missing values \(NaN\): missing='fill'") as told:
        for batch in seamount.Loader(url, ["sst"], **options):
            assert np.isnan(batch.inputs).any() and batch.inputs_missing is None
    assert len(told) == 1
    for fill in (0.0, np.nan):
        for batch in seamount.Loader(url, ["sst"], fill=fill, **options):
            truth = expected({"sst": data}, batch.index, [-1, 0])
            np.testing.assert_array_equal(batch.inputs_missing, np.isnan(truth))
            np.testing.assert_array_equal(batch.inputs, np.where(np.isnan(truth), fill, truth).astype("f4"))
            np.testing.assert_array_equal(batch.targets_missing, np.isnan(expected({"sst": data}, batch.index, [1])))
            assert batch.inputs_missing.dtype == bool


def test_a_torch_dataloader_is_told_how(url):
    loader = seamount.Loader(url, **OPTIONS)
    with pytest.raises(TypeError, match=r"loader.to_torch\(\), with batch_size=None"):
        loader[0]


def test_it_shows_itself_in_a_notebook(url):
    page = seamount.Loader(url, **OPTIONS, rank=1, world=2)._repr_html_()
    assert "<table>" in page and "rank 1 of 2" in page and "lat 6" in page


class TorchStandIn:
    """As much of torch as the loader asks, where it is not installed."""

    def __init__(self, rank, world):
        self.is_available = self.is_initialized = lambda: True
        self.get_rank, self.get_world_size = (lambda: rank), (lambda: world)


def test_ranks_come_from_torch_distributed_unless_they_are_given(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.distributed", TorchStandIn(1, 3))
    loader = seamount.Loader(url, **OPTIONS)
    assert (loader.rank, loader.world) == (1, 3) and "rank 1 of 3" in repr(loader)
    assert seamount.Loader(url, **OPTIONS, rank=0, world=1).world == 1


def test_to_torch_dataset(url):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    loader = seamount.Loader(url, **OPTIONS)
    batches = list(torch.utils.data.DataLoader(loader.to_torch(), batch_size=None))
    assert len(batches) == len(loader) and batches[0][0].shape == (8, 2, 2, LAT, LON)

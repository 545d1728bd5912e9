"""Slots of a loader, each with its own variables, leads, group and type, against plain NumPy."""

from __future__ import annotations

import datetime
import pickle
import random
import sys
import types

import numpy as np
import pytest
import seamount
import zarr
from seamount import Slot

TIMES = 50
STATS = {"a": (3.0, 2.0), "b": (-1.0, 5.0), "rain": (0.5, 0.25)}


def put(group, name, values, dims, chunks, attributes=None):
    array = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks, dimension_names=dims)
    array.attrs.update(attributes or {})
    array[...] = values


@pytest.fixture
def seed():
    return random.SystemRandom().randrange(2**32)


@pytest.fixture
def world(tmp_path, seed):
    """A group of 6-hourly fields, and within it one at another resolution; what they hold, by (group, name)."""
    rng = np.random.default_rng(seed)
    print("seed", seed)
    fields = {(None, "a"): (TIMES, 6, 10), (None, "b"): (TIMES, 6, 10), (None, "oro"): (6, 10), (None, "lat"): (6,),
              ("fine", "rain"): (TIMES, 3, 4), ("fine", "mask"): (3, 4)}
    truth = {key: rng.normal(3, 2, shape).astype("f4") for key, shape in fields.items()}
    truth["fine", "rain"][rng.random((TIMES, 3, 4)) < 0.05] = np.nan
    root = zarr.create_group(tmp_path / "w.zarr")
    fine = root.create_group("fine")
    for (place, name), values in truth.items():
        dims = {3: ("time", "lat", "lon"), 2: ("lat", "lon"), 1: ("lat",)}[values.ndim]
        chunks = tuple(int(rng.integers(1, size + 1)) for size in values.shape)
        noted = {"seamount": {"normalize": dict(zip(("mean", "std"), STATS[name]))}} if name in STATS else {}
        put(fine if place else root, name, values, dims, chunks, noted)
    for group in (root, fine):
        put(group, "time", np.arange(TIMES) * 6.0, ("time",), (TIMES,), {"units": "hours since 2001-01-01"})
    return f"file://{tmp_path}/w.zarr", truth


def gathered(truth, slot, index, normalize):
    """(batch, lead, variable, *field), one field after the other."""
    batch = []
    for sample in index:
        for lead in slot.leads:
            for name in slot.variables:
                values = truth[slot.group, name]
                field = (values[sample + lead] if values.ndim == 3 else values).astype("f8")
                mean, std = STATS.get(name, (0, 1)) if normalize else (0, 1)
                batch.append((field - mean) / std)
    return np.array(batch).reshape(len(index), len(slot.leads), len(slot.variables), *batch[0].shape)


@pytest.mark.filterwarnings("ignore:a batch of")
def test_random_slots_hold_what_numpy_gathers(world, seed):
    url, truth = world
    pick = random.Random(seed)
    for _ in range(25):
        slots = {}
        for name in ["x", "y", "z"][: pick.randint(1, 3)]:
            group = pick.choice([None, "fine"])
            varying = pick.choice(["a", "b"]) if group is None else "rain"
            leads = tuple(pick.randint(-4, 4) for _ in range(pick.randint(1, 3)))
            variables = [varying] + [pick.choice(["a", "b"]) if group is None else "rain" for _ in range(pick.randint(0, 2))]
            slots[name] = Slot(variables, leads, group, pick.choice(["float32", "float64"]), pick.choice([None, False]),
                               fill=pick.choice([None, -7.0]))
        slots["static"] = Slot(["oro"], normalize=False)
        split = pick.randint(0, len(slots))
        inputs, targets = dict(list(slots.items())[:split] or [("static", slots["static"])]), dict(list(slots.items())[split:])
        if not split:
            del targets["static"]
        loader = seamount.Loader(url, inputs=inputs, targets=targets, batch_size=pick.randint(1, 9), seed=pick.randint(0, 9),
                                 shuffle=pick.choice(["global", "block", None]), memory=pick.choice(["3MiB", "256MiB"]))
        seen = []
        varying = [lead for name, slot in slots.items() if name != "static" for lead in slot.leads]
        for batch in loader:
            seen += batch.index.tolist()
            for name, slot in slots.items():
                tensor = batch[name]
                assert tensor.dtype == slot.dtype
                assert tensor is (batch.inputs if name in inputs else batch.targets)[name]
                expected = gathered(truth, slot, batch.index, slot.normalize is None)
                missing = np.isnan(expected)
                if slot.fill is not None:
                    expected[missing] = slot.fill
                    marks = (batch.inputs_missing if name in inputs else batch.targets_missing)[name]
                    np.testing.assert_array_equal(marks, missing)
                np.testing.assert_allclose(tensor, expected, rtol=1e-6, atol=1e-6)
        assert sorted(seen) == list(range(max(0, -min(varying)), TIMES - max(varying)))


def test_a_forecast_of_rain_from_wind_and_orography(world):
    url, truth = world
    loader = seamount.Loader(
        url,
        inputs={"wind": Slot(["a", "b"], leads=["-6h", datetime.timedelta(0)]), "ground": Slot(["oro"], normalize=False),
                "lat": Slot(["lat"], normalize=False)},
        targets={"rain": Slot(["rain"], leads=[np.timedelta64(6, "h"), "12 hours"], group="fine", fill=0.0)},
        batch_size=4, select=("2001-01-03", "2001-01-06"), shuffle=None)
    assert loader.slots["wind"] == {"lead": 2, "variable": 2, "lat": 6, "lon": 10}
    assert loader.slots["rain"] == {"lead": 2, "variable": 1, "lat": 3, "lon": 4}
    assert loader.slots["lat"] == {"lead": 1, "variable": 1, "lat": 6}
    batches = list(loader)
    # Of positions 8 to 23 the window needs one before and two after.
    assert [i for batch in batches for i in batch.index] == list(range(9, 22))
    batch = batches[0]
    inputs, targets = batch
    assert list(inputs) == ["wind", "ground", "lat"] and list(targets) == ["rain"]
    assert batch.inputs_missing is None and list(batch.targets_missing) == ["rain"]
    np.testing.assert_array_equal(inputs["lat"][:, 0, 0], np.broadcast_to(truth[None, "lat"], (4, 6)))
    assert batch.time[0] == np.datetime64("2001-01-03T06:00")
    rain = loader.denormalize(targets["rain"])  # the only slot of targets
    known = ~batch.targets_missing["rain"][:, 0, 0]
    np.testing.assert_allclose(rain[:, 0, 0][known], truth["fine", "rain"][batch.index + 1][known], rtol=1e-5, atol=1e-5)
    wind = loader.denormalize(inputs["wind"], slot="wind")
    np.testing.assert_allclose(wind[:, 0, 1], truth[None, "b"][batch.index - 1], rtol=1e-5, atol=1e-5)
    again = pickle.loads(pickle.dumps(batch))
    np.testing.assert_array_equal(again["rain"], targets["rain"])
    assert "wind (4, 2, 2, 6, 10)" in repr(batch) and "lat 6 × lon 10" in loader._repr_html_()
    with pytest.raises(KeyError, match="no slot 'snow'"):
        batch["snow"]
    state = loader.state_dict()
    loader.load_state_dict(state)


def test_a_static_variable_stands_beside_others_in_one_tensor(world):
    url, truth = world
    loader = seamount.Loader(url, ["a", "oro"], inputs=["-6h", "0h"], targets=[1], normalize={"oro": (0, 1)}, shuffle=None)
    batch = next(iter(loader))
    for lead in (0, 1):
        np.testing.assert_array_equal(batch.inputs[:, lead, 1], np.broadcast_to(truth[None, "oro"], (16, 6, 10)))
    assert batch["targets"] is batch.targets


def test_samples_with_missing_values_are_skipped_masked_or_refused(world):
    url, truth = world
    rain = truth["fine", "rain"]
    dry = [i for i in range(TIMES) if np.isnan(rain[i]).any()]
    whole = [i for i in range(TIMES) if i not in dry]
    skipping = seamount.Loader(url, inputs={"x": Slot(["a"]), "y": Slot(["rain"], group="fine", missing="skip")}, batch_size=3,
                               shuffle=None)
    batches = list(skipping)
    assert [i for batch in batches for i in batch.index] == whole
    assert sum(batch.skipped for batch in batches) == len(dry) and len(batches) == 17
    for batch in batches:
        assert batch["x"].shape[0] == batch["y"].shape[0] == len(batch.index)
        np.testing.assert_allclose(batch["y"][:, 0, 0], (rain[batch.index] - 0.5) / 0.25, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(batch["x"][:, 0, 0], (truth[None, "a"][batch.index] - 3) / 2, rtol=1e-5, atol=1e-5)
    fine = {"variables": ["rain"], "normalize": False, "shuffle": None, "batch_size": TIMES}
    (masked,) = seamount.Loader(f"{url}/fine", missing="mask", **fine)
    np.testing.assert_array_equal(masked.inputs[:, 0, 0], rain)
    np.testing.assert_array_equal(masked.inputs_missing[:, 0, 0], np.isnan(rain))
    (filled,) = seamount.Loader(f"{url}/fine", missing="fill", **fine)
    np.testing.assert_array_equal(filled.inputs[:, 0, 0], np.nan_to_num(rain))
    (kept,) = seamount.Loader(f"{url}/fine", missing="keep", **fine)  # no warning
    assert np.isnan(kept.inputs).any() and kept.inputs_missing is None and kept.skipped == 0
    if dry:
        with pytest.raises(RuntimeError, match=f"'rain' has missing values at position {dry[0]}, and 'inputs' allows none"):
            list(seamount.Loader(f"{url}/fine", missing="raise", **(fine | {"batch_size": 1})))
    for message, arguments in [("expected one of 'keep', 'fill'", {"missing": "drop"}),
                               ("goes with 'fill'", {"missing": "skip", "fill": 0.0})]:
        with pytest.raises(ValueError, match=message):
            seamount.Loader(f"{url}/fine", ["rain"], **arguments)


def test_batches_as_xarray(world):
    url, truth = world
    loader = seamount.Loader(
        url, inputs={"wind": Slot(["a", "b"], [-1, 0]), "now": Slot(["b"]), "oro": Slot(["oro"], normalize=False)},
        targets={"rain": Slot(["rain"], ["6h"], group="fine", missing="mask")}, shuffle=None, batch_size=6)
    batch = next(iter(loader))
    dataset = loader.to_xarray(batch)
    assert dataset.wind.dims == ("sample", "wind_lead", "wind_variable", "wind_lat", "wind_lon")
    assert dataset.rain.dims == ("sample", "rain_lead", "rain_variable", "rain_lat", "rain_lon")
    assert dataset.wind_lead.values.tolist() == [-1, 0] and dataset.rain_lead.values.tolist() == [1]
    assert dataset.time.values[0] == np.datetime64("2001-01-01T06:00") and dataset.sample.values.tolist() == list(range(1, 7))
    np.testing.assert_array_equal(dataset.rain_missing.values, np.isnan(batch["rain"]))
    np.testing.assert_array_equal(loader.coords["wind"]["lat"], truth[None, "lat"])
    back = loader.to_xarray(batch, denormalize=True)
    chosen = back.wind.sel(wind_variable="b", wind_lead=-1, sample=3)
    np.testing.assert_allclose(chosen, truth[None, "b"][2], rtol=1e-5, atol=1e-5)
    usual = seamount.Loader(url, ["a"], targets=[1], shuffle=None)
    dataset = usual.to_xarray(next(iter(usual)))
    assert dataset.inputs.dims == ("sample", "inputs_lead", "variable", "lat", "lon")
    assert dataset.targets.dims == ("sample", "targets_lead", "variable", "lat", "lon")
    np.testing.assert_array_equal(dataset.lat, truth[None, "lat"])


def test_a_dataset_for_torch_dataloaders(world, monkeypatch):
    """Where torch is not installed, against as much of it as is asked: IterableDataset and from_dlpack."""
    url, _ = world

    class IterableDataset:
        pass

    torch = types.ModuleType("torch")
    torch.from_dlpack = np.from_dlpack
    torch.utils = types.ModuleType("torch.utils")
    torch.utils.data = types.ModuleType("torch.utils.data")
    torch.utils.data.IterableDataset = IterableDataset
    torch.utils.data.get_worker_info = lambda: None
    monkeypatch.delitem(sys.modules, "seamount.torch", raising=False)
    for module in (torch, torch.utils, torch.utils.data):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    slots = {"inputs": {"x": Slot(["a"])}, "targets": {"y": Slot(["rain"], group="fine", fill=0.0)}}
    loader = seamount.Loader(url, batch_size=8, **slots)
    dataset = loader.to_torch()
    # What DataLoader(dataset, batch_size=None) does: it knows the kind by its class, asks len() and iterates.
    assert isinstance(dataset, IterableDataset) and len(dataset) == 7
    for _ in range(2):
        items = list(dataset)
        assert len(items) == 7 and all(set(x) == {"x"} and set(y) == {"y"} for x, y in items)
        assert items[0][0]["x"].shape == (8, 1, 1, 6, 10) and not np.isnan(items[0][1]["y"]).any()
    assert loader.epoch == 2
    alone = next(iter(seamount.Loader(url, inputs=slots["inputs"]).to_torch()))
    assert set(alone) == {"x"}
    torch.utils.data.get_worker_info = lambda: types.SimpleNamespace(num_workers=3)
    with pytest.raises(ValueError, match="num_workers=3: expected 0"):
        next(iter(dataset))
    monkeypatch.delitem(sys.modules, "seamount.torch")  # that of the stand-in


def test_what_slots_cannot_be_is_said(world):
    url, _ = world
    x = {"x": Slot(["a"])}
    for message, arguments in [
        ("each names its own variables", {"variables": ["a"], "inputs": x}),
        ("expected slots for both", {"variables": ["a"], "inputs": [0], "targets": x}),
        ("expected slots, {'y'", {"inputs": x, "targets": [1]}),
        ("expected a seamount.Slot", {"inputs": {"x": ["a"]}}),
        ("expected names, or inputs", {}),
        ("at least one slot", {"inputs": {}}),
        ("two slots are named 'x'", {"inputs": x, "targets": x}),
        ("'float32' or 'float64'", {"inputs": {"x": Slot(["a"], dtype="complex64")}}),
        ("no whole number of steps, which are of 6:00:00", {"inputs": {"x": Slot(["a"], ["7h"])}}),
        ("expected one as '-6h'", {"inputs": {"x": Slot(["a"], ["2 months"])}}),
        ("expected one as '-6h'", {"inputs": {"x": Slot(["a"], ["5ms"])}}),
        ("'x' is one tensor; give each a slot", {"inputs": {"x": Slot(["a", "lat"], normalize=False)}}),
        ("has no dimension 'time', nor has any other", {"inputs": {"x": Slot(["oro", "lat"][:1], normalize=False),
                                                                   "y": Slot(["lat"], normalize=False)}}),
        ("not among the variables", {"inputs": x, "normalize": {"c": (0, 1)}}),
    ]:
        with pytest.raises(ValueError, match=message):
            seamount.Loader(url, **arguments)
    with pytest.raises(FileNotFoundError, match="no variable 'rain'"):
        seamount.Loader(url, inputs={"x": Slot(["rain"])})
    loader = seamount.Loader(url, inputs={"x": Slot(["a"]), "y": Slot(["lat"], normalize=False)})
    for call in (lambda: loader.field_shape, lambda: loader.denormalize([0.0], slot="z")):
        with pytest.raises(ValueError, match="slot"):
            call()

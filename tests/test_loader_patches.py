"""Samples that are patches of the field, against plain NumPy."""

from __future__ import annotations

import json
import pickle
import random

import numpy as np
import pytest
import seamount
import zarr
from seamount import Patches, Slot
from test_loader_slots import put, seed  # noqa: F401

TIMES, LAT, LON = 24, 12, 18


@pytest.fixture
def world(tmp_path, seed):  # noqa: F811
    rng = np.random.default_rng(seed)
    print("seed", seed)
    root = zarr.create_group(tmp_path / "w.zarr")
    fine = root.create_group("fine")
    truth = {"a": rng.normal(size=(TIMES, LAT, LON)).astype("f4"), "oro": rng.normal(size=(LAT, LON)).astype("f4"),
             "rain": rng.normal(size=(TIMES, 2 * LAT, 2 * LON)).astype("f4")}
    for name, values in truth.items():
        dims = ("time", "lat", "lon")[3 - values.ndim :]
        put(fine if name == "rain" else root, name, values, dims, tuple(int(rng.integers(1, n + 1)) for n in values.shape))
    for group in (root, fine):
        put(group, "time", np.arange(TIMES) * 6.0, ("time",), (TIMES,), {"units": "hours since 2001-01-01"})
    put(root, "lat", np.linspace(-55, 55, LAT), ("lat",), (LAT,))
    put(root, "lon", np.arange(LON) * 20.0, ("lon",), (LON,))
    return f"file://{tmp_path}/w.zarr", truth


def cut(field, place, size, scale=1):
    rows = np.arange(place[0] * scale, (place[0] + size[0]) * scale) % field.shape[0]
    columns = np.arange(place[1] * scale, (place[1] + size[1]) * scale) % field.shape[1]
    return field[np.ix_(rows, columns)]


def test_random_patches_hold_what_numpy_cuts(world, seed):  # noqa: F811
    url, truth = world
    pick = random.Random(seed)
    for _ in range(20):
        size = pick.randint(1, LAT), pick.randint(1, LON)
        kind = pick.choice(["grid", "overlap", "random", "at"])
        more = {"grid": {}, "overlap": {"overlap": {"lon": pick.randrange(size[1])}}, "random": {"random": pick.randint(1, 3)},
                "at": {"at": [(pick.randint(0, LAT - size[0]), pick.randrange(LON)) for _ in range(2)]}}[kind]
        loader = seamount.Loader(
            url, inputs={"x": Slot(["a", "oro"], [-1, 0]), "all": Slot(["a"], patch=False)},
            targets={"y": Slot(["rain"], [1], group="fine", patch=2)}, normalize=False, batch_size=pick.randint(1, 12),
            patches=Patches({"lat": size[0], "lon": size[1]}, wrap="lon", **more), seed=pick.randint(0, 99),
            shuffle=pick.choice(["global", "block", None]))
        assert loader.slots["y"] == {"lead": 1, "variable": 1, "lat": 2 * size[0], "lon": 2 * size[1]}
        count = 0
        for batch in loader:
            count += len(batch.index)
            for i, (sample, place) in enumerate(zip(batch.index, batch.patch)):
                for lead in (0, 1):
                    np.testing.assert_array_equal(batch["x"][i, lead, 0], cut(truth["a"][sample - 1 + lead], place, size))
                    np.testing.assert_array_equal(batch["x"][i, lead, 1], cut(truth["oro"], place, size))
                np.testing.assert_array_equal(batch["all"][i, 0, 0], truth["a"][sample])
                np.testing.assert_array_equal(batch["y"][i, 0, 0], cut(truth["rain"][sample + 1], place, size, 2))
        per_position = {"random": more.get("random"), "at": 2}.get(kind)
        assert count == loader.samples and (per_position is None or count == per_position * (TIMES - 2))


def test_a_run_resumes_with_the_same_random_patches(world):
    url, _ = world

    def new():
        return seamount.Loader(url, ["a"], normalize=False, batch_size=7, seed=4,
                               patches=Patches({"lat": 4, "lon": 5}, wrap="lon", random=2))

    whole, states, batches = new(), [], []
    for _ in range(2):
        states.append(whole.state_dict())
        for batch in whole:
            batches.append((batch.index.copy(), batch.patch.copy(), batch.inputs.copy()))
            states.append(whole.state_dict())
        states.pop()
    assert len(batches) == 14 and not np.array_equal(batches[0][1], batches[7][1])
    for i, state in enumerate(states):
        resumed = new()
        resumed.load_state_dict(json.loads(json.dumps(state)))
        batch = next(iter(resumed))
        for got, expected in zip((batch.index, batch.patch, batch.inputs), batches[i]):
            np.testing.assert_array_equal(got, expected)
    other = seamount.Loader(url, ["a"], normalize=False, patches=Patches({"lat": 4, "lon": 5}, random=2))
    with pytest.raises(ValueError, match="another order of samples"):
        other.load_state_dict(states[0])


def test_patches_as_xarray_lie_where_they_were_cut(world):
    url, truth = world
    loader = seamount.Loader(url, inputs={"x": Slot(["a"]), "all": Slot(["a"], patch=False)}, normalize=False, shuffle=None,
                             batch_size=6, patches=Patches({"lat": 4, "lon": 8}, wrap=["lon"]))
    batch = next(iter(loader))
    assert batch.patch.tolist() == [[0, 0], [0, 8], [0, 16], [4, 0], [4, 8], [4, 16]]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(batch)).patch, batch.patch)
    dataset = loader.to_xarray(batch, denormalize=True)
    assert dataset.x.dims == ("sample", "lead", "variable", "patch_lat", "patch_lon")
    assert dataset["all"].dims == ("sample", "lead", "variable", "lat", "lon")
    np.testing.assert_array_equal(dataset.lon_of_patch[2], [320, 340, 0, 20, 40, 60, 80, 100])
    alone = seamount.Loader(url, ["a"], normalize=False, shuffle=None, batch_size=6,
                            patches=Patches({"lat": 4, "lon": 8}, wrap=["lon"]))
    dataset = alone.to_xarray(next(iter(alone)))
    np.testing.assert_array_equal(dataset.lat[5], np.linspace(-55, 55, LAT)[4:8])
    np.testing.assert_array_equal(dataset.inputs[5, 0, 0], cut(truth["a"][0], (4, 16), (4, 8)))


def test_climatologies_are_added_back_where_patches_were_cut(tmp_path, seed):  # noqa: F811
    rng = np.random.default_rng(seed)
    group = zarr.create_group(tmp_path / "c.zarr")
    values = {name: rng.normal(size=(n, LAT, LON)) for name, n in (("a", TIMES), ("a_climatology", 3))}
    weights = rng.random((TIMES, 3))
    put(group, "a", values["a"], ("time", "lat", "lon"), (4, 5, 7), {"seamount": {"anomaly": {"climatology": "a_climatology"}}})
    put(group, "a_climatology", values["a_climatology"], ("part", "lat", "lon"), (3, LAT, LON))
    put(group, "climatology_weights", weights, ("time", "part"), (TIMES, 3))
    loader = seamount.Loader(f"file://{tmp_path}/c.zarr", ["a"], inputs=[-1, 0], normalize=False,
                             patches=Patches({"lon": 5, "lat": 4}, wrap="lon", random=2))
    for batch in loader:
        back = loader.denormalize(batch.inputs, batch.index, patch=batch.patch)
        for i, (sample, (lon, lat)) in enumerate(zip(batch.index, batch.patch)):
            for lead in (0, 1):
                at = sample - 1 + lead
                whole = values["a"][at] + np.tensordot(weights[at], values["a_climatology"], 1)
                np.testing.assert_allclose(back[i, lead, 0], cut(whole, (lat, lon), (4, 5)), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="expected batch.patch"):
        loader.denormalize(batch.inputs, batch.index)


def test_what_patches_cannot_be_is_said(world):
    url, _ = world
    for message, patches in [
        ("expected a seamount.Patches", {"lat": 4}),
        ("expected sizes by dimension", Patches(4)),
        ("'lat', is 1.5: expected an integer", Patches({"lat": 1.5})),
        ("one of random, at, and stride", Patches({"lat": 4}, stride=2, random=1)),
        ("a stride and an overlap", Patches({"lat": 4}, stride=2, overlap=1)),
        ("overlap of patches along 'lat' is 4: expected 0 to 3", Patches({"lat": 4}, overlap=4)),
        ("wrap of patches names 'lon': expected one of 'lat'", Patches({"lat": 4}, wrap="lon")),
        ("at of patches is empty", Patches({"lat": 4}, at=[])),
        ("reaches beyond its 12 positions", Patches({"lat": 4}, at=[(9,)])),
        ("'lat' has 12 positions, and a patch 13", Patches({"lat": 13})),
        ("did you mean 'lat'", Patches({"latt": 3})),
    ]:
        with pytest.raises(ValueError, match=message):
            seamount.Loader(url, ["a"], normalize=False, patches=patches)
    inputs = {"x": Slot(["a"]), "y": Slot(["rain"], group="fine")}
    with pytest.raises(ValueError, match="says how many times, as patch=2"):
        seamount.Loader(url, inputs=inputs, normalize=False, patches=Patches({"lat": 4}))

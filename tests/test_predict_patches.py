"""Forward mode over overlapping patches against a loop in NumPy, point by point."""

from __future__ import annotations

import itertools
import math
import random
import warnings

import numpy as np
import pytest
import seamount
import xarray
import zarr
from loader_support import LAT, LON, STATS, TIMES, normalized, write
from seamount import Patches, Slot
from test_predict import NAMES, loader_of, truth, url  # noqa: F401

PAIRS = np.array([STATS[name] for name in NAMES])
MEAN, STD = (PAIRS[:, k, None, None] for k in (0, 1))


def model(inputs, member=0):
    """(batch, lead, variable, y, x) of two leads to the next one. What it gives depends on where in the patch a point is."""
    rows, columns = (np.arange(n, dtype="f4") for n in inputs.shape[-2:])
    within = rows[:, None] * np.float32(0.25) - columns * np.float32(0.5)
    around = inputs[:, 1:].mean(axis=(3, 4), keepdims=True)
    return (inputs[:, 1:] * np.float32(0.75) - inputs[:, :1] * np.float32(0.5) + around + within + np.float32(member)).astype("f4")


def weight(blend, size, overlap, at):
    if blend == "uniform":
        return 1.0
    line = min(1.0, (min(at, size - 1 - at) + 1) / (overlap + 1))
    return line if blend == "linear" else math.sin(math.pi / 2 * line) ** 2


def begins(length, size, overlap, wrap):
    at = [start for start in range(0, length, size - overlap) if wrap or start + size <= length]
    return at if wrap or at[-1] + size == length else [*at, length - size]


def blended(call, fields, size, overlap, wrap, blend, scale=1):
    """One time: what ``call`` gives of each patch of fields (…, lat, lon), averaged with weights, point by point."""
    lat, lon = fields.shape[-2:]
    total = weights = None
    for top, left in itertools.product(begins(lat, size[0], overlap[0], False), begins(lon, size[1], overlap[1], wrap)):
        rows, columns = top + np.arange(size[0]), (left + np.arange(size[1])) % lon
        given = call(fields[..., rows[:, None], columns])
        if total is None:
            total, weights = np.zeros((*given.shape[:-2], lat * scale, lon * scale)), np.zeros((lat * scale, lon * scale))
        for i, j in itertools.product(*(range(n) for n in given.shape[-2:])):
            y, x = top * scale + i, (left * scale + j) % (lon * scale)
            part = weight(blend, size[0] * scale, overlap[0] * scale, i) * weight(blend, size[1] * scale, overlap[1] * scale, j)
            total[..., y, x] += part * given[..., i, j]
            weights[y, x] += part
    return total / weights


def naive(truth, positions, steps, member, *tiles):  # noqa: F811
    """(sample, step, variable, lat, lon), in the data's units; a roll-out goes on from the blended field."""
    samples = []
    for position in positions:
        window = [(np.stack([truth[name][position + lead] for name in NAMES]).astype("f8") - MEAN) / STD for lead in (-1, 0)]
        for _ in range(steps):
            given = blended(lambda part: model(part[None], member)[0, 0], np.array(window[-2:], "f4"), *tiles)
            window.append(given)
        samples.append([field * STD + MEAN for field in window[2:]])
    return np.array(samples)


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(2**32)])
def test_random_runs(url, truth, tmp_path, seed):  # noqa: F811
    print("seed", seed)
    pick = random.Random(seed)
    for number in range(4):
        size = pick.randint(1, LAT), pick.randint(1, LON)
        overlap = tuple(pick.randrange(n) for n in size)
        wrap, blend = pick.random() < 0.6, pick.choice(["linear", "cosine", "uniform"])
        steps, members, world = pick.randint(1, 3), pick.choice([None, None, 2]), pick.randint(1, 3)
        first = pick.randint(8, 50)
        select = (first, min(TIMES, first + pick.randint(3, 6)))
        patches = Patches(dict(zip(("lat", "lon"), size)), overlap=dict(zip(("lat", "lon"), overlap)), wrap="lon" if wrap else ())
        data, to = loader_of(url, batch_size=pick.randint(1, 40)), f"file://{tmp_path}/{number}.zarr"
        groups = [seamount.predict(model, data, to, select=select, steps=steps, members=members, patches=patches, blend=blend,
                                   rank=rank, world=world) for rank in pick.sample(range(world), world)]
        positions = np.arange(select[0] + 1, select[1])
        np.testing.assert_array_equal(groups[-1]["position"][...], positions)
        for member in range(members or 1):
            wanted = naive(truth, positions, steps, member, size, overlap, wrap, blend)
            for v, name in enumerate(NAMES):
                found = groups[-1][name][...]
                found = found[:, :, member] if members else found
                np.testing.assert_allclose(found, wanted[:, :, v], rtol=2e-4, atol=2e-4, err_msg=f"run {number}")


TILES = Patches({"lat": 3, "lon": 4}, overlap={"lat": 1, "lon": 2}, wrap="lon")  # 3 × 5 of them


def test_a_run_that_goes_on_and_ranks_give_the_same_bits(url, tmp_path):  # noqa: F811
    data = loader_of(url, batch_size=4)
    sizes = []

    def counted(inputs):
        sizes.append(len(inputs))
        return model(inputs)

    whole = seamount.predict(counted, data, tmp_path / "whole.zarr", select=(8, 16), patches=TILES)
    assert sizes == [4] * 4 * 7  # the last place twice: all batches are alike
    left = itertools.count(13, -1)

    def failing(inputs):
        if next(left) == 0:
            raise ZeroDivisionError
        return model(inputs)

    to = tmp_path / "again.zarr"
    with pytest.raises(ZeroDivisionError):
        seamount.predict(failing, data, to, select=(8, 16), patches=TILES)
    with pytest.warns(UserWarning, match="3 of 7 batches are there"):  # each holds one time
        again = seamount.predict(model, data, to, select=(8, 16), patches=TILES)
    for rank in (1, 2, 0):
        by_ranks = seamount.predict(model, data, tmp_path / "ranks.zarr", select=(8, 16), patches=TILES, rank=rank, world=3)
    for name in NAMES:
        assert again[name][...].tobytes() == by_ranks[name][...].tobytes() == whole[name][...].tobytes()
    assert whole["u"].chunks == (1, 1, LAT, LON)
    # What is known of samples is one object, however many batches there were.
    assert whole["time"].chunks == whole["position"].chunks == (7,)
    assert by_ranks["time"][...].tolist() == again["time"][...].tolist() == [6.0 * p for p in range(9, 16)]
    for message, options in [("its patches is", {"patches": TILES, "blend": "cosine"}), ("its .* is", {})]:
        with pytest.raises(RuntimeError, match=f"another prediction .{message}"):
            seamount.predict(model, data, to, select=(8, 16), **options)


def test_several_times_of_few_patches_are_one_batch(url, truth, tmp_path):  # noqa: F811
    sizes = []

    def counted(inputs):
        sizes.append(len(inputs))
        return model(inputs)

    found = seamount.predict(counted, loader_of(url, batch_size=50), tmp_path / "out.zarr", select=(8, 16), patches=TILES)
    assert sizes == [45, 45, 15]
    wanted = naive(truth, range(9, 16), 1, 0, (3, 4), (1, 2), True, "linear")
    np.testing.assert_allclose(found["v"][...], wanted[:, :, 1], rtol=1e-4, atol=1e-4)


def test_what_no_patch_changes_stays_as_it_is(url, truth, tmp_path):  # noqa: F811
    """Weights are 1 together, at the seam and at the edges too; what is missing stays so and spreads nowhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = seamount.predict(lambda x: x[:, 1:], loader_of(url), tmp_path / "out.zarr", select=(4, 12), patches=TILES)
    for name in NAMES:
        np.testing.assert_allclose(found[name][:, 0], truth[name][5:12], rtol=1e-6, atol=1e-6)


@pytest.fixture
def two_grids(tmp_path):
    """Coarse winds, and twice as fine a field of anomalies beside a static one."""
    rng = np.random.default_rng(3)
    root = zarr.create_group(tmp_path / "g.zarr")
    fine = root.create_group("fine")
    values = {"u": rng.normal(size=(TIMES, LAT, LON)).astype("f4"), "t": rng.normal(size=(TIMES, 2 * LAT, 2 * LON)).astype("f4"),
              "weights": rng.normal(size=(TIMES, 2)).astype("f4"), "terms": rng.normal(size=(2, 2 * LAT, 2 * LON)).astype("f4")}
    write(root, "u", values["u"], normalized(1.0, 2.0))
    notes = {"seamount": {"normalize": {"mean": 3.0, "std": 2.0}, "anomaly": {"climatology": "t_climatology"}}}
    write(fine, "t", values["t"], notes, chunks=(4, 2 * LAT, 2 * LON))
    fine.create_array("climatology_weights", data=values["weights"], dimension_names=["time", "term"])
    fine.create_array("t_climatology", data=values["terms"], dimension_names=["term", "lat", "lon"])
    for group in (root, fine):
        group.create_array("time", data=np.arange(TIMES) * 6.0, dimension_names=["time"],
                           attributes={"units": "hours since 2001-01-01"})
    root.create_array("oro", data=np.arange(LAT * LON, dtype="f4").reshape(LAT, LON), dimension_names=["lat", "lon"])
    return f"file://{tmp_path}/g.zarr", values


def test_a_finer_grid_a_whole_field_beside_and_anomalies(two_grids, tmp_path):
    """Downscaling; the climatology is added to the blended field."""
    url, values = two_grids  # noqa: F811

    def finer(inputs):
        coarse = inputs["u"][:, :, :1] + inputs["world"].mean(axis=(2, 3, 4), keepdims=True)
        assert inputs["u"].shape[2:] == (2, 4, 5) and inputs["world"].shape[2:] == (1, LAT, LON)
        within = np.arange(8, dtype="f4")[:, None] - np.arange(10, dtype="f4")
        return {"t": np.repeat(np.repeat(coarse, 2, axis=3), 2, axis=4) + within}

    spec = seamount.Loader(
        url, inputs={"u": Slot(["u", "oro"], normalize={"u": (1.0, 2.0), "oro": (0.0, 1.0)}), "world": Slot(["u"], patch=False)},
        targets={"t": Slot(["t"], [1], group="fine", patch=2)}, batch_size=7, patches=Patches({"lat": 4, "lon": 5}, random=2))
    found = seamount.predict(finer, spec, tmp_path / "out.zarr", select=(0, 6),
                             patches=Patches({"lon": 5, "lat": 4}, overlap=2, wrap=["lon"]))
    for position in range(5):
        field = (values["u"][position] - 1) / 2
        world = field.mean()
        wanted = blended(
            lambda part: np.repeat(np.repeat(part + world, 2, 0), 2, 1) + np.arange(8)[:, None] - np.arange(10),
            field, (4, 5), (2, 2), True, "linear", scale=2)
        wanted = wanted * 2 + 3 + np.tensordot(values["weights"][position + 1], values["terms"], 1)
        np.testing.assert_allclose(found["t"][position, 0], wanted, rtol=1e-4, atol=1e-4)
    assert xarray.open_zarr(tmp_path / "out.zarr").t.dims == ("time", "lead", "lat", "lon")


def test_what_cannot_be_is_said(url, two_grids, tmp_path):  # noqa: F811
    def slots(**options):
        return seamount.Loader(two_grids[0], inputs={"u": Slot(["u"])}, normalize=False,
                               targets={"t": Slot(["t"], [1], group="fine", **options)}, patches=None)

    size = {"lat": 3, "lon": 4}
    for message, data, options in [
        ("patches is 3: expected a seamount.Patches", loader_of(url), {"patches": 3}),
        ("blend is 'soft': expected one of 'linear'", loader_of(url), {"patches": TILES, "blend": "soft"}),
        ("blend is 'soft'", loader_of(url), {"blend": "soft"}),
        ("expected a grid", loader_of(url), {"patches": Patches(size, random=3)}),
        ("expected a grid", loader_of(url), {"patches": Patches(size, at=[(0, 0)])}),
        ("no position is left out", loader_of(url), {"patches": Patches(size, stride=4)}),
        ("size 7 and stride 7: expected 1 to 6", loader_of(url), {"patches": Patches({"lat": 7})}),
        ("have 'latt': expected dimensions of the field, 'lat', 'lon'", loader_of(url), {"patches": Patches({"latt": 3})}),
        ("'t' has 12 positions along 'lat': expected 6", slots(), {"patches": TILES}),
        ("'t' has the same field in all patches .patch=False", slots(patch=False), {"patches": TILES}),
    ]:
        with pytest.raises(ValueError, match=message):
            seamount.predict(model, data, tmp_path / "out.zarr", **options)
        assert not (tmp_path / "out.zarr").exists()
    flat = seamount.Loader(url, inputs={"x": Slot(["u"])}, targets={"y": Slot(["lat"])}, normalize=False)
    with pytest.raises(ValueError, match="'y' has the same field in all patches .without 'lon'"):
        seamount.predict(model, flat, tmp_path / "out.zarr", patches=TILES)

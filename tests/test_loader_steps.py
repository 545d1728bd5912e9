"""Groups whose positions are other times: found by time, lead by lead, against a dictionary of times."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import seamount
import zarr
from seamount import Patches, Slot
from test_loader_slots import put, seed  # noqa: F401

BEGIN = np.datetime64("2001-01-01T00", "h")


def hours(*numbers):
    return [f"{number}h" for number in numbers]


@pytest.fixture
def world(tmp_path, seed):  # noqa: F811
    """6-hourly, daily and 3-hourly, each beginning and ending elsewhere; what they hold by time."""
    print("seed", seed)
    rng = np.random.default_rng(seed)
    root = zarr.create_group(tmp_path / "w.zarr")
    steps = {None: 6 * np.arange(60), "daily": 24 * np.arange(-3, 12), "fine": 3 * np.arange(7, 140)}
    steps["fine"] = np.delete(steps["fine"], [40, 41, 90])  # gaps
    truth = {}
    for name, offsets in steps.items():
        group = root if name is None else root.create_group(name)
        values = rng.normal(size=(len(offsets), 4, 5)).astype("f4")
        put(group, "a", values, ("time", "lat", "lon"), (int(rng.integers(1, 9)), 3, 5))
        put(group, "time", offsets + 0.0, ("time",), (len(offsets),), {"units": f"hours since {BEGIN}:00"})
        put(group, "mask", values[0], ("lat", "lon"), (4, 5))
        truth[name] = dict(zip(offsets.tolist(), values)), values[0]
    return f"file://{tmp_path}/w.zarr", truth


@pytest.mark.filterwarnings("ignore:.*are no samples")
def test_random_leads_in_groups_of_other_steps(world, seed):  # noqa: F811
    url, truth = world
    pick = random.Random(seed)
    tried = 0
    while tried < 25:
        leads = {None: [6 * pick.randint(-2, 2) for _ in range(pick.randint(1, 2))], "daily": [6 * pick.randint(-9, 9)],
                 "fine": [3 * pick.randint(-9, 9) for _ in range(pick.randint(1, 2))]}
        chosen = [None, *pick.sample(["daily", "fine"], pick.randint(1, 2))]
        begin = pick.randint(0, 20)
        end = pick.randint(begin + 5, 60)
        expected = []
        for p in range(begin, end):
            at = [(g, 6 * p + lead) for g in chosen for lead in leads[g]]
            if all(when in truth[g][0] and 6 * begin <= when < 6 * end for g, when in at):
                expected.append(p)
        inputs = {str(g): Slot(["a"], hours(*leads[g]), g, patch=True) for g in chosen}
        inputs["mask"] = Slot(["mask"], group=chosen[1])
        patches = pick.choice([None, Patches({"lon": 3}, wrap="lon", random=1)])

        def open_loader():
            return seamount.Loader(url, inputs=inputs, normalize=False, select=(begin, end), patches=patches, seed=seed,
                                   batch_size=pick.randint(1, 9), shuffle=pick.choice(["global", "block", None]))

        if not expected:
            with pytest.raises(ValueError, match="no sample"):
                open_loader()
            continue
        tried += 1
        loader = open_loader()
        seen = []
        for batch in loader:
            seen += batch.index.tolist()
            for i, p in enumerate(batch.index):
                columns = np.arange(5) if patches is None else (batch.patch[i][0] + np.arange(3)) % 5
                np.testing.assert_array_equal(batch["mask"][i, 0, 0], truth[chosen[1]][1][:, columns])
                for g in chosen:
                    for k, lead in enumerate(leads[g]):
                        np.testing.assert_array_equal(batch[str(g)][i, k, 0], truth[g][0][6 * p + lead][:, columns])
        assert sorted(seen) == expected
        state = json.loads(json.dumps(loader.state_dict()))
        loader.load_state_dict(state)


def test_daily_targets_of_six_hourly_inputs(world):
    url, truth = world
    slots = {"inputs": {"now": Slot(["a"], ["-6h", 0])}, "targets": {"tomorrow": Slot(["a"], ["1d"], group="daily")}}
    with pytest.warns(UserWarning, match="49 positions of .* are no samples"):
        loader = seamount.Loader(url, **slots, normalize=False, shuffle=None)
    batch = next(iter(loader))
    # Of 59 windows 14 are at midnight, and the daily ones end after the eleventh day.
    assert batch.index.tolist() == list(range(4, 41, 4)) and loader.samples == 10
    dataset = loader.to_xarray(batch)
    assert dataset.time.values[0] == np.datetime64("2001-01-02T00")
    np.testing.assert_array_equal(dataset.tomorrow.sel(sample=8).squeeze(), truth["daily"][0][72])


def test_climatologies_are_those_of_the_other_groups_times(tmp_path):
    rng = np.random.default_rng(3)
    root = zarr.create_group(tmp_path / "c.zarr")
    daily = root.create_group("daily")
    anomaly, parts, weights = rng.normal(size=(12, 3)), rng.normal(size=(2, 3)), rng.random((12, 2))
    for group, count, step in ((root, 40, 6), (daily, 12, 24)):
        put(group, "time", np.arange(count) * float(step), ("time",), (count,), {"units": f"hours since {BEGIN}:00"})
    put(root, "a", rng.normal(size=(40, 3)), ("time", "x"), (40, 3))
    put(daily, "b", anomaly, ("time", "x"), (5, 3), {"seamount": {"anomaly": {"climatology": "clim"}}})
    put(daily, "clim", parts, ("part", "x"), (2, 3))
    put(daily, "climatology_weights", weights, ("time", "part"), (12, 2))
    with pytest.warns(UserWarning, match="are no samples"):
        loader = seamount.Loader(f"file://{tmp_path}/c.zarr", inputs={"x": Slot(["a"])}, normalize=False,
                                 targets={"y": Slot(["b"], ["18h", "42h"], group="daily", dtype="float64")})
    for batch in loader:
        back = loader.denormalize(batch["y"], batch.index)
        for i, p in enumerate(batch.index):
            days = [(p * 6 + 18) // 24, (p * 6 + 42) // 24]
            np.testing.assert_allclose(back[i, :, 0], anomaly[days] + weights[days] @ parts)


def test_what_does_not_meet_is_said(world):
    url, _ = world
    x = Slot(["a"])
    for message, slots in [
        ("give its leads as durations", {"x": x, "y": Slot(["a"], [1], group="daily")}),
        ("no sample is left: at no time of the first group, from 2001-01-01T00:00:00 to", {"x": x, "y": Slot(["a"], ["1h"], group="daily")}),
        ("no whole number of steps", {"x": Slot(["a"], ["3h"])}),
        ("no slot has the steps of the first group", {"y": Slot(["a"], ["1d"], group="daily")}),
    ]:
        with pytest.raises(ValueError, match=message):
            seamount.Loader(url, inputs=slots, normalize=False)

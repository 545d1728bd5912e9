"""What is computed from a sample's times and places, against one number after the other."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest
import seamount
import zarr
from seamount import Encoding, Patches, Slot
from seamount.encodings import ENCODINGS
from test_loader_slots import put, seed  # noqa: F401

TIMES, START = 1500, datetime.datetime(1999, 11, 3, 2, 30)
LAT, LON = np.array([-80.0, -50, -10, 0, 20, 60]), np.arange(8) * 45.0


@pytest.fixture
def url(tmp_path, seed):  # noqa: F811
    print("seed", seed)
    root = zarr.create_group(tmp_path / "w.zarr")
    put(root, "a", np.zeros((TIMES, 6, 8), "f4"), ("time", "y", "lon"), (100, 6, 8))
    put(root, "time", np.arange(TIMES) * 7.0, ("time",), (TIMES,), {"units": f"hours since {START}"})
    put(root, "y", LAT, ("y",), (6,), {"units": "degrees_north"})
    put(root, "lon", LON, ("lon",), (8,))
    return f"file://{tmp_path}/w.zarr"


def sun(when, lat, lon):
    """Cosine of the zenith angle, by the Astronomical Almanac's low-precision formulas."""
    days = (when - datetime.datetime(2000, 1, 1, 12)).total_seconds() / 86400
    mean, anomaly = math.radians(280.460 + 0.9856474 * days), math.radians(357.528 + 0.9856003 * days)
    ecliptic = mean + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 0.0000004 * days)
    right = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal = math.radians(15 * ((18.697374558 + 24.06570982441908 * days) % 24))
    hour = sidereal + math.radians(lon) - right
    return math.sin(math.radians(lat)) * math.sin(declination) + math.cos(math.radians(lat)) * math.cos(declination) * math.cos(hour)


def naive(name, when, y, x):
    lat, lon = LAT[y], LON[x]
    year = datetime.datetime(when.year, 1, 1)
    hour = (when - when.replace(hour=0, minute=0)).total_seconds() / 3600
    share = (when - year) / (datetime.datetime(when.year + 1, 1, 1) - year)
    function = math.sin if name.startswith("sin") else math.cos
    if name == "area":
        edges = [-90, -65, -30, -5, 10, 40, 80]
        areas = [math.sin(math.radians(b)) - math.sin(math.radians(a)) for a, b in zip(edges, edges[1:])]
        return areas[y] / (sum(areas) / 6)
    return {"lat": lambda: lat, "lon": lambda: lon, "cos_zenith": lambda: sun(when, lat, lon)}.get(name, lambda: function(
        {"lat": math.radians(lat), "lon": math.radians(lon), "day": 2 * math.pi * share, "hour": math.pi / 12 * hour
         + (math.radians(lon) if "local" in name else 0)}[name.rsplit("_", 1)[1]]))()


@pytest.mark.parametrize("patches", [None, Patches({"y": 4, "lon": 5}, wrap="lon", random=2), Patches({"lon": 3}, wrap="lon")])
def test_encodings_are_what_they_say_at_each_time_and_place(url, seed, patches):  # noqa: F811
    loader = seamount.Loader(
        url, inputs={"now": Encoding(ENCODINGS), "x": Slot(["a"], [-3, 0])},
        targets={"y": Slot(["a"], ["14h"]), "later": Encoding(["cos_zenith", "area"], ["14h"], like="y", dtype="float64")},
        normalize=False, patches=patches, seed=seed, batch_size=6)
    batch = next(iter(loader))
    assert list(batch.inputs) == ["now", "x"] and list(batch.targets) == ["y", "later"]
    assert batch["now"].dtype == np.float32 and batch["later"].dtype == np.float64
    assert batch["now"].shape == (6, 2, len(ENCODINGS), *batch["x"].shape[3:])
    assert loader.slots["now"]["variable"] == len(ENCODINGS)
    for slot, leads, encodings in (("now", (-3, 0), ENCODINGS), ("later", (2,), ("cos_zenith", "area"))):
        for i, sample in enumerate(batch.index):
            y0, x0 = {None: lambda: (0, 0), 1: lambda: (0, batch.patch[i][0]), 2: lambda: batch.patch[i]}[
                patches and len(patches.size)]()
            for k, lead in enumerate(leads):
                when = START + datetime.timedelta(hours=7 * (int(sample) + lead))
                for v, name in enumerate(encodings):
                    for y in range(batch[slot].shape[3]):
                        for x in range(batch[slot].shape[4]):
                            expected = naive(name, when, y0 + y, (x0 + x) % 8)
                            tolerance = 0.005 if name == "cos_zenith" else 1e-6 * (1 + abs(expected))
                            assert abs(batch[slot][i, k, v, y, x] - expected) < tolerance, name
    dataset = loader.to_xarray(batch)
    assert "cos_zenith" in dataset.now[f"{'now_' if 'now_variable' in dataset.now.dims else ''}variable"].values


def test_calendars_have_years_of_their_own(tmp_path):
    for calendar, days, march in (("noleap", 365, 59), ("all_leap", 366, 60), ("360_day", 360, 60)):
        root = zarr.create_group(tmp_path / f"{calendar}.zarr")
        put(root, "a", np.zeros((730, 2), "f4"), ("time", "lat"), (730, 2))
        put(root, "time", np.arange(730) + 0.25, ("time",), (730,), {"units": "days since 2001-01-01", "calendar": calendar})
        loader = seamount.Loader(f"file://{tmp_path}/{calendar}.zarr", normalize=False, shuffle=None, months=[3], batch_size=99,
                                 inputs={"x": Slot(["a"]), "t": Encoding(["sin_day", "cos_day", "cos_hour"])})
        batch = next(iter(loader))
        assert batch.index[0] == march and loader.samples == (60 if calendar == "360_day" else 62)
        angle = 2 * np.pi * (batch.index % days + 0.25) / days
        expected = np.stack([np.sin(angle), np.cos(angle), np.full(len(angle), math.cos(math.pi / 2))], 1)
        np.testing.assert_allclose(batch["t"][:, 0, :, 0], expected, atol=1e-6)


def test_samples_of_some_months_hours_and_years(url):
    times = np.array([START + datetime.timedelta(hours=7 * i) for i in range(TIMES)])

    def samples(**options):
        loader = seamount.Loader(url, ["a"], inputs=[-2, 0], normalize=False, batch_size=50, **options)
        return sorted(int(i) for batch in loader for i in batch.index), loader

    summer, loader = samples(months=[6, 7, 8])
    assert summer == [i for i, when in enumerate(times) if i >= 2 and when.month in (6, 7, 8)]
    same = seamount.Loader(url, ["a"], inputs=[-2, 0], normalize=False, months=(8, 7, 6))
    same.load_state_dict(loader.state_dict())
    with pytest.raises(ValueError, match="another order of samples"):
        seamount.Loader(url, ["a"], inputs=[-2, 0], normalize=False, months=(8, 7)).load_state_dict(loader.state_dict())
    both, _ = samples(months=1, hours=[0, 12], times=slice("2000", None))
    assert both == [i for i, when in enumerate(times)
                    if when.month == 1 and when.hour in (0, 12) and i - 2 >= 0 and times[i - 2].year >= 2000]
    chosen, _ = samples(where=lambda when: when < np.datetime64("1999-11-05"), select=(3, 900))
    assert chosen == [i for i, when in enumerate(times) if i >= 5 and when < datetime.datetime(1999, 11, 5)]
    until, _ = samples(times=slice(None, datetime.date(1999, 11, 30)))
    assert until == [i for i, when in enumerate(times) if i >= 2 and when.date() <= datetime.date(1999, 11, 30)]
    for message, options in [
        ("expected numbers from 1 to 12", {"months": [0]}), ("expected numbers from 0 to 23", {"hours": 24}),
        ("expected slice", {"times": "1999"}), ("a first date, a last one", {"times": slice(None)}),
        ("no sample is left", {"where": np.zeros(TIMES, bool)}), ("expected bool, one for each", {"where": [True]}),
        ("expected one of them; months", {"times": slice("2000", None), "select": (0, 9)}),
    ]:
        with pytest.raises(ValueError, match=message):
            samples(**options)


def test_what_encodings_cannot_be_is_said(url, tmp_path):
    root = zarr.open_group(tmp_path / "w.zarr")
    put(root, "flat", np.zeros((TIMES, 3), "f4"), ("time", "station"), (100, 3))
    x = Slot(["a"])
    for message, inputs in [
        ("expected a list of names", {"x": x, "e": Encoding("lat")}),
        ("'cos_lattitude': expected one of lat, lon", {"x": x, "e": Encoding(["cos_lattitude"])}),
        (r"expected one of the slots \['x'\]", {"x": x, "e": Encoding(["lat"], like="z")}),
        ("at least one slot of variables", {"e": Encoding(["lat"])}),
        ("has a longitude, which encodings", {"x": Slot(["flat"]), "e": Encoding(["cos_zenith"])}),
        ("expected 'float32' or 'float64'", {"x": x, "e": Encoding(["lat"], dtype="float16")}),
    ]:
        if "longitude" in message:
            put(root, "lat", np.zeros(3), ("station",), (3,))
        with pytest.raises(ValueError, match=message):
            seamount.Loader(url, inputs=inputs, normalize=False)
    loader = seamount.Loader(url, inputs={"x": x, "e": Encoding(["sin_hour"], leads=[-1])}, normalize=False, shuffle=None)
    with pytest.raises(ValueError, match="an encoding has leads that no slot has"):
        next(iter(loader))

"""Scores of predictions against plain formulas over whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
import seamount
import xarray
from loader_support import LAT, LON, TIMES, write
from test_predict import NAMES, loader_of, model, truth, url  # noqa: F401

LATITUDE = np.linspace(-75, 75, LAT)
AREA = np.cos(np.deg2rad(LATITUDE))[:, None] * np.ones(LON)
EUROPE = {"lat": (0, 60), "lon": (-80, 80)}
IN_EUROPE = ((LATITUDE >= 0) & (LATITUDE <= 60))[:, None] & np.isin(np.arange(LON), [0, 1, 2, 8, 9])


def pairs(group, truth, leads=3):  # noqa: F811
    """By variable (sample, lead, [member], lat, lon) and what came true, of those that did at all leads."""
    positions = group["position"][...]
    positions = positions[positions + leads < TIMES]
    for name in NAMES:
        forecast = group[name][: len(positions)].astype("f8")
        later = np.stack([truth[name][positions + lead] for lead in range(1, leads + 1)], axis=1).astype("f8")
        yield name, forecast, later


def averaged(values, weights):
    """Over samples and points, of those known."""
    known = np.isfinite(values)
    weights = np.broadcast_to(weights, values.shape)
    return np.where(known, values * weights, 0).sum((0, 2, 3)) / np.where(known, weights, 0).sum((0, 2, 3))


@pytest.mark.filterwarnings("ignore:.*left out")
def test_against_formulas(url, truth, tmp_path):  # noqa: F811
    group = seamount.predict(model, loader_of(url), f"file://{tmp_path}/out.zarr", steps=3)
    mean_state = {name: np.nanmean(truth[name][20:50].astype("f8"), axis=0) for name in NAMES}
    found = seamount.scores(group, url, regions={"europe": EUROPE}, climatology="test", batch_size=7,
                            picture=tmp_path / "skill.png")
    assert found.rmse.dims == ("variable", "region", "lead") and found.lead.values.tolist() == [6, 12, 18]
    assert found.region.values.tolist() == ["all", "europe"] and found.units.values.tolist() == ["m/s", "m/s"]
    assert found.attrs == {"samples": 56, "left_out": 3}
    for name, forecast, later in pairs(group, truth):
        error = forecast - later
        for region, weights in [("all", AREA), ("europe", AREA * IN_EUROPE)]:
            got = found.sel(variable=name, region=region)
            np.testing.assert_allclose(got.rmse, np.sqrt(averaged(error**2, weights)), rtol=1e-10)
            np.testing.assert_allclose(got.bias, averaged(error, weights), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(got.mae, averaged(np.abs(error), weights), rtol=1e-10)
            a, b = (np.where(np.isfinite(error), x - mean_state[name], 0) for x in (forecast, later))
            with np.errstate(invalid="ignore"):
                correlation = (a * b * weights).sum((2, 3)) / np.sqrt((a**2 * weights).sum((2, 3)) * (b**2 * weights).sum((2, 3)))
            np.testing.assert_allclose(got.acc, np.nanmean(correlation, axis=0), rtol=1e-9, atol=1e-12)
        got = found.sel(variable=name)
        np.testing.assert_allclose(got.rmse_map, np.sqrt(np.nanmean(error**2, axis=0)), rtol=1e-10)
        np.testing.assert_allclose(got.bias_map, np.nanmean(error, axis=0), rtol=1e-9, atol=1e-12)
    assert (tmp_path / "skill.png").read_bytes().startswith(b"\x89PNG")
    assert "crps" not in found and "acc" not in seamount.scores(group)


@pytest.mark.filterwarnings("ignore:.*left out")
def test_ensembles(url, truth, tmp_path):  # noqa: F811
    data = loader_of(url)
    group = seamount.predict(model, data, f"file://{tmp_path}/out.zarr", members=4, steps=2)
    found = seamount.scores(f"file://{tmp_path}/out.zarr", data, variables=["v"], weights=None)
    assert found.variable.values.tolist() == ["v"]
    _, forecast, later = list(pairs(group, truth, 2))[1]
    ones, rows = np.ones((LAT, LON)), len(forecast)
    np.testing.assert_allclose(found.rmse[0, 0], np.sqrt(averaged((forecast.mean(2) - later) ** 2, ones)), rtol=1e-10)
    known = np.where(np.isfinite(forecast.mean(2) - later), 0, np.nan)
    np.testing.assert_allclose(found.spread[0, 0], np.sqrt(averaged(forecast.var(2, ddof=1) + known, ones)), rtol=1e-10)
    crps = np.abs(forecast - later[:, :, None]).mean(2) - np.abs(forecast[:, :, :, None] - forecast[:, :, None]).mean((2, 3)) / 2
    np.testing.assert_allclose(found.crps[0, 0], averaged(crps, ones), rtol=1e-9)
    assert rows == 57


def test_a_perfect_forecast_of_anomalies(tmp_path, truth):  # noqa: F811
    import zarr

    rng = np.random.default_rng(2)
    weights, terms = rng.normal(size=(TIMES, 3)).astype("f4"), rng.normal(size=(3, LAT, LON)).astype("f4")
    group = zarr.create_group(tmp_path / "a.zarr")
    write(group, "u", truth["u"], {"seamount": {"normalize": {"mean": 3.0, "std": 2.0}, "anomaly": {"climatology": "u_clim"}}})
    for name, dims, values in [("climatology_weights", ["time", "term"], weights), ("u_clim", ["term", "lat", "lon"], terms),
                               ("lat", ["lat"], LATITUDE)]:
        group.create_array(name, data=values, dimension_names=dims)
    data = seamount.Loader(f"file://{tmp_path}/a.zarr", ["u"], inputs=[0], targets=[0], batch_size=7)
    seamount.predict(lambda x: x, data, f"file://{tmp_path}/out.zarr")
    found = seamount.scores(f"file://{tmp_path}/out.zarr")
    assert found.rmse.item() < 1e-5 and abs(found.acc.item() - 1) < 1e-9 and found.attrs["left_out"] == 0


def test_what_does_not_go_together_is_said(url, tmp_path):  # noqa: F811
    to = f"file://{tmp_path}/out.zarr"
    with pytest.raises(ValueError, match="holds no prediction"):
        seamount.scores(url)
    seamount.predict(model, loader_of(url), to, select=(10, 20))
    for message, options in [
        ("no variable 'w'", {"variables": ["w"]}),
        ("expected 'area', None or an array", {"weights": "cos"}),
        (r"weights have shape \(3,\)", {"weights": np.ones(3)}),
        ("region 'x' names 'y'", {"regions": {"x": {"y": (0, 1)}}}),
        ("region 'x' holds no point", {"regions": {"x": {"lat": (88, 90)}}}),
        ("region 'x': lat is 5", {"regions": {"x": {"lat": 5}}}),
        ("region 'x' is int64", {"regions": {"x": np.ones((LAT, LON), "i8")}}),
        ("no such split", {"climatology": "train"}),
        ("climatology of 'u' has shape", {"climatology": {"u": np.zeros(3)}}),
    ]:
        with pytest.raises(ValueError, match=message):
            seamount.scores(to, **options)
    other = xarray.open_zarr(tmp_path / "winds.zarr").isel(lat=slice(3)).drop_encoding()
    other.to_zarr(tmp_path / "other.zarr", zarr_format=3)
    with pytest.raises(ValueError, match=r"has the field .6, 10., and in .*other.zarr .3, 10."):
        seamount.scores(to, f"file://{tmp_path}/other.zarr")


def copied(tmp_path, name, change):
    """The data as another store, changed."""
    data = xarray.open_zarr(tmp_path / "winds.zarr", consolidated=False).load().drop_encoding()
    change(data).to_zarr(tmp_path / name, zarr_format=3, consolidated=False)
    return f"file://{tmp_path}/{name}"


@pytest.mark.filterwarnings("ignore")
def test_samples_are_found_by_their_times(url, truth, tmp_path):  # noqa: F811
    """In data that begin later and have twice as many steps."""
    group = seamount.predict(model, loader_of(url), tmp_path / "out.zarr", steps=2)
    expected = seamount.scores(group, url)

    def finer(data):
        late = data.isel(time=slice(20, None))
        between = late.assign_coords(time=late.time + np.timedelta64(3, "h"))
        between[NAMES] = between[NAMES] + 100
        return xarray.concat([late, between], "time", data_vars="minimal").sortby("time")

    found = seamount.scores(group, copied(tmp_path, "finer.zarr", finer))
    early = seamount.predict(model, loader_of(url), tmp_path / "late.zarr", steps=2, select=(19, TIMES))
    wanted = seamount.scores(early, url)
    assert expected.attrs == {"samples": 57, "left_out": 2} and wanted.attrs["samples"] == 38
    # From the 20th time on, and between them is 100 more, which would be seen.
    for name in ("rmse", "bias", "rmse_map"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6)
    assert found.attrs == {"samples": 38, "left_out": 21}


@pytest.mark.filterwarnings("ignore")
def test_what_differs_is_said(url, tmp_path):  # noqa: F811
    group = seamount.predict(model, loader_of(url), tmp_path / "out.zarr", select=(0, 8))
    later = np.timedelta64(365, "D")
    for number, (message, change) in enumerate([
        ("no time in common: it has 2001-01-01T06.* to .*, and the data 2002-01-01",
         lambda data: data.assign_coords(time=data.time + later)),
        ("'u' is in 'm/s', and in .* in 'knots'", lambda data: data.assign(u=data.u.assign_attrs(units="knots"))),
        ("'lat' is -75.0 to 75.0, 6 of them, and in .* 75.0 to -75.0", lambda data: data.isel(lat=slice(None, None, -1))),
        ("different calendars", lambda data: data.convert_calendar("noleap")),
        ("no sample is left|no sample fits", lambda data: data.isel(time=[0, 1])),
    ]):
        with pytest.raises(ValueError, match=message):
            seamount.scores(group, copied(tmp_path, f"{number}.zarr", change))


@pytest.mark.filterwarnings("ignore:.*left out")
def test_several_targets_in_groups_of_their_own(url, truth, tmp_path):  # noqa: F811
    """One on a finer grid at other steps."""
    import zarr

    root = zarr.open_group(tmp_path / "winds.zarr")
    daily = root.create_group("daily")
    rain = np.random.default_rng(4).normal(size=(TIMES // 4, 2 * LAT, LON)).astype("f4")
    write(daily, "rain", rain, {"units": "mm"}, chunks=(4, 2 * LAT, LON))
    daily.create_array("time", data=np.arange(TIMES // 4) * 24.0, dimension_names=["time"],
                       attributes={"units": "hours since 2001-01-01"})
    data = seamount.Loader(
        url, inputs={"x": seamount.Slot(["u"], [0])}, batch_size=4, normalize=False,
        targets={"wind": seamount.Slot(["u"], ["24h"]), "rain": seamount.Slot(["rain"], ["24h"], group="daily")})

    def both(inputs):
        return {"wind": inputs["x"], "rain": np.repeat(inputs["x"], 2, axis=3)}

    group = seamount.predict(both, data, tmp_path / "out.zarr")
    positions = group.open_group("rain")["position"][...]
    with pytest.raises(ValueError, match="slot is None: expected one of the prediction's, as it has several: 'rain', 'wind'"):
        seamount.scores(group)
    for truth_of in (None, data):
        found = seamount.scores(tmp_path / "out.zarr", truth_of, slot="rain", weights=None)
        assert found.rmse_map.dims == ("variable", "lead", "lat", "lon") and found.rmse_map.shape == (1, 1, 2 * LAT, LON)
        verified = [p for p in positions if p % 4 == 0 and p // 4 + 1 < len(rain)]
        error = np.array([np.repeat(truth["u"][p], 2, axis=0) - rain[p // 4 + 1] for p in verified], "f8")
        assert found.attrs["samples"] == len(verified) > 10 and found.lead.values.tolist() == [24]
        np.testing.assert_allclose(found.rmse.item(), np.sqrt((error**2).mean()), rtol=1e-6)
        np.testing.assert_allclose(found.bias_map[0, 0], error.mean(axis=0), rtol=1e-5, atol=1e-6)
    # The split is the whole data's, of six-hourly steps.
    acc = seamount.scores(group, slot="rain", weights=None, climatology="test").acc
    known = seamount.scores(group, slot="rain", weights=None, climatology={"rain": rain[5:13].mean(axis=0, dtype="f8")}).acc
    np.testing.assert_allclose(acc, known, rtol=1e-6)
    wind = seamount.scores(group, slot="wind", weights=None)
    pairs_ = [(truth["u"][p], truth["u"][p + 4]) for p in positions if p + 4 < TIMES]
    np.testing.assert_allclose(wind.rmse.item(), np.sqrt(np.mean([(a.astype("f8") - b) ** 2 for a, b in pairs_])), rtol=1e-6)


def test_curves_have_room_above():
    from matplotlib.figure import Figure
    from seamount.score_picture import _curve

    values = np.array([[1.9, 2.0]])
    found = xarray.Dataset({"rmse": (("region", "lead"), values)}, {"region": ["all"], "lead": [6, 12]})
    axis = Figure().subplots()
    _curve(axis, found, "rmse", "u: RMSE", "m/s")
    assert axis.get_ylim()[0] == 0 and axis.get_ylim()[1] > 2.1
    _curve(axis, found * 0, "rmse", "u: RMSE", "m/s")

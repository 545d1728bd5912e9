"""What is missing where: said after a run, stored in the group, and the same whether one run has written all or several."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from test_prepare_changes import Place
from test_prepare_climatology import SEED, notes_of, run


def holes(path, days=40, start="2001-01-01"):
    """Levels in the middle; three days and a level without a value, a corner that is missing always, and some at random."""
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(days, 3, 4, 5)).astype("f4")
    values[rng.random(values.shape) < 0.02] = np.nan
    values[4:6], values[9], values[:, 1], values[:, :, 0, 0] = np.nan, np.nan, np.nan, np.nan
    source = xr.Dataset({"t": (("time", "level", "lat", "lon"), values), "whole": (("time",), np.arange(days, dtype="f4"))},
                        {"time": pd.date_range(start, periods=days), "level": [1000.0, 850.0, 500.0],
                         "lat": ("lat", [10.0, 0, -10, -20], {"units": "degrees_north"}), "lon": ("lon", np.arange(5.0), {"units": "degrees_east"})})
    source.to_netcdf(path, unlimited_dims=["time"], encoding={"time": {"units": "days since 2000-01-01", "dtype": "f8"}})
    return values


@pytest.mark.parametrize("chunks", [{"time": 7}, {"time": 100, "level": 1, "lat": 2}, {"time": 1, "level": 2}])
@pytest.mark.parametrize("pack", [False, True])
def test_where_values_are_missing(seamount_binary, tmp_path, chunks, pack):
    values = holes(tmp_path / "in.nc")
    report, said = run(seamount_binary, tmp_path, {"source": "in.nc", "variables": [{"t": {"pack": [-9, 9]}} if pack else "t", "whole"], "chunks": chunks})
    gone = np.isnan(values)
    share = report["missing"]["t"]
    assert (share["values"], share["missing"], share["empty_steps"]) == (gone.size, gone.sum(), 3), f"seed {SEED}"
    assert share["empty"] == [["2001-01-05T00:00:00", "2001-01-06T00:00:00"], ["2001-01-10T00:00:00", "2001-01-10T00:00:00"]]
    assert share["level"] == "level" and share["empty_levels"] == [[850, 850]]
    dates = [str(date)[:19] for date in pd.date_range("2001-01-01", periods=40).values]
    at = lambda first, last: slice(dates.index(first), dates.index(last) + 1)
    covered = [at(first, last) for first, last, _ in share["by_time"]]
    assert [part.start for part in covered] == [0, *(part.stop for part in covered[:-1])] and covered[-1].stop == 40
    for part, (_, _, rate) in zip(covered, share["by_time"]):
        assert rate == pytest.approx(gone[part].mean()), f"seed {SEED}"
    for first, last, rate in share["by_level"]:
        places = [level for level, value in enumerate([1000, 850, 500]) if last <= value <= first]
        assert rate == pytest.approx(gone[:, places].mean()), f"seed {SEED}"
    assert report["missing"]["whole"] == {"values": 40, "missing": 0, "empty_steps": 0}
    assert notes_of(tmp_path)["missing"] == {"t": share}
    assert "3 steps hold nothing else: 2001-01-05T00:00:00 to 2001-01-06T00:00:00, 2001-01-10T00:00:00; nor does 'level' 850" in said
    assert "'whole'" not in said
    again, _ = run(seamount_binary, tmp_path, {"source": "in.nc", "variables": [{"t": {"pack": [-9, 9]}} if pack else "t", "whole"], "chunks": chunks})
    assert again["up_to_date"] and again["missing"] == report["missing"]


def test_what_was_written_before_counts(seamount_binary, tmp_path):
    holes(tmp_path / "in_0.nc")
    place = Place(seamount_binary, tmp_path)
    recipe = {"source": "in_*.nc", "variables": ["t"], "chunks": {"time": 10}}
    place.run(recipe)
    holes(tmp_path / "in_1.nc", start="2001-02-10")
    changes = place.change(recipe)  # the group's document too is that of a fresh run
    assert changes["regions_kept"] == 4 and notes_of(tmp_path)["missing"]["t"]["empty_steps"] == 6


def test_what_an_earlier_version_wrote_is_not_guessed(seamount_binary, tmp_path):
    holes(tmp_path / "in_0.nc")
    recipe = {"source": "in_0.nc", "variables": ["t"], "chunks": {"time": 10}}
    run(seamount_binary, tmp_path, recipe)
    record = json.loads((tmp_path / "out.zarr/.seamount-prepare.json").read_text())
    del record["missing"]
    (tmp_path / "out.zarr/.seamount-prepare.json").write_text(json.dumps(record))
    again, _ = run(seamount_binary, tmp_path, recipe)
    assert again["up_to_date"] and again["missing"] == {}
    run(seamount_binary, tmp_path, recipe | {"time": ["2001-01-01", "2001-01-30"]}, "--overwrite")
    assert "missing" not in notes_of(tmp_path)

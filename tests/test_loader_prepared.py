"""The loader on what `seamount prepare` makes, against xarray on the files it was made from."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import seamount

TIMES, LAT, LON = 240, 3, 4


def monthly(path, times=None, name="time", calendar="standard"):
    """Wind of a few years, the mean of every month its own."""
    times = xr.date_range("2000-01-15", periods=TIMES, freq="30D", calendar=calendar) if times is None else times
    rng = np.random.default_rng(3)
    season = np.array([time.month for time in times])[:, None, None]
    data = (10 * np.sin(season) + rng.normal(0, 1, (len(times), LAT, LON))).astype("f4")
    coordinates = {name: times, "lat": np.arange(LAT, dtype="f4"), "lon": np.arange(LON, dtype="f4")}
    dataset = xr.Dataset({"u": ((name, "lat", "lon"), data, {"units": "m/s"})}, coordinates)
    dataset.to_netcdf(path, encoding={name: {"units": "days since 2000-01-01", "dtype": "f8"}})
    return dataset


@pytest.fixture
def prepare(seamount_binary, tmp_path):
    def run(recipe, *flags, to="p.zarr"):
        (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
        url = f"file://{tmp_path}/{to}"
        command = [seamount_binary, "prepare", str(tmp_path / "recipe.yaml"), "--to", url, *flags]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return url

    return run


def test_splits_dates_times_and_the_way_back(prepare, tmp_path):
    truth = monthly(tmp_path / "m.nc", name="valid_time")
    url = prepare({
        "source": "m.nc", "variables": ["u"], "split": {"train": ["2000-01", "2010-12"], "test": ["2011-01", "2015-12"]},
        "anomaly": {"climatology": "month", "over": "train"}, "standardize": {"over": "train"}, "chunks": {"valid_time": 10},
    })
    times = truth.valid_time.values.astype("datetime64[us]")
    train = np.flatnonzero(times < np.datetime64("2011-01-01"))
    loader = seamount.Loader(url, ["u"], inputs=[-1, 0], targets=[1], split="train", shuffle=None, batch_size=7)
    assert loader.sample_dim == "valid_time" and loader.samples == len(train) - 2
    np.testing.assert_array_equal(loader.times, times)
    for batch in loader:
        np.testing.assert_array_equal(batch.time, times[batch.index])
        back = loader.denormalize(batch.targets, batch.index)
        np.testing.assert_allclose(back[:, 0, 0], truth.u.values[batch.index + 1], rtol=0, atol=1e-4)
        back = loader.denormalize(batch.inputs, batch.index, leads=[-1, 0])
        np.testing.assert_allclose(back[:, 0, 0], truth.u.values[batch.index - 1], rtol=0, atol=1e-4)
    for message, arguments in [("pass|index", (batch.targets,)), ("outside the data", (batch.targets, [239] * len(batch.index))),
                               ("values have shape", (batch.targets[:, :, :, 0], batch.index))]:
        with pytest.raises(ValueError, match=message):
            loader.denormalize(*arguments)

    dates = seamount.Loader(url, ["u"], select=("2003", "2004-06"), shuffle=None)
    chosen = (times >= np.datetime64("2003-01-01")) & (times < np.datetime64("2004-07-01"))
    assert [i for batch in dates for i in batch.index] == np.flatnonzero(chosen).tolist()
    two = seamount.Loader(url, ["u"], select=[("2008", "2008"), ("2001", "2001"), (0, 3)], shuffle=None)
    years = times.astype("datetime64[Y]").astype(int) + 1970
    assert [i for b in two for i in b.index] == [0, 1, 2, *np.flatnonzero((years == 2001) | (years == 2008))]
    for change, message in [({"split": "tain"}, "it has 'test', 'train'"), ({"select": ("1980", "1981")}, "it goes from 2000"),
                            ({"select": ("soon", "2003")}, "soon")]:
        with pytest.raises(ValueError, match=message):
            seamount.Loader(url, ["u"], **change)

    group = seamount.open_group(url)
    assert group.splits["train"] == (0, len(train)) and "u_climatology" in group
    np.testing.assert_array_equal(group.times(), times)


def test_times_of_another_calendar_are_text(prepare, tmp_path):
    monthly(tmp_path / "m.nc", calendar="noleap")
    url = prepare({"source": "m.nc", "variables": ["u"]})
    loader = seamount.Loader(url, ["u"], normalize=False, shuffle=None, select=("2000-02-01", "2000-03-31"))
    assert next(iter(loader)).time.tolist() == ["2000-02-14T00:00:00", "2000-03-16T00:00:00"]


def test_windows_stay_between_the_gaps(prepare, tmp_path):
    winters = pd.date_range("2000-01-01", periods=59), pd.date_range("2000-12-01", periods=90)
    for i, times in enumerate(winters):
        monthly(tmp_path / f"w{i}.nc", times)
    url = prepare({"source": "w*.nc", "variables": ["u"], "gaps": "allow"})
    options = {"inputs": [-2, -1, 0], "targets": [1], "normalize": False, "shuffle": None}
    assert seamount.open_group(url).segments == [(0, 59), (59, 149)]
    samples = [i for batch in seamount.Loader(url, ["u"], **options) for i in batch.index]
    assert samples == [*range(2, 58), *range(61, 148)]
    assert seamount.Loader(url, ["u"], across_gaps=True, **options).samples == 146
    with pytest.raises(ValueError, match="between the gaps.*across_gaps=True"):
        seamount.Loader(url, ["u"], **(options | {"inputs": [-100, 0]}))


@pytest.mark.parametrize("shards", [False, True])
def test_overwritten_in_mid_epoch_nothing_mixes(prepare, tmp_path, shards):
    truth = monthly(tmp_path / "m.nc")
    recipe = {"source": "m.nc", "variables": ["u"], "chunks": {"time": 4}}
    if shards:
        recipe["shards"] = {"time": 40}
    url = prepare(recipe)
    loader = seamount.Loader(url, ["u"], batch_size=8, normalize=False, memory="40KiB")
    batches = iter(loader)
    seen = [next(batches) for _ in range(3)]
    seen = [(batch.index.copy(), batch.inputs.copy()) for batch in seen]
    state = loader.state_dict()
    (truth + 1000).to_netcdf(tmp_path / "m.nc")
    prepare(recipe, "--overwrite")
    with pytest.raises(seamount.errors.PreconditionFailedError, match="replaced since they were opened"):
        for batch in batches:
            seen.append((batch.index, batch.inputs))
    for index, inputs in seen:
        np.testing.assert_array_equal(inputs[:, 0, 0], truth.u.values[index])
    with pytest.raises(RuntimeError, match="replaced"):
        next(iter(loader))
    again = seamount.Loader(url, ["u"], batch_size=8, normalize=False)
    again.load_state_dict(state)
    for batch in again:
        np.testing.assert_array_equal(batch.inputs[:, 0, 0], truth.u.values[batch.index] + 1000)


def test_what_a_kill_leaves_is_refused_and_finished_by_the_same_command(prepare, tmp_path):
    truth = monthly(tmp_path / "m.nc")
    recipe = {"source": "m.nc", "variables": ["u"], "chunks": {"time": 10}}
    url = prepare(recipe)
    whole = tmp_path / "p.zarr"
    record = json.loads((whole / ".seamount-prepare.json").read_text())
    # As in the middle of a run: no document of the group, not all chunks, a record that is not complete.
    (whole / "zarr.json").unlink()
    (whole / ".seamount-prepare.json").write_text(json.dumps(record | {"complete": False, "done": []}))
    for i in range(12, 24):
        (whole / f"u/c/{i}/0/0").unlink()
    for call in (lambda: seamount.Loader(url, ["u"], normalize=False), lambda: seamount.read(url, "u")):
        with pytest.raises(RuntimeError, match="half-written.*give the same command again"):
            call()
    prepare(recipe)
    np.testing.assert_array_equal(seamount.read(url, "u"), truth.u.values)


def test_a_chunk_that_was_lost_is_an_error(prepare, tmp_path):
    monthly(tmp_path / "m.nc")
    url = prepare({"source": "m.nc", "variables": ["u"], "chunks": {"time": 10}})
    shutil.move(tmp_path / "p.zarr/u/c/5", tmp_path / "lost")
    with pytest.raises(seamount.errors.DataLossError, match=r"(?s)variable 'u'.*u/c/5/0/0' is gone"):
        list(seamount.Loader(url, ["u"], normalize=False))
    with pytest.raises(OSError, match="u/c/5/0/0' is gone"):
        seamount.read(url, "u")
    with pytest.warns(UserWarning, match="missing values"):
        list(seamount.Loader(url, ["u"], normalize=False, missing_chunks="fill"))

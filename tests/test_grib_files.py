"""GRIB files that CDO and ecCodes made, through `seamount prepare`.

SEAMOUNT_MUTATIONS sets how many damaged files are tried (30), SEAMOUNT_SEED which; both stand in a failure's message.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

SEED = int(os.environ.get("SEAMOUNT_SEED", random.randrange(2**31)))
MUTATIONS = int(os.environ.get("SEAMOUNT_MUTATIONS", "30"))
SAMPLES = Path("/usr/share/eccodes/samples")  # of libeccodes-data


@pytest.fixture(autouse=True)
def cache_home(tmp_path, monkeypatch) -> Path:
    """Indexes are kept there, and not in the tester's home."""
    home = tmp_path / "cache-home"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home


@pytest.fixture
def run(seamount_binary, tmp_path):
    def run(source: Path | str, *names: str, before: list[str] = [], **recipe) -> subprocess.CompletedProcess:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({"source": str(source), "variables": list(names)} | recipe))
        command = before + [seamount_binary, "prepare", str(path), "--to", f"file://{tmp_path}/out.zarr", "--overwrite"]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture
def prepare(run, tmp_path):
    def prepared(*arguments, **recipe) -> xr.Dataset:
        done = run(*arguments, **recipe)
        assert done.returncode == 0, done.stderr
        return xr.open_zarr(tmp_path / "out.zarr", decode_timedelta=False).load()

    return prepared


def cdo(*arguments: str | Path) -> None:
    subprocess.run(["cdo", "-s", *map(str, arguments)], check=True, capture_output=True, timeout=120)


def temperature(path: Path, times: int = 4, start: str = "2020-01-30", seed: int = 1) -> xr.DataArray:
    """On three levels, with a hole, as a NetCDF file that CDO makes GRIB of."""
    values = 250 + 30 * np.random.default_rng(seed).normal(size=(times, 3, 19, 36))
    values[times // 2, 1, 3:6, 4:9] = np.nan
    dataset = xr.Dataset(
        {"t": (("time", "plev", "lat", "lon"), values.astype("f4"), {"units": "K", "code": 130})},
        {"time": ("time", np.arange(times) * 18, {"units": f"hours since {start}", "calendar": "standard"}),
         "plev": ("plev", [100000.0, 50000.0, 85000.0], {"units": "Pa", "axis": "Z", "standard_name": "air_pressure"}),
         "lat": ("lat", np.linspace(90, -90, 19), {"units": "degrees_north", "standard_name": "latitude"}),
         "lon": ("lon", np.arange(36) * 10.0, {"units": "degrees_east", "standard_name": "longitude"})})
    dataset.to_netcdf(path, encoding={"t": {"_FillValue": -9e33}})
    return xr.open_dataset(path).t.sortby("plev", ascending=False).load()


@pytest.mark.parametrize("edition", ["grb1", "grb2"])
@pytest.mark.parametrize("packing", ["P16", "P24"])
@pytest.mark.parametrize("rows", ["copy", "invertlat"])
def test_levels_times_and_missing_values(prepare, tmp_path, edition, packing, rows):
    expected = temperature(tmp_path / "t.nc")
    cdo("-a", "-f", edition, "-b", packing, rows, tmp_path / "t.nc", tmp_path / "t.grib")
    made = prepare(tmp_path / "t.grib", "t").t
    assert made.dims == ("time", "isobaricInhPa", "latitude", "longitude")
    np.testing.assert_array_equal(made.isobaricInhPa, [1000, 850, 500])
    np.testing.assert_array_equal(made.time, expected.time)
    np.testing.assert_array_equal(made.valid_time, expected.time)
    np.testing.assert_allclose(made.latitude, np.linspace(90, -90, 19) * (-1 if rows == "invertlat" else 1))
    np.testing.assert_allclose(made.longitude, np.arange(36) * 10)
    assert made.attrs["units"] == "K" and made.attrs["GRIB_paramId"] == 130
    ordered = expected.values[:, :, ::-1] if rows == "invertlat" else expected.values
    np.testing.assert_allclose(made.values, ordered, rtol=0, atol=0.002 if packing == "P16" else 1e-5)


@pytest.mark.parametrize("edition", ["grb1", "grb2"])
def test_a_forecast_has_steps_and_times_when_it_is_valid(prepare, tmp_path, edition):
    expected = temperature(tmp_path / "t.nc")
    cdo("-r", "-f", edition, "-b", "P24", "copy", tmp_path / "t.nc", tmp_path / "t.grib")
    made = prepare(tmp_path / "t.grib", "t").t
    assert made.dims == ("time", "step", "isobaricInhPa", "latitude", "longitude")
    np.testing.assert_array_equal(made.step, [0, 18, 36, 54])
    np.testing.assert_array_equal(made.valid_time.values[0], expected.time)
    np.testing.assert_allclose(made.values[0], expected.values, rtol=0, atol=1e-5)


def test_files_join_along_time_and_a_level_is_selected(prepare, tmp_path):
    parts = []
    for number, start in enumerate(["2020-01-30", "2020-02-02"]):
        parts.append(temperature(tmp_path / f"{number}.nc", start=start, seed=number))
        cdo("-a", "-f", "grb2", "-b", "P24", "copy", tmp_path / f"{number}.nc", tmp_path / f"{number}.grib")
    made = prepare(f"{tmp_path}/*.grib", "t", select={"isobaricInhPa": 850}).t
    expected = xr.concat(parts, "time").sel(plev=85000)
    np.testing.assert_array_equal(made.time, expected.time)
    np.testing.assert_allclose(made.values.reshape(expected.shape), expected.values, rtol=0, atol=1e-5)


# Against what cdo makes of the same file: another decoder's idea of where the points are.
@pytest.mark.parametrize("sample, name", [("regular_gg_ml_grib2", "t"), ("regular_ll_sfc_grib1", "t2m"),
                                          ("ccsds_grib2", "t"), ("reduced_gg_pl_32_grib2", "t"),
                                          ("polar_stereographic_pl_grib2", "t")])
def test_samples_of_eccodes(prepare, tmp_path, sample, name):
    source = SAMPLES / f"{sample}.tmpl"
    made = prepare(source, name)[name]
    points = np.broadcast_arrays(made.latitude.values if made.latitude.ndim == made.ndim - 1 else
                                 made.latitude.values[:, None], made.longitude.values)
    listed = subprocess.run(["cdo", "-s", "-outputtab,lat,lon,value", source], check=True, capture_output=True, text=True)
    table = np.array([line.split() for line in listed.stdout.splitlines() if not line.startswith("#")], dtype=float)
    if "reduced" not in sample:  # cdo fills such a grid up to a regular one
        np.testing.assert_allclose(points[0].ravel(), table[:, 0], atol=0.01)
        np.testing.assert_allclose(points[1].ravel() % 360, table[:, 1] % 360, atol=0.01)
        np.testing.assert_allclose(made.values.ravel(), table[:, 2], rtol=1e-4)
    else:
        assert made.dims == ("time", "values") and made.shape == (1, 6114)
        assert points[0].max() < 90 and points[0][0] > points[0][-1]


def test_several_variables_and_levels_in_one_file(run, prepare, tmp_path):
    expected = temperature(tmp_path / "t.nc")
    cdo("-a", "-f", "grb2", "-b", "P24", "-setcode,129", "-sellevel,50000", tmp_path / "t.nc", tmp_path / "z.grib")
    cdo("-a", "-f", "grb2", "-b", "P24", "copy", tmp_path / "t.nc", tmp_path / "t.grib")
    both = (tmp_path / "z.grib").read_bytes() + b"\r\n between \r\n" + (tmp_path / "t.grib").read_bytes()
    (tmp_path / "both.grib").write_bytes(both)
    done = run(tmp_path / "both.grib", "nothing")
    assert done.returncode == 2 and "nothing" in done.stderr
    made = prepare(tmp_path / "both.grib", "t")
    np.testing.assert_allclose(made.t.values, expected.values, rtol=0, atol=1e-5)


def test_spherical_harmonics_are_refused_with_the_remedy(run):
    done = run(SAMPLES / "sh_ml_grib2.tmpl", "t")
    assert done.returncode == 2 and "cdo -sp2gp" in done.stderr, done.stderr


def test_the_index_is_kept_and_a_broken_one_made_anew(prepare, tmp_path, cache_home):
    temperature(tmp_path / "t.nc")
    cdo("-a", "-f", "grb2", "copy", tmp_path / "t.nc", tmp_path / "t.grib")
    first = prepare(tmp_path / "t.grib", "t")
    (kept,) = (cache_home / "seamount/grib").iterdir()
    whole = kept.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"t.nc", "t.grib", "recipe.yaml", "out.zarr", "cache-home"}
    kept.write_bytes(whole[:100])
    xr.testing.assert_identical(prepare(tmp_path / "t.grib", "t").drop_attrs(), first.drop_attrs())
    assert kept.read_bytes() == whole


def damaged(rnd: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(rnd.randint(1, 6)):
        at = rnd.randrange(len(data)) if rnd.random() < 0.3 else rnd.randrange(min(200, len(data)))
        data[at] = rnd.randrange(256)
    return bytes(data[:rnd.randrange(len(data))] if rnd.random() < 0.2 else data)


def test_damaged_files_are_refused_or_read_but_end_nothing(run, tmp_path):
    temperature(tmp_path / "t.nc", times=1)
    intact = []
    for edition in ["grb1", "grb2"]:
        cdo("-a", "-f", edition, "copy", tmp_path / "t.nc", tmp_path / f"{edition}.grib")
        intact.append((tmp_path / f"{edition}.grib").read_bytes())
    intact.append((SAMPLES / "ccsds_grib2.tmpl").read_bytes())
    for seed in range(SEED, SEED + MUTATIONS):
        rnd = random.Random(seed)
        (tmp_path / "damaged.grib").write_bytes(b"GRIB" + damaged(rnd, rnd.choice(intact))[4:])
        done = run(tmp_path / "damaged.grib", "t")
        assert done.returncode in (0, 2, 9), f"SEAMOUNT_SEED={seed}: {done.returncode} {done.stderr}"
        if done.returncode == 9:
            assert "damaged.grib" in done.stderr, f"SEAMOUNT_SEED={seed}: {done.stderr}"


def test_without_eccodes_it_is_said_how_to_get_it(run):
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    hide = "for l in /usr/lib/*/libeccodes.so*; do mount --bind /dev/null $l; done; exec \"$@\""
    done = run(SAMPLES / "GRIB2.tmpl", "t", before=[*unshare, "sh", "-c", hide, "sh"])
    assert done.returncode == 2 and "apt install libeccodes0" in done.stderr, done.stderr

"""GeoTIFF files that GDAL's own programs made, through `seamount prepare`.

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
ENVI_TYPES = {"u1": 1, "i2": 2, "i4": 3, "f4": 4, "f8": 5, "u2": 12, "u4": 13}


@pytest.fixture
def run(seamount_binary, tmp_path):
    def run(source: Path | str, *names: str, before: list[str] = []) -> subprocess.CompletedProcess:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({"source": str(source), "variables": list(names)}))
        command = before + [seamount_binary, "prepare", str(path), "--to", f"file://{tmp_path}/out.zarr", "--overwrite"]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture
def prepare(run, tmp_path):
    def prepared(source: Path, *names: str) -> xr.Dataset:
        done = run(source, *names)
        assert done.returncode == 0, done.stderr
        return xr.open_zarr(tmp_path / "out.zarr").load()

    return prepared


def field(dtype: str, bands: int = 1, shape: tuple[int, int] = (70, 90)) -> np.ndarray:
    values = np.random.default_rng(1).normal(100, 20, (bands, *shape)).cumsum(axis=2)
    return (values % 250).astype(dtype)


def translate(path: Path, values: np.ndarray, *options: str) -> Path:
    """A GeoTIFF of the values, which gdal_translate reads as an ENVI file: raw numbers and a header in text."""
    raw = path.with_suffix(".raw")
    raw.write_bytes(values.tobytes())
    bands, lines, samples = values.shape
    raw.with_suffix(".hdr").write_text(
        f"ENVI\nsamples = {samples}\nlines = {lines}\nbands = {bands}\nheader offset = 0\nfile type = ENVI Standard\n"
        f"data type = {ENVI_TYPES[values.dtype.str[1:]]}\ninterleave = bsq\nbyte order = 0\n")
    place = ["-a_srs", "EPSG:4326", "-a_ullr", "10", "50", "55", "15"]  # half a degree a pixel
    subprocess.run(["gdal_translate", "-q", *place, *options, raw, path], check=True, capture_output=True, timeout=120)
    return path


@pytest.mark.parametrize("dtype", list(ENVI_TYPES))
@pytest.mark.parametrize("options", [[], ["-co", "TILED=YES", "-co", "COMPRESS=DEFLATE", "-co", "BLOCKXSIZE=32",
                                          "-co", "BLOCKYSIZE=32"],
                                     ["-of", "COG", "-co", "COMPRESS=LZW", "-co", "PREDICTOR=YES"],
                                     ["-co", "BIGTIFF=YES", "-co", "INTERLEAVE=PIXEL"]], ids=["plain", "tiled", "cog", "big"])
def test_values_and_places(prepare, tmp_path, dtype, options):
    values = field(dtype, bands=2)
    made = prepare(translate(tmp_path / "x.tif", values, *options), "band_data").band_data
    assert made.dims == ("band", "y", "x")
    np.testing.assert_array_equal(made, values)
    np.testing.assert_allclose(made.x, 10.25 + 0.5 * np.arange(90))
    np.testing.assert_allclose(made.y, 49.75 - 0.5 * np.arange(70))
    np.testing.assert_array_equal(made.band, [1, 2])
    assert made.x.attrs["units"] == "degrees_east"


def test_no_data_scale_offset_and_crs(prepare, tmp_path):
    values = field("i2")
    values[0, 5:9, 7:20] = -9999
    source = translate(tmp_path / "x.tif", values, "-a_nodata", "-9999", "-a_scale", "0.5", "-a_offset", "20")
    made = prepare(source, "band_data")
    expected = np.where(values == -9999, np.nan, values * 0.5 + 20)
    np.testing.assert_allclose(made.band_data, expected, rtol=1e-6)
    assert "4326" in made.spatial_ref.attrs["crs_wkt"] and "WGS 84" in made.spatial_ref.attrs["crs_wkt"]


@pytest.mark.parametrize("epsg, begin", [("EPSG:32633", "projection_x_coordinate"), ("EPSG:4326", "longitude")])
def test_kinds_of_crs(prepare, tmp_path, epsg, begin):
    made = prepare(translate(tmp_path / "x.tif", field("f4"), "-a_srs", epsg), "band_data")
    assert made.x.attrs["standard_name"] == begin


def test_what_lies_beside_the_file_is_not_read(prepare, tmp_path):
    source = translate(tmp_path / "x.tif", field("f4"))
    (tmp_path / "x.tif.aux.xml").write_text("<PAMDataset><GeoTransform>0, 1, 0, 0, 0, 1</GeoTransform></PAMDataset>")
    np.testing.assert_allclose(prepare(source, "band_data").x[:2], [10.25, 10.75])


def damaged(rnd: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(rnd.randint(1, 8)):
        at = rnd.randrange(len(data)) if rnd.random() < 0.4 else rnd.choice([rnd.randrange(4, 300), -rnd.randrange(1, 300)])
        data[at] = rnd.randrange(256)
    return bytes(data[:rnd.randrange(8, len(data))] if rnd.random() < 0.2 else data)


def test_damaged_files_are_refused_or_read_but_end_nothing(run, tmp_path):
    intact = [translate(tmp_path / f"{i}.tif", field("i2", shape=(20, 30)), *options).read_bytes()
              for i, options in enumerate([[], ["-of", "COG", "-co", "COMPRESS=DEFLATE"], ["-co", "COMPRESS=LZW"]])]
    for seed in range(SEED, SEED + MUTATIONS):
        rnd = random.Random(seed)
        whole = rnd.choice(intact)
        (tmp_path / "damaged.tif").write_bytes(whole[:4] + damaged(rnd, whole)[4:])
        done = run(tmp_path / "damaged.tif", "band_data")
        assert done.returncode in (0, 2, 9), f"SEAMOUNT_SEED={seed}: {done.returncode} {done.stderr}"
        if done.returncode == 9:
            assert "damaged.tif" in done.stderr, f"SEAMOUNT_SEED={seed}: {done.stderr}"


def test_without_gdal_it_is_said_how_to_get_it(run, tmp_path):
    source = translate(tmp_path / "x.tif", field("f4"))
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    hide = "for l in /usr/lib/*/libgdal.so*; do mount --bind /dev/null $l; done; exec \"$@\""
    done = run(source, "band_data", before=[*unshare, "sh", "-c", hide, "sh"])
    assert done.returncode == 2 and "apt install libgdal32" in done.stderr, done.stderr

"""Sources that lie in a bucket or on a web server: the same values as from the disk, by few ranges of them."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml

from prepare_files import prepare  # noqa: F401

FORMATS = ["NETCDF3_CLASSIC", "NETCDF4"]


def write_years(folder: Path, format: str, years=(2000, 2001), steps=30, shape=(40, 50), chunks=None) -> np.ndarray:
    """Files of one year each; returns what they hold together."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = np.random.default_rng(5).normal(size=(len(years) * steps, *shape)).astype("f4")
    for n, year in enumerate(years):
        with netCDF4.Dataset(folder / f"era5_{year}.nc", "w", format=format) as out:
            out.createDimension("time", None)
            out.createDimension("lat", shape[0])
            out.createDimension("lon", shape[1])
            time = out.createVariable("time", "f8", ("time",))
            time.units, time[:] = "days since 2000-01-01", np.arange(n * steps, (n + 1) * steps)
            options = {"zlib": True, "chunksizes": chunks or (1, *shape)} if format == "NETCDF4" else {}
            out.createVariable("t2m", "f4", ("time", "lat", "lon"), **options)[:] = whole[n * steps : (n + 1) * steps]
            out.createVariable("big", "f4", ("time", "lat", "lon"))[:] = 0  # asked for by nobody
    return whole


class Bucket:
    def __init__(self, binary: str, server, folder: Path):
        self.binary, self.folder = binary, folder
        self.environment = {**os.environ, "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "key.json")}
        self.run("setup", "gs://raw", "--endpoint", server.endpoint, "--admin-key", str(server.admin_key), "--key", str(folder / "key.json"))

    def run(self, *arguments: str, fails: int = 0) -> str:
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, env=self.environment, timeout=120)
        assert done.returncode == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def prepare(self, recipe: dict, *more: str, fails: int = 0):
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        said = self.run("prepare", str(self.folder / "recipe.yaml"), "--to", str(self.folder / "out.zarr"), *more, fails=fails)
        return said if fails else xr.open_zarr(self.folder / "out.zarr").load()


@pytest.fixture
def bucket(seamount_binary, server, tmp_path):
    return Bucket(seamount_binary, server, tmp_path)


@pytest.mark.parametrize("format", FORMATS)
def test_netcdf_in_a_bucket_by_pattern(bucket, tmp_path, format):
    whole = write_years(tmp_path / "raw", format)
    bucket.run("cp", "-r", str(tmp_path / "raw"), "gs://raw/era")
    out = bucket.prepare({"source": "gs://raw/era/era5_*.nc", "variables": ["t2m"]})
    np.testing.assert_array_equal(out.t2m, whole)
    assert out.attrs["seamount"]["sources"][0]["name"] == "era5_2000.nc"
    again = bucket.run("prepare", str(tmp_path / "recipe.yaml"), "--to", str(tmp_path / "out.zarr"))
    assert "up to date" in again


def test_a_replaced_object_is_a_changed_source(bucket, tmp_path):
    first = write_years(tmp_path / "raw", "NETCDF4", years=(2000,))
    path = tmp_path / "raw" / "era5_2000.nc"
    recipe = {"source": "gs://raw/a.nc", "variables": ["t2m"]}
    bucket.run("cp", str(path), "gs://raw/a.nc")
    np.testing.assert_array_equal(bucket.prepare(recipe).t2m, first)
    with h5py.File(path, "r+") as file:
        file["t2m"][3] = 7
    bucket.run("cp", str(path), "gs://raw/a.nc")
    assert "overwrite" in bucket.prepare(recipe, fails=4)
    assert (bucket.prepare(recipe, "--overwrite").t2m[3] == 7).all()


def test_what_is_not_there_is_named(bucket):
    assert "gs://raw/none.nc" in bucket.prepare({"source": "gs://raw/none.nc", "variables": ["t"]}, fails=3)
    assert "gs://raw/n*.nc" in bucket.prepare({"source": "gs://raw/n*.nc", "variables": ["t"]}, fails=3)
    (bucket.folder / "text").write_text("neither this nor that\n")
    bucket.run("cp", str(bucket.folder / "text"), "gs://raw/text")
    assert "not a format known here" in bucket.prepare({"source": "gs://raw/text", "variables": ["t"]}, fails=2)


class RangeServer(ThreadingHTTPServer):
    """A folder by HTTP with ranges, as archives give it; counts what it is asked for, and keeps a signature secret."""

    daemon_threads = True

    def __init__(self, folder: Path):
        self.folder, self.ranges, self.bytes = folder, [], 0
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.startswith("/moved/"):
            return self.answer(302, b"", Location=self.path.replace("/moved/", "/"))
        file = self.server.folder / path.lstrip("/")
        if not file.is_file():
            return self.answer(404, b"")
        data = file.read_bytes()
        tag = f'"{file.stat().st_mtime_ns}"'
        if self.headers.get("If-Match", tag) != tag:
            return self.answer(412, b"")
        span = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not span:
            return self.answer(200, data, ETag=tag)
        first, last = span.groups()
        begin = int(first) if first else len(data) - int(last)
        end = min(int(last) + 1, len(data)) if first and last else len(data)
        if begin >= len(data):
            return self.answer(416, b"")
        self.server.ranges.append((path, begin, end))
        self.server.bytes += end - begin
        self.answer(206, data[begin:end], ETag=tag, **{"Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"})

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes, **headers: str):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path):
    (tmp_path / "web").mkdir()
    running = RangeServer(tmp_path / "web")
    yield running
    running.shutdown()


@pytest.mark.parametrize("format", FORMATS)
def test_netcdf_on_a_web_server_by_few_ranges(prepare, tmp_path, web, format):
    whole = write_years(tmp_path / "web", format, years=(2000,), steps=60, shape=(160, 200))
    size = (tmp_path / "web" / "era5_2000.nc").stat().st_size
    out = prepare({"source": web.url("moved/era5_2000.nc"), "variables": ["t2m"], "time": ["2000-02-01", "2000-02-10"]})
    np.testing.assert_array_equal(out.t2m, whole[31:41])
    assert web.bytes < size / 4, "only what is asked for is read"
    times = 60 if format == "NETCDF3_CLASSIC" else 0  # each lies in a record of its own, far from the next
    assert len(web.ranges) <= 20 + times, web.ranges


def test_a_signature_stays_out_of_messages(prepare, web):
    said = prepare({"source": web.url("none.nc?sig=topsecret"), "variables": ["t"]}, fails=3)
    assert "none.nc" in said and "topsecret" not in said

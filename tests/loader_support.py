"""Data for the loader's tests, written by zarr-python, and what NumPy gathers from them."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse

import numpy as np
import pytest
import zarr

TIMES, LAT, LON = 60, 6, 10


def write(group, name, values, attributes=None, **options):
    """Writes one variable with dimension names, as zarr-python does it in the group's format."""
    options = {"chunks": (4, LAT, LON)} | options
    if group.metadata.zarr_format == 3:
        options["dimension_names"] = ("time", "lat", "lon")
    array = group.create_array(name, shape=values.shape, dtype=values.dtype, **options)
    array.attrs.update(attributes or {})
    if group.metadata.zarr_format == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["time", "lat", "lon"]
    array[...] = values
    return array


def normalized(mean, std):
    return {"seamount": {"normalize": {"mean": mean, "std": std}}}


@pytest.fixture
def values():
    rng = np.random.default_rng(5)
    shape = (TIMES, LAT, LON)
    return {"u": rng.normal(3, 2, shape).astype("f4"), "v": rng.normal(-1, 5, shape).astype("f4")}


@pytest.fixture
def url(tmp_path, values):
    path = tmp_path / "winds.zarr"
    group = zarr.create_group(path, zarr_format=3)
    group.attrs["title"] = "winds"
    write(group, "u", values["u"], normalized(3.0, 2.0))
    write(group, "v", values["v"], normalized(-1.0, 5.0), chunks=(5, 4, 7))
    return f"file://{path}"


def expected(values, index, leads, stats=None):
    """(batch, lead, variable, y, x) by plain indexing."""
    names = list(values)
    out = np.stack([[[values[n][i + lead] for n in names] for lead in leads] for i in index]).astype("f8")
    if stats:
        for v, name in enumerate(names):
            out[:, :, v] = (out[:, :, v] - stats[name][0]) / stats[name][1]
    return out


STATS = {"u": (3.0, 2.0), "v": (-1.0, 5.0)}
OPTIONS = {"variables": ["u", "v"], "inputs": [-2, 0], "targets": [1], "batch_size": 8, "seed": 3}


def epoch_of(loader):
    return [(b.index.copy(), b.inputs.copy(), None if b.targets is None else b.targets.copy()) for b in loader]


def assert_same(a, b):
    assert len(a) == len(b)
    for (index_a, inputs_a, targets_a), (index_b, inputs_b, targets_b) in zip(a, b):
        np.testing.assert_array_equal(index_a, index_b)
        assert inputs_a.tobytes() == inputs_b.tobytes()
        assert targets_a.tobytes() == targets_b.tobytes()


@pytest.fixture
def stuck_bucket(tmp_path):
    """The endpoint of a bucket that serves tmp_path's metadata and never answers a request for a chunk."""
    released = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path, _, query = self.path.partition("?")
            name = urllib.parse.unquote(path.partition("/o/")[2])
            if "/c/" in name:
                released.wait()
            file = tmp_path / name
            found = name != "" and file.is_file()
            if not found:
                body = b'{"error": {"code": 404, "message": "No such object"}}'
            elif "alt=media" in query:
                body = file.read_bytes()
            else:
                body = json.dumps({"name": name, "size": str(file.stat().st_size), "generation": "1"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Goog-Generation", "1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    released.set()
    server.shutdown()
    thread.join()
    server.server_close()

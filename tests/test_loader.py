"""The Python loader, against NumPy on data written by zarr-python."""

from __future__ import annotations

import ast
import contextlib
import gc
import http.server
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
import zarr

import seamount

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


@pytest.mark.parametrize("shuffle", [None, "block", "global"])
def test_batches_are_what_numpy_gathers(url, values, shuffle):
    loader = seamount.Loader(url, shuffle=shuffle, **OPTIONS)
    assert (len(loader), loader.samples, loader.field_shape, loader.field_dims) == (8, 57, (LAT, LON), ("lat", "lon"))
    seen = []
    for batch in loader:
        assert batch.inputs.dtype == batch.targets.dtype == np.float32 and batch.index.dtype == np.int64
        assert batch.inputs.shape == (len(batch.index), 2, 2, LAT, LON)
        np.testing.assert_allclose(batch.inputs, expected(values, batch.index, [-2, 0], STATS), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(batch.targets, expected(values, batch.index, [1], STATS), rtol=1e-6, atol=1e-7)
        seen.extend(batch.index)
    assert sorted(seen) == list(range(2, 59))
    assert (seen == sorted(seen)) == (shuffle is None)
    assert loader.epoch == 1


def test_options(url, values):
    loader = seamount.Loader(url, ["v"], select=(10, 40), drop_last=True, batch_size=7, normalize=False, shuffle=None)
    batches = list(loader)
    assert [list(b.index) for b in batches] == [list(range(10 + 7 * i, 17 + 7 * i)) for i in range(4)]
    assert batches[0].targets is None
    np.testing.assert_array_equal(batches[2].inputs[:, 0, 0], values["v"][24:31])
    given = seamount.Loader(url, ["u", "v"], normalize={"u": (0, 0.5)}, shuffle=None)
    batch = next(iter(given))
    np.testing.assert_allclose(batch.inputs[:, 0, 0], values["u"][:16] * 2, rtol=1e-6)
    np.testing.assert_allclose(batch.inputs[:, 0, 1], (values["v"][:16] + 1) / 5, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_packed_types_and_fill_values(tmp_path, zarr_format):
    rng = np.random.default_rng(1)
    shape = (TIMES, LAT, LON)
    group = zarr.create_group(tmp_path / "packed.zarr", zarr_format=zarr_format)
    stored, truth = {}, {}
    stored["short"] = rng.integers(-3000, 3000, shape).astype("i2")
    stored["short"][rng.random(shape) < 0.1] = -32767
    truth["short"] = np.where(stored["short"] == -32767, np.nan, stored["short"] * 0.01 + 273.15)
    attributes = {"scale_factor": 0.01, "add_offset": 273.15}
    # xarray's two ways of saying it: the attribute, and in format 2 the array's own fill value.
    if zarr_format == 3:
        attributes["_FillValue"] = -32767
    write(group, "short", stored["short"], attributes, fill_value=-32767)
    stored["double"] = rng.normal(101325, 300, shape)
    stored["double"][rng.random(shape) < 0.1] = 1e20
    truth["double"] = np.where(stored["double"] == 1e20, np.nan, stored["double"])
    write(group, "double", stored["double"], {"missing_value": [1e20]})
    stored["half"] = rng.normal(0, 1, shape).astype("f2")
    truth["half"] = stored["half"]
    write(group, "half", stored["half"])
    url = f"file://{tmp_path / 'packed.zarr'}"
    loader = seamount.Loader(url, list(stored), inputs=[0, 1], normalize=False, batch_size=16)
    for batch in loader:
        np.testing.assert_allclose(batch.inputs, expected(truth, batch.index, [0, 1]), rtol=1e-6)
    for name in stored:
        np.testing.assert_array_equal(seamount.read(url, name, raw=True), stored[name])
        np.testing.assert_allclose(seamount.read(url, name, select=(3, 9)), truth[name][3:9], rtol=1e-12)


def test_shards_and_absent_chunks(tmp_path, values):
    group = zarr.create_group(tmp_path / "s.zarr")
    data = values["u"].copy()
    data[8:16] = 7.0  # equal to the fill value, so zarr-python leaves these chunks out
    write(group, "u", data, chunks=(1, LAT, LON), shards=(32, LAT, LON), fill_value=7.0,
          config={"write_empty_chunks": False})
    loader = seamount.Loader(f"file://{tmp_path}/s.zarr", ["u"], inputs=[-1, 0], normalize=False, shuffle="block")
    for batch in loader:
        np.testing.assert_array_equal(batch.inputs, expected({"u": data}, batch.index, [-1, 0]).astype("f4"))
    stats = loader.stats()
    assert stats["chunks_absent"] == 8 and stats["chunks_fetched"] == TIMES
    assert stats["requests"] < TIMES


def test_resumes_bit_for_bit_at_every_batch(url):
    whole = seamount.Loader(url, **OPTIONS, threads=2)
    states, batches = [], []
    for _ in range(2):
        states.append(whole.state_dict())
        for batch in whole:
            batches.append((batch.index.copy(), batch.inputs.copy(), batch.targets.copy()))
            states.append(whole.state_dict())
        states.pop()
    for i, state in enumerate(states):
        resumed = seamount.Loader(url, **OPTIONS, threads=1 + i % 3, memory="1MiB")
        resumed.load_state_dict(json.loads(json.dumps(state)))
        for epoch in range(resumed.epoch, 2):
            resumed.set_epoch(epoch)
            rest = epoch_of(resumed)
            assert_same(rest, batches[i : i + len(rest)])
            i += len(rest)
        assert i == len(batches)


def test_thread_counts_and_memory_change_nothing(url):
    reference = epoch_of(seamount.Loader(url, **OPTIONS))
    for threads in (1, 2, 7):
        for memory in ("200KiB", "2MiB", 1 << 28):
            assert_same(epoch_of(seamount.Loader(url, **OPTIONS, threads=threads, memory=memory)), reference)


def test_ranks_share_one_order(url):
    alone = np.concatenate([b.index for b in seamount.Loader(url, **OPTIONS)])
    ranks = [epoch_of(seamount.Loader(url, **(OPTIONS | {"batch_size": 4}), rank=r, world=2)) for r in range(2)]
    together = np.concatenate([part[0] for step in zip(*ranks) for part in step])
    np.testing.assert_array_equal(together, alone[: len(together)])
    assert len(alone) - len(together) < 2


def test_set_epoch(url):
    loader = seamount.Loader(url, **OPTIONS)
    first, second = epoch_of(loader), epoch_of(loader)
    assert not np.array_equal(first[0][0], second[0][0])
    loader.set_epoch(0)
    assert_same(epoch_of(loader), first)
    loader.set_epoch(1)  # where it stands already
    iterator = iter(loader)
    next(iterator)
    loader.set_epoch(1)
    assert_same(epoch_of(loader), second[1:])


def test_a_state_of_another_order_is_refused(url):
    state = seamount.Loader(url, **OPTIONS).state_dict()
    with pytest.raises(ValueError, match="another order of samples"):
        seamount.Loader(url, **(OPTIONS | {"inputs": [-3, 0]})).load_state_dict(state)
    with pytest.raises(ValueError, match="version"):
        seamount.Loader(url, **OPTIONS).load_state_dict({})


def test_arrays_are_handed_over_without_a_copy(url):
    loader = seamount.Loader(url, **OPTIONS)
    batch = next(iter(loader))
    shared = np.from_dlpack(batch.inputs)
    assert np.shares_memory(shared, batch.inputs)
    assert not batch.inputs.flags.owndata and batch.inputs.flags.c_contiguous
    before = shared.copy()
    del batch
    for _ in loader:
        pass
    del loader
    gc.collect()
    np.testing.assert_array_equal(shared, before)


def test_memory_is_used_again_once_dropped(url):
    loader = seamount.Loader(url, **OPTIONS)
    addresses = set()
    for _ in range(6):
        for batch in loader:
            addresses.add(batch.inputs.ctypes.data)
            del batch
    assert len(addresses) < 6 * len(loader)


def test_shown_in_a_notebook_it_says_what_it_is_not_all_its_numbers(url):
    loader = seamount.Loader(url, ["u", "v"], inputs=[-1, 0], targets=[1], batch_size=4)
    assert "58 samples in 15 batches" in repr(loader)
    batch = next(iter(loader))
    assert repr(batch).startswith("<seamount.Batch inputs (4, 2, 2, 6, 10) targets (4, 1, 2, 6, 10) index [")


def test_a_url_that_is_no_group_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="is there a Zarr group here"):
        seamount.Loader(f"file://{tmp_path}", ["u"])


def test_to_torch(url):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    batch = next(iter(seamount.Loader(url, **OPTIONS)))
    inputs, targets = batch.to_torch()
    assert inputs.data_ptr() == batch.inputs.ctypes.data and inputs.dtype == torch.float32
    assert targets.shape == batch.targets.shape


def test_a_corrupt_chunk_is_named(url, tmp_path):
    (tmp_path / "winds.zarr" / "u" / "c" / "7" / "0" / "0").write_bytes(b"garbage")
    loader = seamount.Loader(url, **OPTIONS)
    with pytest.raises(seamount.errors.DataLossError, match=r"(?s)variable 'u'.*u/c/7/0/0") as caught:
        epoch_of(loader)
    assert isinstance(caught.value, OSError) and isinstance(caught.value, seamount.SeamountError)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"variables": ["uu"]}, FileNotFoundError, "no variable 'uu'"),
        ({"variables": "u"}, ValueError, r"\['u'\]"),
        ({"sample_dim": "tims"}, ValueError, "did you mean 'time'"),
        ({"shuffle": "blocks"}, ValueError, "'global', 'block'"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -1}, ValueError, "batch_size"),
        ({"inputs": [-90]}, ValueError, "no sample fits"),
        ({"select": (50, 70)}, ValueError, "positions 0..60"),
        ({"memory": "10KiB"}, ValueError, "too small"),
        ({"batch_size": 2.5}, ValueError, "batch_size is 2.5: expected an integer"),
        ({"inputs": 0}, ValueError, "inputs is 0: expected a list of leads"),
        ({"inputs": [0.5]}, ValueError, "inputs is 0.5: expected an integer"),
        ({"select": 5}, ValueError, r"select is 5: expected \(start, stop\)"),
        ({"select": (-1, 5)}, ValueError, "select is -1"),
        ({"shuffle": True}, ValueError, "shuffle is True"),
        ({"memory": "lots"}, ValueError, "lots"),
        ({"normalize": {"x": (0, 1)}}, ValueError, "'x'"),
    ],
)
def test_wrong_options_are_explained(url, change, error, message):
    with pytest.raises(error, match=message):
        seamount.Loader(url, **(OPTIONS | change))


def test_an_unknown_variable_gets_the_nearest_name(tmp_path, values):
    group = zarr.create_group(tmp_path / "n.zarr")
    write(group, "uwnd", values["u"])
    with pytest.raises(FileNotFoundError, match="did you mean 'uwnd'"):
        seamount.Loader(f"file://{tmp_path}/n.zarr", ["uwmd"])
    with pytest.raises(FileNotFoundError, match="did you mean 'uwnd'"):
        seamount.read(f"file://{tmp_path}/n.zarr", "uwmd")


def test_normalising_needs_the_attribute(tmp_path, values):
    group = zarr.create_group(tmp_path / "n.zarr")
    write(group, "u", values["u"])
    with pytest.raises(ValueError, match="normalize=False"):
        seamount.Loader(f"file://{tmp_path}/n.zarr", ["u"])


def test_read_and_attributes(url, values):
    np.testing.assert_array_equal(seamount.read(url, "u"), values["u"])
    np.testing.assert_array_equal(seamount.read(url, "v", select=(7, 23)), values["v"][7:23])
    assert seamount.attributes(url) == {"title": "winds"}
    assert seamount.attributes(url, "v")["seamount"]["normalize"] == {"mean": -1.0, "std": 5.0}
    array = seamount.open_array(url, "u")
    assert (array.shape, array.dims, array.chunks) == ((TIMES, LAT, LON), ("time", "lat", "lon"), (4, LAT, LON))
    assert array.dtype == np.float32 and "float32" in repr(array)
    with pytest.raises(ValueError, match="positions 0..60"):
        array.read((0, 61))


def test_forking_after_import_is_safe_and_a_parents_loader_says_so(url):
    program = textwrap.dedent(
        f"""
        import os, numpy
        threads = len(os.listdir("/proc/self/task"))  # NumPy's own
        import seamount
        assert len(os.listdir("/proc/self/task")) == threads
        options = dict(variables=["u"], batch_size=8)
        loader = seamount.Loader({url!r}, **options)
        first = next(iter(loader))
        child = os.fork()
        if child == 0:
            try:
                next(iter(loader))
            except RuntimeError as error:
                fresh = next(iter(seamount.Loader({url!r}, **options)))
                ok = "forked" in str(error) and fresh.inputs.tobytes() == first.inputs.tobytes()
                del loader
                os._exit(0 if ok else 2)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert sum(1 for _ in loader) == len(loader) - 1
        """
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def threads():
    return len(os.listdir("/proc/self/task"))


def test_a_loader_that_is_dropped_half_way_takes_its_threads_along(url):
    before = threads()
    iterator = iter(seamount.Loader(url, **OPTIONS, threads=3))
    batch = next(iterator)
    assert threads() > before
    del iterator
    gc.collect()
    assert threads() == before
    assert np.isfinite(batch.inputs).all()


def test_a_process_may_end_while_loading(url):
    program = f"""
import seamount
loader = seamount.Loader({url!r}, **{OPTIONS!r}, threads=4)
iterator = iter(loader)
batch = next(iterator)
loader.itself = loader  # a cycle, which is not collected before the end
"""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_process_may_end_while_a_daemon_thread_waits(url, stuck_bucket):
    program = f"""
import seamount, threading, time
def wait():
    loader = seamount.Loader("gs://bucket/winds.zarr", ["u"], endpoint={stuck_bucket!r}, anonymous=True)
    started.set()
    try:
        next(iter(loader))
    except seamount.errors.CancelledError:
        pass
started = threading.Event()
threading.Thread(target=wait, daemon=True).start()
started.wait()
time.sleep(0.3)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def in_a_worker(url):
    batch = next(iter(seamount.Loader(url, **OPTIONS)))
    return batch.index.tolist(), batch.inputs.tobytes()


@pytest.mark.filterwarnings("ignore:This process")  # other libraries' threads; none of them is needed in the child
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_can_make_their_own(url, method):
    here = in_a_worker(url)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(in_a_worker, [url] * 4) == [here] * 4


def test_loaders_and_arrays_say_why_they_cannot_be_pickled(url):
    with pytest.raises(TypeError, match=r"state_dict\(\).*num_workers=0"):
        pickle.dumps(seamount.Loader(url, **OPTIONS))
    with pytest.raises(TypeError, match=r"open_array\(url, 'u'\)"):
        pickle.dumps(seamount.open_array(url, "u"))
    batch = next(iter(seamount.Loader(url, **OPTIONS)))
    again = pickle.loads(pickle.dumps(batch))
    np.testing.assert_array_equal(again.inputs, batch.inputs)


def test_repr_says_what_and_where_and_no_secret(url, tmp_path):
    key = tmp_path / "secret-key.json"
    loader = seamount.Loader(url, **OPTIONS, key=key)
    assert "secret" not in repr(loader)
    assert url in repr(loader) and "['u', 'v']" in repr(loader) and "position 0" in repr(loader)


def test_the_state_can_be_asked_for_while_another_thread_waits(url, stuck_bucket):
    loader = seamount.Loader("gs://bucket/winds.zarr", ["u"], endpoint=stuck_bucket, anonymous=True)
    stop = threading.Event()

    def wait():
        with contextlib.suppress(Exception):
            next(iter(loader))
        stop.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    for _ in range(3):
        assert loader.state_dict()["position"] == 0 and loader.stats()["batches"] == 0
    assert not stop.is_set()


def test_the_stub_names_what_the_extension_has():
    tree = ast.parse((Path(seamount.__file__).parent / "_core.pyi").read_text())
    said = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            said[node.name] = {getattr(part, "name", None) or part.target.id for part in node.body}
        elif isinstance(node, ast.FunctionDef):
            said[node.name] = None
    there = {name for name in dir(seamount._core) if not name.startswith("_")}
    assert there == set(said)
    for name, members in said.items():
        if members is not None:
            assert {m for m in dir(getattr(seamount._core, name)) if not m.startswith("_")} == members, name


@pytest.fixture
def stuck_bucket(tmp_path):
    """The endpoint of a bucket that serves tmp_path's metadata and never answers a request for a chunk."""
    released = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            name = urllib.parse.unquote(self.path.partition("/o/")[2].partition("?")[0])
            if "/c/" in name:
                released.wait()
            file = tmp_path / name
            found = name != "" and file.is_file()
            body = file.read_bytes() if found else b'{"error": {"code": 404, "message": "No such object"}}'
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


@pytest.mark.parametrize(
    "call", ["next(iter(seamount.Loader(url, variables=['u'], **options)))", "seamount.read(url, 'u', **options)"]
)
def test_ctrl_c_ends_a_wait(url, stuck_bucket, call):
    program = textwrap.dedent(
        f"""
        import seamount, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have ignored it
        url, options = "gs://bucket/winds.zarr", dict(endpoint={stuck_bucket!r}, anonymous=True)
        assert seamount.open_array(url, "u", **options).shape == (60, 6, 10)
        try:
            print("waiting", flush=True)
            {call}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()

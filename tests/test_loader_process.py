"""The loader and the process around it: threads, forks, signals, the end."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from loader_support import OPTIONS, stuck_bucket, url, values  # noqa: F401

import seamount


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


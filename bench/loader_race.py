#!/usr/bin/env python3
"""The loader race: shuffled minibatches of windows from Zarr in a bucket, over a slow line, by layout.

  PYTHONPATH=bench:python .venv/bin/python bench/loader_race.py [--layout 8] [--only seamount] [--times 1024]

A sample is a window of 4 times x 2 variables x 180 x 360 float32, batches have 16, standardised, in block shuffle; the
data are blosc-lz4. Every contestant reads the same samples in the same order, in a process of its own, once; a batch
counts when it is a standardised float32 array. Rivals are taken where they are installed (tensorstore; zarr-python in a
torch DataLoader); the bound is decoding and copying alone: Seamount from files of this machine in the page cache.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import numpy as np

BUCKET = "race"
VARIABLES = ("u", "v")
FIELD = (180, 360)
WINDOW = 4
BATCH = 16
MEAN, STD = 3.0, 2.0
# Chunk and shard length along time.
LAYOUTS = {"1": (1, None), "8": (8, None), "32": (32, None), "shards of 64": (8, 64)}


def write_layout(folder: Path, times: int, layout: str) -> None:
    """Smooth travelling waves with noise, which lz4 halves, as it does reanalysis fields."""
    import zarr

    chunk, shard = LAYOUTS[layout]
    group = zarr.create_group(folder, overwrite=True)
    rng = np.random.default_rng(7)
    y, x = np.meshgrid(np.linspace(0, np.pi, FIELD[0]), np.linspace(0, 2 * np.pi, FIELD[1]), indexing="ij")
    step = shard or max(chunk, 32)
    for v, name in enumerate(VARIABLES):
        array = group.create_array(
            name, shape=(times, *FIELD), dtype="f4", chunks=(chunk, *FIELD), shards=shard and (shard, *FIELD),
            dimension_names=("time", "lat", "lon"),
            compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
            attributes={"seamount": {"normalize": {"mean": MEAN, "std": STD}}})
        for begin in range(0, times, step):
            t = np.arange(begin, min(times, begin + step))[:, None, None]
            wave = np.sin((2 + v) * y + t / 9) * np.cos(3 * x - t / 5) + 0.02 * rng.standard_normal((len(t), *FIELD))
            array[begin : begin + step] = np.round((MEAN + STD * wave) * 256) / 256


def upload(port: int, folder: Path, prefix: str) -> int:
    """Sends every file to the public bucket; returns the bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]

    def send(part: list[Path]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for path in part:
            name = urllib.parse.quote(f"{prefix}/{path.relative_to(folder)}", safe="")
            connection.request("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", path.read_bytes())
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"uploading {path}: {response.status} {body[:200]!r}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, [files[i::8] for i in range(8)]))
    return sum(path.stat().st_size for path in files)


# --- the contestants: each yields batches of standardised float32 (batch, window, variable, y, x) ---


def seamount_batches(url: str, endpoint: str | None, memory: str, order: list[int]):
    import seamount

    loader = seamount.Loader(url, VARIABLES, inputs=range(1 - WINDOW, 1), batch_size=BATCH, shuffle="block",
                             memory=memory, endpoint=endpoint, anonymous=True)
    for batch in loader:
        yield batch.inputs
    print(json.dumps(loader.stats()), file=sys.stderr)


def tensorstore_batches(url: str, endpoint: str | None, memory: str, order: list[int]):
    """As an expert would write it: futures for several batches ahead, a shared cache of chunks, one copy to the batch."""
    os.environ["TENSORSTORE_GCS_HTTP_URL"] = endpoint
    import tensorstore

    context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 1 << 30},
                                   "gcs_request_concurrency": {"limit": 64}})
    prefix = url.removeprefix(f"gs://{BUCKET}/")
    arrays = [tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "gcs", "bucket": BUCKET,
                                                               "path": f"{prefix}/{name}/"}},
                               context=context, recheck_cached_data=False, open=True).result() for name in VARIABLES]
    ahead = 6
    waiting: deque = deque()

    def request(samples):
        return [[array[s + 1 - WINDOW : s + 1].read() for array in arrays] for s in samples]

    def collect(futures):
        batch = np.empty((len(futures), WINDOW, len(VARIABLES), *FIELD), "f4")
        for b, windows in enumerate(futures):
            for v, future in enumerate(windows):
                np.subtract(future.result(), np.float32(MEAN), out=batch[b, :, v])
        batch *= np.float32(1 / STD)
        return batch

    for begin in range(0, len(order), BATCH):
        waiting.append(request(order[begin : begin + BATCH]))
        if len(waiting) >= ahead:
            yield collect(waiting.popleft())
    while waiting:
        yield collect(waiting.popleft())


def torch_batches(url: str, endpoint: str | None, memory: str, order: list[int]):
    """zarr-python in a torch DataLoader, a worker process for each core."""
    import gcsfs
    import torch
    import zarr

    class Windows(torch.utils.data.Dataset):
        arrays = None

        def __len__(self):
            return len(order)

        def __getitem__(self, i):
            if self.arrays is None:  # in the worker
                fs = gcsfs.GCSFileSystem(endpoint_url=endpoint, token="anon", asynchronous=True)
                store = zarr.storage.FsspecStore(fs, path=url.removeprefix("gs://"), read_only=True)
                group = zarr.open_group(store, mode="r")
                self.arrays = [group[name] for name in VARIABLES]
            s = order[i]
            window = np.stack([array[s + 1 - WINDOW : s + 1] for array in self.arrays], axis=1)
            return (window - np.float32(MEAN)) / np.float32(STD)

    loader = torch.utils.data.DataLoader(Windows(), batch_size=BATCH, num_workers=os.cpu_count(), prefetch_factor=2,
                                         multiprocessing_context="spawn")
    for batch in loader:
        yield batch.numpy()


CONTESTANTS = {"seamount": seamount_batches, "tensorstore": tensorstore_batches,
               "zarr-python, torch DataLoader": torch_batches}
NEEDS = {"tensorstore": "tensorstore", "zarr-python, torch DataLoader": "torch"}


def contestant(arguments: argparse.Namespace) -> None:
    """In a process of its own: reads the order from stdin, prints one JSON line of figures."""
    order = json.load(sys.stdin)
    endpoint = arguments.endpoint or None
    start, cpu = time.monotonic(), time.process_time()
    samples, checksum = 0, 0.0
    for batch in CONTESTANTS[arguments.contestant](arguments.url, endpoint, arguments.memory, order):
        samples += len(batch)
        checksum += float(batch[:, :, :, ::45, ::60].sum(dtype="f8"))
        del batch
    seconds = time.monotonic() - start
    print(json.dumps({"samples": samples, "seconds": seconds, "cpu_seconds": time.process_time() - cpu,
                      "checksum": checksum, "peak_memory_mib": harness.peak_memory_bytes(os.getpid()) / 2**20}))


def measure(run: harness.Run, name: str, label: str, url: str, endpoint: str, order: list[int],
            arguments: argparse.Namespace) -> None:
    harness.wait_quiet()
    command = [sys.executable, __file__, "--contestant", name, "--url", url, "--endpoint", endpoint, "--memory",
               arguments.memory]
    before = harness.cpu_seconds()
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True)
    if done.returncode != 0:
        run.row(label, failed=done.stderr.strip().splitlines()[-1:])
        return
    figures = json.loads(done.stdout)
    run.row(label, samples_per_s=figures["samples"] / figures["seconds"], seconds=figures["seconds"],
            cpu_seconds=figures["cpu_seconds"], all_cpu_seconds=harness.cpu_seconds() - before,
            peak_memory_mib=figures["peak_memory_mib"], samples=figures["samples"], checksum=figures["checksum"],
            stats=json.loads(done.stderr.strip().splitlines()[-1]) if name == "seamount" else None)


def epoch_order(url: str) -> list[int]:
    """The sample numbers in the order in which Seamount hands them out."""
    import seamount

    loader = seamount.Loader(url, VARIABLES, inputs=range(1 - WINDOW, 1), batch_size=BATCH, shuffle="block")
    return [int(i) for batch in loader for i in batch.index]


def race(arguments: argparse.Namespace) -> None:
    run = harness.Run("loader", {"window": [WINDOW, len(VARIABLES), *FIELD], "batch": BATCH, "times": arguments.times,
                                 "round_trip_ms": arguments.rtt_ms, "mb_per_s_per_connection": arguments.rate_mb,
                                 "memory": arguments.memory, "layouts": LAYOUTS})
    with harness.scratch() as work, harness.served(work / "served", [BUCKET]) as server_port:
        for layout in LAYOUTS:
            if arguments.layout and arguments.layout != layout:
                continue
            folder, prefix = work / "data.zarr", f"{layout.replace(' ', '-')}.zarr"
            write_layout(folder, arguments.times, layout)
            stored = upload(server_port, folder, prefix)
            order = epoch_order(f"file://{folder}")
            run.row(f"{layout}: stored", mib=stored / 2**20, samples=len(order))
            measure(run, "seamount", f"{layout}: bound, from local files", f"file://{folder}", "", order, arguments)
            with harness.delayed(server_port, arguments.rtt_ms, int(arguments.rate_mb * 1e6)) as port:
                for name in CONTESTANTS:
                    if arguments.only and arguments.only not in name:
                        continue
                    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
                        run.row(f"{layout}: {name}", skipped=f"{NEEDS[name]} is not installed")
                        continue
                    for _ in range(arguments.repeat):
                        measure(run, name, f"{layout}: {name}", f"gs://{BUCKET}/{prefix}",
                                f"http://127.0.0.1:{port}", order, arguments)
    run.write()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1024, help="length of the data set: 518 kB each, decoded")
    parser.add_argument("--rtt-ms", type=float, default=10)
    parser.add_argument("--rate-mb", type=float, default=100, help="MB/s of each connection")
    parser.add_argument("--memory", default="512MiB", help="Seamount's budget")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--layout", choices=LAYOUTS)
    parser.add_argument("--only", help="only contestants whose name holds this")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contestant:
        contestant(arguments)
    else:
        race(arguments)


if __name__ == "__main__":
    main()

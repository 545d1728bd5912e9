#!/usr/bin/env python3
"""One contestant of the loader race, in a process of its own (loader_race.py starts it):

  loader_contestants.py NAME --url gs://… --endpoint http://… < ORDER     → one line of JSON

ORDER is the JSON list of sample numbers. A contestant yields batches of standardised float32 (sample, window, variable,
y, x), as an expert with that library would make them. Imports are not timed; opening the data set is.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np

VARIABLES = ("u", "v")
FIELD = (180, 360)
WINDOW = 4
BATCH = 16
MEAN, STD = 3.0, 2.0
CPUS = len(os.sched_getaffinity(0))


def seamount_batches(url: str, endpoint: str, memory: str, order: list[int]):
    import seamount

    loader = seamount.Loader(url, VARIABLES, inputs=range(1 - WINDOW, 1), batch_size=BATCH, shuffle="block",
                             memory=memory, endpoint=endpoint, anonymous=True)
    for batch in loader:
        yield batch.inputs
    print(json.dumps(loader.stats()), file=sys.stderr)


def tensorstore_batches(url: str, endpoint: str, memory: str, order: list[int]):
    """Futures for several batches ahead, a shared cache of chunks, one copy into the batch."""
    import tensorstore

    context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 1 << 30},
                                   "gcs_request_concurrency": {"limit": 64}})
    bucket, prefix = url.removeprefix("gs://").split("/", 1)
    arrays = [tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "gcs", "bucket": bucket,
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


def insitubatch_batches(url: str, endpoint: str, memory: str, order: list[int]):
    """Its own block shuffle, of all samples; each lead is a shifted view that shares the decoded chunks."""
    import insitubatch

    # obstore takes another server than Google's from a key file, which is not needed to say who one is.
    key = json.dumps({"gcs_base_url": endpoint, "disable_oauth": True, "client_email": "", "private_key": "",
                      "private_key_id": ""})
    store = insitubatch.obstore_store(url, service_account_key=key, client_options={"allow_http": True})
    arrays = insitubatch.open_geometries(store, variables=list(VARIABLES))
    leads = range(1 - WINDOW, 1)
    views = {f"{name}{lead}": arrays[name].shift(lead) for name in VARIABLES for lead in leads}
    manifest = insitubatch.split_by_chunk(arrays[VARIABLES[0]], fractions=(1.0, 0.0, 0.0))
    chunk = arrays[VARIABLES[0]].sample_chunk_size
    dataset = insitubatch.InSituDataset(store, manifest, geometries=views, batch_size=BATCH,
                                        block_chunks=max(1, 128 // chunk), max_inflight=64)
    for batch in dataset.train:
        stacked = np.empty((len(batch), WINDOW, len(VARIABLES), *FIELD), "f4")
        for v, name in enumerate(VARIABLES):
            for w, lead in enumerate(leads):
                np.subtract(batch.arrays[f"{name}{lead}"], np.float32(MEAN), out=stacked[:, w, v])
        stacked *= np.float32(1 / STD)
        yield stacked


class Windows:
    """A map-style data set for a torch DataLoader: zarr-python over gcsfs, opened in each worker."""

    def __init__(self, url: str, endpoint: str, order: list[int]):
        self.url, self.endpoint, self.order, self.arrays = url, endpoint, order, None

    def __len__(self):
        return len(self.order)

    def __getitem__(self, i):
        if self.arrays is None:
            import gcsfs
            import zarr

            fs = gcsfs.GCSFileSystem(endpoint_url=self.endpoint, token="anon", asynchronous=True)
            store = zarr.storage.FsspecStore(fs, path=self.url.removeprefix("gs://"), read_only=True)
            group = zarr.open_group(store, mode="r")
            self.arrays = [group[name] for name in VARIABLES]
        s = self.order[i]
        window = np.stack([array[s + 1 - WINDOW : s + 1] for array in self.arrays], axis=1)
        return (window - np.float32(MEAN)) / np.float32(STD)


def torch_batches(url: str, endpoint: str, memory: str, order: list[int]):
    """A worker process for each core, two batches ahead in each."""
    import torch

    loader = torch.utils.data.DataLoader(Windows(url, endpoint, order), batch_size=BATCH, num_workers=CPUS,
                                         prefetch_factor=2, multiprocessing_context="spawn")
    for batch in loader:
        yield batch.numpy()


# Name → (function, the modules that it needs).
CONTESTANTS = {
    "seamount": (seamount_batches, ["seamount"]),
    "tensorstore": (tensorstore_batches, ["tensorstore"]),
    "insitubatch": (insitubatch_batches, ["insitubatch"]),
    "zarr-python in a torch DataLoader": (torch_batches, ["torch", "zarr", "gcsfs"]),
}


def cpu_seconds() -> float:
    """This process's and its ended workers'."""
    return sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--memory", default="256MiB")
    arguments = parser.parse_args()
    batches, modules = CONTESTANTS[arguments.name]
    os.environ["TENSORSTORE_GCS_HTTP_URL"] = arguments.endpoint
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # it would ask by gRPC what kind of bucket it is
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(json.dumps({"absent": str(error)}))
            return
    order = json.load(sys.stdin)
    start, cpu = time.monotonic(), cpu_seconds()
    samples, checksum = 0, 0.0
    for batch in batches(arguments.url, arguments.endpoint, arguments.memory, order):
        samples += len(batch)
        checksum += float(batch[:, :, :, ::45, ::60].sum(dtype="f8"))
        del batch
    seconds = time.monotonic() - start
    # Not ru_maxrss of this process, which begins with what its parent had; workers are small beside their own batches.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = int(status["VmHWM"].split()[0]) + (children.ru_maxrss if children.ru_utime > 0.1 else 0)
    print(json.dumps({"samples_per_s": samples / seconds, "seconds": seconds, "cpu_seconds": cpu_seconds() - cpu,
                      "samples": samples, "checksum": checksum, "peak_memory_mib": peak / 1024}))


if __name__ == "__main__":
    main()

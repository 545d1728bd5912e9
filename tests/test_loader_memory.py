"""What the process takes while a loader runs, as the kernel sees it, against what `memory` promises."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import zarr

MIB = 1 << 20
MEMORY, BATCH, CHUNK_STEPS = 48 * MIB, 4, 2
FIELD = (256, 512)  # half a MiB
# What docs/loader.md names beside `memory`: buffers that nobody uses. Besides, threads and their small things.
IDLE, AROUND = 16 * MIB, 12 * MIB

PROGRAM = """
import re, sys
import seamount

def now(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

def epochs(steps, number):
    loader = seamount.Loader(sys.argv[1], ["u"], inputs=[-1, 0], normalize=False, batch_size={batch}, memory={memory},
                             shuffle="block", select=(0, steps), threads=2)
    for _ in range(number):
        for batch in loader:
            pass

epochs(8, 1)  # the code, and what every process has
before = now("VmRSS")
epochs({steps}, 3)
print(now("VmHWM") - before)
"""


def test_the_process_grows_by_what_memory_says(tmp_path):
    steps = 320
    group = zarr.create_group(tmp_path / "data.zarr", zarr_format=3)
    array = group.create_array("u", shape=(steps, *FIELD), chunks=(CHUNK_STEPS, *FIELD), dtype="f4",
                               dimension_names=("time", "y", "x"))  # fmt: skip
    rng = np.random.default_rng(1)
    for step in range(0, steps, 32):
        array[step : step + 32] = rng.integers(0, 4000, (32, *FIELD)).astype("f4") / 16
    program = textwrap.dedent(PROGRAM.format(batch=BATCH, memory=MEMORY, steps=steps))
    done = subprocess.run([sys.executable, "-c", program, f"file://{tmp_path}/data.zarr"], stdout=subprocess.PIPE,
                          text=True, check=True)  # fmt: skip
    in_hand = BATCH * 2 * 4 * FIELD[0] * FIELD[1]
    assert int(done.stdout) <= MEMORY + in_hand + IDLE + AROUND

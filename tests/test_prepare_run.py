"""seamount prepare at work: memory, the spill file, kills at random, and what lies in the output already."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from prepare_files import SERIES, prepare, same_tree, write_netcdf, write_series  # noqa: F401

# What the program takes beside what it counts: stacks, HDF5's index of chunks, pages the allocator keeps.
MEMORY_ALLOWANCE = 24 << 20


def test_memory_stays_within_what_is_allowed(prepare, tmp_path):
    """Whole series of single places from 207 MB of fields, in 80 MB: read once, through the spill file."""
    recipe = SERIES | {"source": write_series(tmp_path / "in.nc", 800)}
    run = subprocess.Popen(prepare.command(recipe, tmp_path / "out.zarr", "--memory", "80M", "--threads", "4", "--json"),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while run.poll() is None:
        status = Path(f"/proc/{run.pid}/status").read_text()
        peak = max([peak] + [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")])
        time.sleep(0.005)
    out, errors = run.communicate()
    assert run.returncode == 0, errors
    report = json.loads(out)
    assert report["spilled_bytes"] == 800 * 180 * 360 * 4
    assert report["peak_memory_bytes"] < 70 << 20, "the program itself counts too"
    assert 20 << 20 < peak < (80 << 20) + MEMORY_ALLOWANCE, f"{peak >> 20} MiB"
    with xr.open_zarr(tmp_path / "out.zarr", decode_times=False) as got, h5py.File(tmp_path / "in.nc") as source:
        climatology = np.tensordot(got.climatology_weights.values, got.v_climatology.values[:, 50:53, 70:80], 1)
        np.testing.assert_allclose(got.v.values[:, 50:53, 70:80] + climatology, source["v"][:, 50:53, 70:80], atol=1e-4)


def test_a_full_spill_disk_is_named_and_the_run_goes_on_elsewhere(prepare, tmp_path):
    recipe = SERIES | {"source": write_series(tmp_path / "in.nc", 500)}
    command = prepare.command(recipe, tmp_path / "out.zarr", "--spill", str(tmp_path), "--json")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    full = subprocess.run(command, preexec_fn=limit, restore_signals=False, capture_output=True, text=True)
    assert full.returncode == 8 and f"spill file in '{tmp_path}'" in full.stderr and "--spill" in full.stderr, full.stderr
    assert not (tmp_path / "out.zarr/zarr.json").exists()
    assert json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["statistics_kept"] == 1


def test_killed_again_and_again_it_ends_in_the_same_bytes(prepare, tmp_path):
    seed = random.randrange(2**31)
    rng = random.Random(seed)
    recipe = SERIES | {"source": write_series(tmp_path / "in.nc", 500)}
    prepare(SERIES | {"source": recipe["source"], "codec": "none"})  # replaced below, and the replacing is interrupted
    start = time.monotonic()
    prepare(recipe, out="whole.zarr")
    whole = time.monotonic() - start
    killed, kept = 0, 0
    for cycle in range(40):
        flags = () if killed else ("--overwrite",)
        run = subprocess.Popen(prepare.command(recipe, tmp_path / "out.zarr", "--json", *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, _ = run.communicate(timeout=whole * rng.uniform(0.1, 0.9) if cycle < 8 else None)
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            killed += 1
            continue
        if not killed and cycle < 8:  # quicker than the run that set the pace: once more, and sooner
            prepare(SERIES | {"source": recipe["source"], "codec": "none"}, "--overwrite")
            whole /= 2
            continue
        if run.returncode == 4 and killed == 1:  # the first was killed before it had written down that it replaces
            out = subprocess.run(prepare.command(recipe, tmp_path / "out.zarr", "--json", "--overwrite"), capture_output=True, check=True).stdout
        kept = json.loads(out)["regions_kept"]
        break
    assert killed, f"seed {seed}: no run could be killed"
    print(f"seed {seed}: {killed} kills, {kept} regions kept at the end")
    assert same_tree(tmp_path / "whole.zarr", tmp_path / "out.zarr"), f"seed {seed}"


def test_existing_output_is_refused(prepare, tmp_path):
    path = write_netcdf(tmp_path / "in.nc")
    prepare({"source": path, "variables": ["t"]})
    assert "--overwrite" in prepare({"source": path, "variables": ["t"], "codec": "none"}, fails=4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    assert "thesis.tex" in prepare({"source": path, "variables": ["t"]}, "--overwrite", out="mine", fails=4)

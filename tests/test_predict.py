"""Forward mode against a loop in NumPy, byte by byte: roll-outs, ensembles, anomalies, ranks, and runs that are killed."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import seamount
import xarray
import zarr
from loader_support import LAT, LON, STATS, TIMES, normalized, write
from seamount import Slot

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["u", "v"]


@pytest.fixture
def truth():
    rng = np.random.default_rng(5)
    values = {name: rng.normal(mean, std, (TIMES, LAT, LON)).astype("f4") for name, (mean, std) in STATS.items()}
    values["v"][7] = np.nan
    return values


@pytest.fixture
def url(tmp_path, truth):
    group = zarr.create_group(tmp_path / "winds.zarr")
    group.attrs["seamount"] = {"sample_dim": "time", "splits": {"test": [20, 50]}}
    for name, (mean, std) in STATS.items():
        more = {"units": "m/s", "long_name": name.upper(), "coordinates": "area"}
        write(group, name, truth[name], normalized(mean, std) | more)
    for name, dims, values, attributes in [
        ("time", ["time"], np.arange(TIMES) * 6.0, {"units": "hours since 2001-01-01", "standard_name": "time"}),
        ("lat", ["lat"], np.linspace(-75, 75, LAT), {"units": "degrees_north"}),
        ("lon", ["lon"], np.arange(LON) * 36.0, {"units": "degrees_east"}),
        ("area", ["lat", "lon"], np.ones((LAT, LON), "f4"), {"units": "m2"}),
        ("oro", ["lat", "lon"], np.arange(LAT * LON, dtype="f4").reshape(LAT, LON), {}),
    ]:
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=dims)
        array.attrs.update(attributes)
        array[...] = values
    return f"file://{tmp_path}/winds.zarr"


def model(inputs, member=0):
    """(batch, lead, variable, lat, lon) of two leads to the next one."""
    return (inputs[:, 1:] * np.float32(0.75) - inputs[:, :1] * np.float32(0.5) + np.float32(member)).astype("f4")


def naive(truth, positions, steps=1, member=0):
    """One sample after the other: (sample, step, variable, lat, lon), in the data's units."""
    stats = np.array([STATS[name] for name in NAMES])
    mean, std = (stats[:, k, None, None] for k in (0, 1))
    samples = []
    for position in positions:
        window = [((np.stack([truth[name][position + lead] for name in NAMES]).astype("f8") - mean) / std).astype("f4")
                  for lead in (-1, 0)]
        for _ in range(steps):
            window.append(model(np.array(window[-2:])[None], member)[0, 0])
        samples.append([(field.astype("f8") * std + mean).astype("f4") for field in window[2:]])
    return np.array(samples)


def loader_of(url, **options):
    return seamount.Loader(url, NAMES, **{"inputs": [-1, 0], "targets": [1], "batch_size": 8, "missing": "keep"} | options)


def normalized_as_the_loader_does(url, positions):
    """The loader's own float32 numbers, which a loop in NumPy may miss by the last bit."""
    return {int(i): x for batch in loader_of(url, targets=(), shuffle=None) for i, x in zip(batch.index, batch.inputs)}


def expected(url, positions, steps=1, member=0, stats=STATS):
    """As naive(), from the loader's normalised numbers on: these must come out to the last bit."""
    inputs = normalized_as_the_loader_does(url, positions)
    pairs = np.array([stats[name] for name in NAMES])
    mean, std = (pairs[:, k, None, None] for k in (0, 1))
    out = []
    for position in positions:
        window = list(inputs[position])
        for _ in range(steps):
            window.append(model(np.array(window[-2:])[None], member)[0, 0])
        out.append([(field.astype("f8") * std + mean).astype("f4") for field in window[2:]])
    return np.array(out)


@pytest.mark.filterwarnings("ignore")
def test_what_is_written_is_what_a_loop_computes(url, truth, tmp_path):
    to = f"file://{tmp_path}/out.zarr"
    group = seamount.predict(model, loader_of(url, shuffle="global"), to)
    positions = np.arange(1, TIMES)  # the last one is forecast beyond the data
    wanted = expected(url, positions)
    np.testing.assert_allclose(wanted, naive(truth, positions), rtol=1e-5, atol=1e-5)
    for v, name in enumerate(NAMES):
        assert group[name][...].tobytes() == np.ascontiguousarray(wanted[:, :, v]).tobytes()
    found = xarray.open_zarr(tmp_path / "out.zarr")
    assert found.u.dims == ("time", "lead", "lat", "lon") and found.u.dtype == "float32"
    assert found.u.attrs.pop("seamount") == {"every_object": True}
    assert found.u.attrs == {"units": "m/s", "long_name": "U"} and "area" in found.u.coords
    np.testing.assert_array_equal(found.position, positions)
    np.testing.assert_array_equal(found.time, xarray.open_zarr(tmp_path / "winds.zarr").time[1:])
    np.testing.assert_array_equal(found.lat, np.linspace(-75, 75, LAT))
    assert found.lead.values.tolist() == [6] and found.lead.attrs["units"] == "hours"
    np.testing.assert_array_equal(found.v.values, wanted[:, :, 1])
    assert not list((tmp_path / "out.zarr").glob(".seamount-predict/*"))


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(2**32)])
def test_random_runs(url, tmp_path, seed):
    print("seed", seed)
    pick = random.Random(seed)
    for number in range(12):
        steps, members, world = pick.randint(1, 4), pick.choice([None, 1, 3]), pick.randint(1, 4)
        first = pick.randint(0, 30)
        select = (first, pick.randint(first + 3, TIMES))
        data = loader_of(url, batch_size=pick.randint(1, 20), shuffle=pick.choice(["block", None]))
        to = f"file://{tmp_path}/{number}.zarr"
        ranks = list(range(world))
        pick.shuffle(ranks)
        results = [seamount.predict(model, data, to, select=select, steps=steps, members=members, rank=rank, world=world)
                   for rank in ranks]
        # A rank without batches may find that all is there; the last one does.
        group = results[-1]
        assert group is not None
        positions = np.arange(select[0] + 1, select[1])
        np.testing.assert_array_equal(group["position"][...], positions)
        wanted = [expected(url, positions, steps, member) for member in range(members or 1)]
        for v, name in enumerate(NAMES):
            values = np.stack([each[:, :, v] for each in wanted], axis=2)
            assert group[name][...].tobytes() == (values if members else values[:, :, 0]).tobytes()
        assert group["lead"][...].tolist() == [6 * (step + 1) for step in range(steps)]


def test_named_slots_splits_and_a_list_of_models(url, tmp_path):
    spec = seamount.Loader(
        url, inputs={"wind": Slot(NAMES, ["-6h", "0h"]), "ground": Slot(["oro"], normalize=False)},
        targets={"next": Slot(NAMES, ["6h"])}, batch_size=4, missing="keep", split="test")
    seen = []

    def lifted(inputs):
        seen.append(inputs["ground"].copy())
        return {"next": model(inputs["wind"]) + inputs["ground"] * np.float32(0)}

    def plain(inputs):
        return model(inputs["wind"], 1)[:, 0]  # one lead's dimension left out

    group = seamount.predict([lifted, plain], spec, f"file://{tmp_path}/out.zarr", steps=2)
    positions = np.arange(21, 50)
    assert group["u"].dims == ("time", "lead", "member", "lat", "lon")
    for member in range(2):
        values = group["u"][:, :, member]
        assert values.tobytes() == np.ascontiguousarray(expected(url, positions, 2, member)[:, :, 0]).tobytes()
    np.testing.assert_array_equal(seen[0][0, 0, 0], np.arange(LAT * LON, dtype="f4").reshape(LAT, LON))
    two = seamount.Loader(url, inputs={"wind": Slot(NAMES, [-1, 0])}, targets={"a": Slot(["u"], [1]), "b": Slot(["v"], [1])},
                          missing="keep", batch_size=9)
    group = seamount.predict(lambda x: {"a": x["wind"][:, 1:, :1], "b": x["wind"][:, 1:, 1:]}, two, f"file://{tmp_path}/two.zarr")
    persisted = xarray.open_zarr(tmp_path / "two.zarr", group="b")
    np.testing.assert_allclose(persisted.v[:, 0], seamount.read(url, "v")[1:], rtol=1e-5, atol=1e-5)


PROGRAM = """
import sys, os, signal
sys.path.insert(0, {tests!r})
import numpy as np, seamount
from test_predict import loader_of, model
calls = []
def counted(inputs):
    calls.append(1)
    if len(calls) == {kill}:
        os.kill(os.getpid(), signal.SIGKILL)
    return model(inputs)
seamount.predict(counted, loader_of({url!r}, batch_size=5), {to!r})
print(len(calls))
"""


def test_a_killed_run_costs_the_batch_it_was_at(url, tmp_path):
    to = f"file://{tmp_path}/out.zarr"

    def run(kill):
        program = PROGRAM.format(tests=str(ROOT / "tests"), url=url, to=to, kill=kill)
        path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
        return subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120,
                              env=os.environ | {"PYTHONPATH": path})

    assert run(6).returncode == -signal.SIGKILL
    # Five were computed; the last may have been on its way to the store.
    written = len(list((tmp_path / "out.zarr/.seamount-predict").iterdir()))
    assert written in (3, 4, 5) and not (tmp_path / "out.zarr/zarr.json").exists()
    with pytest.raises(Exception):
        xarray.open_zarr(tmp_path / "out.zarr")
    with pytest.raises(OSError, match="is gone|not there|absent|missing"):
        seamount.read(to, "u")
    done = run(0)
    assert (done.returncode, done.stdout) == (0, f"{12 - written}\n"), done.stderr
    values = seamount.read(to, "u")
    assert values.tobytes() == np.ascontiguousarray(expected(url, np.arange(1, TIMES))[:, :, 0]).tobytes()


def test_what_lies_there_is_not_lost(url, tmp_path):
    to = f"file://{tmp_path}/out.zarr"
    seamount.predict(model, loader_of(url), to, attributes={"model": "1"})
    with pytest.raises(RuntimeError, match="holds this prediction already"):
        seamount.predict(model, loader_of(url), to, attributes={"model": "1"})
    with pytest.raises(RuntimeError, match="another prediction .its attributes is"):
        seamount.predict(model, loader_of(url), to, attributes={"model": "2"})
    with pytest.raises(RuntimeError, match="another prediction .its leads is"):
        seamount.predict(model, loader_of(url), to, steps=2, attributes={"model": "1"})
    with pytest.raises(RuntimeError, match="not empty"):
        seamount.predict(model, loader_of(url), url)
    (tmp_path / "out.zarr/notes.txt").write_text("mine")
    with pytest.raises(RuntimeError, match="also holds 'notes.txt'"):
        seamount.predict(model, loader_of(url), to, steps=2, overwrite=True)
    assert seamount.read(to, "u").shape[1] == 1
    (tmp_path / "out.zarr/notes.txt").unlink()
    group = seamount.predict(model, loader_of(url), to, steps=2, overwrite=True, attributes={"model": "2"})
    assert group["u"].shape[1] == 2 and group.attributes["model"] == "2"
    with pytest.raises(RuntimeError, match="not empty"):
        seamount.predict(model, loader_of(url), url, overwrite=True)
    assert seamount.read(url, "u").shape == (TIMES, LAT, LON)
    # Ranks that begin late find it whole.
    with pytest.raises(RuntimeError, match="already, whole"):
        seamount.predict(model, loader_of(url), to, steps=2, attributes={"model": "2"}, rank=1, world=2)


def test_a_run_that_goes_on_says_so(url, tmp_path):
    to = f"file://{tmp_path}/out.zarr"
    left = itertools.count(3, -1)

    def failing(inputs):
        if next(left) == 0:
            raise ZeroDivisionError
        return model(inputs)

    with pytest.raises(ZeroDivisionError):
        seamount.predict(failing, loader_of(url), to)
    with pytest.warns(UserWarning, match=r"going on at .*: 3 of 8 batches are there"):
        group = seamount.predict(model, loader_of(url), to)
    assert group["u"][...].tobytes() == np.ascontiguousarray(expected(url, np.arange(1, TIMES))[:, :, 0]).tobytes()


def test_what_cannot_be_is_said(url, tmp_path):
    to = f"file://{tmp_path}/out.zarr"
    for message, data, options in [
        ("has no targets", {"targets": ()}, {}),
        ("expected 1 or more", {}, {"steps": 0}),
        ("expected 1 or more", {}, {"members": 0}),
        ("expected 0 <= rank", {}, {"rank": 2, "world": 2}),
        ("needs lead 1, which is neither", {"inputs": [-1, 0], "targets": [2]}, {"steps": 2}),
        ("with different leads of 1 or more", {"targets": [0, 1]}, {"steps": 2}),
        ("missing is 'skip'", {"missing": "skip"}, {}),
        ("what JSON can say", {}, {"attributes": {"model": object()}}),
        ("has 'seamount'", {}, {"attributes": {"seamount": 1}}),
        ("with several ranks", {}, {"overwrite": True, "rank": 0, "world": 2}),
    ]:
        with pytest.raises(ValueError, match=message):
            seamount.predict(model, loader_of(url, **data), to, **options)
    for message, bad in [("shape", lambda x: x), ("expected 'targets' among", lambda x: {"y": x}), ("something to call", 3),
                         ("empty list", [])]:
        with pytest.raises(ValueError, match=message):
            seamount.predict(bad, loader_of(url), to, overwrite=True)
    with pytest.raises(ValueError, match="data is a str"):
        seamount.predict(model, url, to)


def test_anomalies_get_their_climatology_back(tmp_path, truth):
    """Weights and fields of the climatology as `seamount prepare` lays them down."""
    rng = np.random.default_rng(2)
    weights, terms = rng.normal(size=(TIMES, 3)).astype("f4"), rng.normal(size=(3, LAT, LON)).astype("f4")
    group = zarr.create_group(tmp_path / "a.zarr")
    notes = {"seamount": {"normalize": {"mean": 3.0, "std": 2.0}, "anomaly": {"climatology": "u_climatology"}}}
    write(group, "u", truth["u"], notes)
    for name, dims, values in [("climatology_weights", ["time", "term"], weights),
                               ("u_climatology", ["term", "lat", "lon"], terms)]:
        group.create_array(name, data=values, dimension_names=dims)
    data = seamount.Loader(f"file://{tmp_path}/a.zarr", ["u"], inputs=[0], targets=[1], batch_size=7)
    found = seamount.predict(lambda x: x, data, f"file://{tmp_path}/out.zarr", steps=3)
    # Of the last three the climatology is not known at all leads.
    positions = found["position"][...]
    np.testing.assert_array_equal(positions, np.arange(TIMES - 3))
    for step in range(3):
        later = np.tensordot(weights[positions + step + 1].astype("f8"), terms.astype("f8"), 1)
        np.testing.assert_allclose(found["u"][:, step], truth["u"][positions] + later, rtol=1e-5, atol=1e-5)


def test_torch_modules_run_in_evaluation_mode(url, tmp_path):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor, self.dropout = torch.nn.Parameter(torch.tensor(0.75)), torch.nn.Dropout(0.9)

        def forward(self, inputs):
            return self.dropout(inputs[:, 1:] * self.factor - inputs[:, :1] * 0.5)

    net = Net()
    group = seamount.predict(net, loader_of(url), f"file://{tmp_path}/out.zarr")
    assert net.training
    np.testing.assert_allclose(group["u"][...], expected(url, np.arange(1, TIMES))[:, :, 0], rtol=1e-5, atol=1e-5)
    json.dumps(group.attributes)


def test_tensors_for_other_callables(url, tmp_path):
    torch = pytest.importorskip("torch")

    def halved(inputs):
        assert isinstance(inputs, torch.Tensor)
        return (inputs[:, 1:] / 2).half()

    group = seamount.predict(halved, loader_of(url, normalize=False), f"file://{tmp_path}/out.zarr", device="cpu")
    np.testing.assert_allclose(group["u"][:, 0], seamount.read(url, "u")[1:] / 2, rtol=2e-3)

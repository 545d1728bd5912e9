"""How well a GPU is fed: correctness, samples/s into its memory, and the share of a real training step that it idles.

    python bench/gpu_feed.py --out gpu.json [--samples 1024] [--widths 64,128] [--steps 150]

Makes its own data (1 GB by default, packed by `seamount prepare`) in a temporary folder. Needs torch with CUDA; JAX and
Lightning are tried where they are installed. Every row is printed as it is measured, and stands in the JSON with the rest.
Idle is 1 - (time of the steps on batches that lie in the GPU's memory already) / (time of as many steps that are fed).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import seamount

GRID = (180, 360)
VARIABLES = ["u", "v"]


def make_data(folder: Path, samples: int) -> str:
    """Fields that are smooth and noisy as weather is; raw Zarr written here, chunked and packed by `prepare`."""
    raw = folder / "raw.zarr"
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0 : np.pi : GRID[0] * 1j, 0 : 2 * np.pi : GRID[1] * 1j].astype("f4")

    def put(name: str, dims: list[str], shape: tuple[int, ...], parts, attributes: dict, kind: str) -> None:
        (raw / name).mkdir(parents=True)
        chunk = (1, *shape[1:]) if len(shape) == 3 else shape
        document = {
            "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": kind, "fill_value": 0, "attributes": attributes,
            "dimension_names": dims, "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        }  # fmt: skip
        (raw / name / "zarr.json").write_text(json.dumps(document))
        for number, part in enumerate(parts):
            file = raw / name / "c" / "/".join([str(number), *["0"] * (len(shape) - 1)])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(np.ascontiguousarray(part).tobytes())

    raw.mkdir()
    (raw / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
    for v, name in enumerate(VARIABLES):
        fields = (
            np.round(10 * np.sin(x * (1 + v) + t / 9) * np.sin(y) + rng.normal(size=GRID, scale=0.5).astype("f4"), 2)
            for t in range(samples)
        )
        put(name, ["time", "lat", "lon"], (samples, *GRID), fields, {"units": "m/s"}, "float32")
    put("time", ["time"], (samples,), [np.arange(samples) * 6.0], {"units": "hours since 2001-01-01"}, "float64")
    put("lat", ["lat"], GRID[:1], [np.linspace(-89.5, 89.5, GRID[0])], {"units": "degrees_north"}, "float64")
    put("lon", ["lon"], GRID[1:], [np.linspace(0, 359, GRID[1])], {"units": "degrees_east"}, "float64")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"source: {raw}\nvariables: [{', '.join(VARIABLES)}]\nstandardize: {{over: all}}\nchunks: {{time: 8}}\n"
    )
    url = f"file://{folder}/fields.zarr"
    subprocess.run([sys.executable, "-m", "seamount", "prepare", str(recipe), "--to", url], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return url


def loader_of(url: str, **options) -> seamount.Loader:
    return seamount.Loader(url, VARIABLES, inputs=[-2, -1, 0], targets=[1],
                           **{"batch_size": 16, "shuffle": "block", "memory": "2GiB", "drop_last": True} | options)  # fmt: skip


# Correctness: the numbers on the device are the loader's, also where the step is slower than the copies.


def check_torch(url: str) -> None:
    import torch

    expected = [(b.index.tolist(), b.inputs.copy(), b.targets.copy()) for b in loader_of(url, select=(0, 200))]
    batches = loader_of(url, select=(0, 200)).to_torch("cuda", ahead=4, as_dict=True)
    kept = []
    for parts in batches:
        torch.cuda._sleep(30_000_000)  # the step's stream is far behind the copies
        kept.append((parts["index"].tolist(), parts["inputs"] * 1, parts["targets"] * 1))
        del parts
    assert len(kept) == len(expected)
    for (index, inputs, targets), (its, values, wanted) in zip(kept, expected):
        assert index == its
        assert np.array_equal(inputs.cpu().numpy(), values) and np.array_equal(targets.cpu().numpy(), wanted)
    states, seen = [batches.state_dict()], []
    for parts in batches:
        seen.append(parts["index"].tolist())
        states.append(batches.state_dict())
        if len(seen) == 4:
            break
    again = loader_of(url, select=(0, 200)).to_torch("cuda", as_dict=True)
    again.load_state_dict(states[4])
    rest = [parts["index"].tolist() for parts in again]
    here = [parts["index"].tolist() for parts in batches]
    assert rest == here and len(seen) + len(rest) == len(batches)


def check_jax(url: str) -> None:
    import jax
    from seamount.jax import prefetch

    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    for placement in (None, jax.devices()[0], sharding):
        kept = list(prefetch(loader_of(url, select=(0, 200)), placement, ahead=4))
        for (inputs, targets), batch in zip(kept, loader_of(url, select=(0, 200)), strict=True):
            assert next(iter(inputs.devices())).platform == jax.devices()[0].platform
            assert np.array_equal(inputs, batch.inputs) and np.array_equal(targets, batch.targets)


def check_lightning(url: str) -> None:
    """A run that stops within an epoch and goes on from its checkpoint sees each sample of the epoch once."""
    import lightning
    import torch

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.seen = torch.nn.Parameter(torch.zeros(())), []

        def training_step(self, parts, _):
            assert parts["inputs"].is_cuda
            self.seen += parts["index"].tolist()
            return ((parts["inputs"][:, -1] * self.weight - parts["targets"][:, 0]) ** 2).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.01)

    def fit(steps: int, path: str | None) -> tuple[list[int], object]:
        module = Module()
        trainer = lightning.Trainer(max_steps=steps, max_epochs=-1, devices=1, accelerator="gpu", logger=False,
                                    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
        trainer.fit(module, loader_of(url, select=(0, 200)).to_torch("cuda", as_dict=True), ckpt_path=path)
        return module.seen, trainer

    count = len(loader_of(url, select=(0, 200)))
    whole, _ = fit(count, None)
    first, trainer = fit(count // 2, None)
    with tempfile.TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/half.ckpt")
        second, _ = fit(count, f"{folder}/half.ckpt")
    assert len(whole) == len(set(whole)) == 16 * count
    assert first + second == whole, f"{len(first)} samples, then {len(second)}, of {len(whole)}"


# Speed.


def into_memory(url: str, feed, synchronize) -> dict:
    """Samples/s over one epoch, after one that warms up."""
    batches = feed(loader_of(url))
    for _ in range(2):
        began, count = time.perf_counter(), 0
        for inputs, targets in batches:
            count += inputs.shape[0]
        synchronize(targets)
        seconds = time.perf_counter() - began
    size = sum(np.prod(tensor.shape) * 4 for tensor in (inputs, targets)) / inputs.shape[0]
    return {"samples_per_s": round(count / seconds, 1), "GB_per_s": round(count * size / seconds / 1e9, 2)}


def torch_feeds():
    def plain(loader):
        for batch in loader:
            inputs, targets = batch.to_torch()
            yield inputs.cuda(), targets.cuda()

    class Plain:
        def __init__(self, loader) -> None:
            self._loader = loader

        def __iter__(self):
            return plain(self._loader)

    return {"to_torch('cuda')": lambda loader: loader.to_torch("cuda"), "batch.to_torch(), then .cuda()": Plain}


def torch_step(width: int):
    """A residual convolution network, its loss and its optimizer, in bfloat16 as people train."""
    import torch

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(width, width, 3, padding=1)
            self.second = torch.nn.Conv2d(width, width, 3, padding=1)

        def forward(self, x):
            return x + self.second(torch.nn.functional.gelu(self.first(x)))

    channels = 3 * len(VARIABLES)
    net = torch.nn.Sequential(torch.nn.Conv2d(channels, width, 3, padding=1), *[Block() for _ in range(4)],
                              torch.nn.Conv2d(width, len(VARIABLES), 3, padding=1)).cuda()  # fmt: skip
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)

    def step(inputs, targets):
        with torch.autocast("cuda", torch.bfloat16):
            loss = torch.nn.functional.mse_loss(net(inputs.flatten(1, 2)).float(), targets[:, 0])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    return step


def steps_of(step, batches, count: int) -> tuple[float, float]:
    """Seconds of `count` steps, and of them those in which the GPU's stream had nothing to do, by its own clock."""
    import torch

    marks = []
    source = iter(batches)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        inputs, targets = next(source)
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        step(inputs, targets)
        end.record()
        marks.append((start, end))
    torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    source = None
    gaps = [a[1].elapsed_time(b[0]) / 1e3 for a, b in zip(marks, marks[1:])]
    return seconds, sum(gaps)


def endless(batches):
    while True:
        yield from batches


def torch_idle(url: str, width: int, count: int) -> list[dict]:
    import torch

    step = torch_step(width)
    resident = [tuple(tensor.clone() for tensor in item) for item, _ in zip(loader_of(url).to_torch("cuda"), range(4))]
    steps_of(step, endless(resident), 20)  # cuDNN chooses, clocks rise
    rows = []
    for name, feed in torch_feeds().items():
        batches = feed(loader_of(url))
        steps_of(step, endless(batches), 10)
        for _ in range(2):  # alternating, so that a change of clocks shows
            alone, _ = steps_of(step, endless(resident), count)
            fed, gaps = steps_of(step, endless(batches), count)
            rows.append({"feed": name, "width": width, "step_ms": round(alone / count * 1e3, 2),
                         "fed_step_ms": round(fed / count * 1e3, 2), "idle": round(1 - alone / fed, 4),
                         "stream_gaps": round(gaps / fed, 4), "samples_per_s": round(16 * count / fed, 1)})  # fmt: skip
        torch.cuda.empty_cache()
    return rows


def jax_into_memory(url: str) -> dict:
    import jax
    from seamount.jax import prefetch

    return into_memory(url, prefetch, jax.block_until_ready)


class Report:
    def __init__(self, path: str) -> None:
        self._path, self.rows, self.failed = path, {}, False

    def run(self, name: str, call, optional: str | None = None) -> None:
        began = time.perf_counter()
        try:
            if optional is not None:
                __import__(optional)
            result = call()
            result = "right" if result is None else result
        except ImportError as error:
            result = f"not there: {error}"
        except Exception as error:
            self.failed = True
            result = f"FAILED: {type(error).__name__}: {error}"
        self.rows[name] = result
        print(f"{name} ({time.perf_counter() - began:.1f} s): {json.dumps(result)}", flush=True)
        Path(self._path).write_text(json.dumps(self.rows, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--widths", default="64,128", help="of the network: how long a step is")
    parser.add_argument("--steps", type=int, default=150)
    args = parser.parse_args()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch is in the same process
    import torch

    report = Report(args.out)
    report.rows["machine"] = {
        "gpu": torch.cuda.get_device_name(), "cores": os.cpu_count(), "python": platform.python_version(),
        "torch": torch.__version__, "numpy": np.__version__, "seamount": seamount.__version__,
    }  # fmt: skip
    print(json.dumps(report.rows["machine"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        url = make_data(Path(folder), args.samples)
        report.run("torch is right", lambda: check_torch(url))
        for name, feed in torch_feeds().items():
            report.run(f"into memory, torch, {name}", lambda feed=feed: into_memory(url, feed, lambda _: torch.cuda.synchronize()))
        for width in map(int, args.widths.split(",")):
            report.run(f"idle, torch, width {width}", lambda width=width: torch_idle(url, width, args.steps))
        report.run("JAX is right", lambda: check_jax(url), "jax")
        report.run("into memory, JAX", lambda: jax_into_memory(url), "jax")
        report.run("Lightning is right", lambda: check_lightning(url), "lightning")
    sys.exit(report.failed)


if __name__ == "__main__":
    main()

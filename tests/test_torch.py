"""Delivery to PyTorch, with the real one: on the CPU, and on a CUDA device where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import seamount
from loader_support import url, values  # noqa: F401

torch = pytest.importorskip("torch")

from seamount.torch import Batches  # noqa: E402

OPTIONS = {"variables": ["u", "v"], "inputs": [-2, 0], "targets": [1], "batch_size": 8, "seed": 3, "fill": 0.0}
DEVICES = [None, "cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def numbers(tensor):
    return np.from_dlpack(tensor.cpu())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("through", [lambda batches: batches,
                                     lambda batches: torch.utils.data.DataLoader(batches, batch_size=None)])
def test_tensors_are_the_loaders_numbers(url, device, through):  # noqa: F811
    batches = through(seamount.Loader(url, **OPTIONS).to_torch(device))
    expected = seamount.Loader(url, **OPTIONS)
    for _ in range(2):
        count = 0
        for (inputs, targets), batch in zip(batches, expected, strict=True):
            assert inputs.device.type == targets.device.type == (device or "cpu")
            np.testing.assert_array_equal(numbers(inputs), batch.inputs)
            np.testing.assert_array_equal(numbers(targets), batch.targets)
            count += 1
        assert count == len(batches) == len(expected)


@pytest.mark.parametrize("device", DEVICES)
def test_every_part_by_its_name(url, device):  # noqa: F811
    loader = seamount.Loader(url, **OPTIONS)
    batch = next(iter(seamount.Loader(url, **OPTIONS)))
    for parts in Batches(loader, device, as_dict=True):
        assert set(parts) == {"inputs", "targets", "inputs_missing", "targets_missing", "index"}
        assert parts["inputs_missing"].dtype == torch.bool and not parts["inputs_missing"].any()
        assert parts["index"].tolist() == batch.index.tolist()
        break
    assert parts["inputs"].device.type == (device or "cpu")


@pytest.mark.parametrize("device", DEVICES)
def test_states_count_what_was_handed_out(url, device):  # noqa: F811
    batches = seamount.Loader(url, **OPTIONS).to_torch(device)
    states, inputs = [batches.state_dict()], []
    for item in batches:
        states.append(batches.state_dict())
        inputs.append(item[0].clone())
    for position, state in enumerate(states[:-1]):
        again = seamount.Loader(url, **OPTIONS).to_torch(device)
        again.load_state_dict(state)
        for item, expected in zip(again, inputs[position:], strict=True):
            assert torch.equal(item[0], expected)
    batches.set_epoch(0)
    assert torch.equal(next(iter(batches))[0], inputs[0])


def test_worker_processes_are_refused(url):  # noqa: F811
    data = torch.utils.data.DataLoader(seamount.Loader(url, **OPTIONS).to_torch(), batch_size=None, num_workers=2)
    with pytest.raises(Exception, match="num_workers=2: expected 0"):
        next(iter(data))


def test_cpu_tensors_share_the_batchs_memory(url):  # noqa: F811
    loader = seamount.Loader(url, **OPTIONS)
    batch = next(iter(loader))
    inputs, _ = batch.to_torch()
    assert inputs.data_ptr() == batch.inputs.ctypes.data


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_step_that_is_slow_never_sees_another_batch(url):  # noqa: F811
    """Copies run ahead on their own stream; a step that holds the GPU up reads what it was given, nothing newer."""
    options = OPTIONS | {"batch_size": 2}
    expected = [batch.inputs.astype("f8").sum() for batch in seamount.Loader(url, **options)]
    sums = []
    for inputs, _ in seamount.Loader(url, **options).to_torch("cuda", ahead=4):
        torch.cuda._sleep(20_000_000)  # the step's stream is behind the copies from here on
        sums.append(inputs.double().sum())
        del inputs
    np.testing.assert_allclose([float(total) for total in sums], expected, rtol=1e-6)

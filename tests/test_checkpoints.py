"""The loader's state in what frameworks keep checkpoints with: torchdata's StatefulDataLoader, and Orbax."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import seamount
from loader_support import OPTIONS, url, values  # noqa: F401


def loader(url):  # noqa: F811
    return seamount.Loader(url, **OPTIONS | {"fill": 0.0})


def epochs(url, count):  # noqa: F811
    """Every batch's inputs, epoch by epoch, of a loader that nobody interrupts."""
    whole = loader(url)
    return [[batch.inputs.copy() for batch in whole] for _ in range(count)]


def test_torchdata_goes_on_at_every_batch(url):  # noqa: F811
    pytest.importorskip("torchdata")
    from torchdata.stateful_dataloader import StatefulDataLoader

    def new():
        return StatefulDataLoader(loader(url).to_torch(), batch_size=None)

    first, second, third = epochs(url, 3)
    running = new()
    assert len(running) == len(first)
    states = []
    for number, (inputs, _) in enumerate(running):
        np.testing.assert_array_equal(inputs.numpy(), first[number])
        states.append(pickle.dumps(running.state_dict()))
    for number, state in enumerate(states[:-1], 1):
        resumed = new()
        resumed.load_state_dict(pickle.loads(state))
        rest = [inputs.numpy().copy() for inputs, _ in resumed]
        assert len(rest) == len(first) - number
        assert all(np.array_equal(a, b) for a, b in zip(rest, first[number:]))
        if number == 2:  # and in the epoch after it
            assert all(np.array_equal(inputs.numpy(), b) for (inputs, _), b in zip(resumed, second, strict=True))
    # At the end of an epoch, the next one comes.
    resumed = new()
    resumed.load_state_dict(running.state_dict())
    for expected in (second, third):
        assert all(np.array_equal(inputs.numpy(), b) for (inputs, _), b in zip(resumed, expected, strict=True))


def test_orbax_keeps_the_state_beside_the_parameters(url, tmp_path):  # noqa: F811
    checkpoint = pytest.importorskip("orbax.checkpoint")
    jax = pytest.importorskip("jax")
    from seamount.jax import prefetch

    first, _ = epochs(url, 2)
    batches = prefetch(loader(url), jax.devices("cpu")[0])
    with checkpoint.CheckpointManager(tmp_path / "run") as kept:
        for number, (inputs, _) in enumerate(batches, 1):
            np.testing.assert_array_equal(inputs, first[number - 1])
            kept.save(number, args=checkpoint.args.Composite(
                params=checkpoint.args.StandardSave({"w": jax.numpy.full(3, number)}),
                loader=checkpoint.args.JsonSave(batches.state_dict())))
            if number == 3:  # others are on their way to the device
                break
    with checkpoint.CheckpointManager(tmp_path / "run") as kept:
        found = kept.restore(kept.latest_step(), args=checkpoint.args.Composite(
            params=checkpoint.args.StandardRestore({"w": jax.numpy.zeros(3, int)}), loader=checkpoint.args.JsonRestore()))
    assert found.params["w"].tolist() == [3, 3, 3]
    resumed = prefetch(loader(url), jax.devices("cpu")[0])
    resumed.load_state_dict(found.loader)
    for (inputs, _), expected in zip(resumed, first[3:], strict=True):
        np.testing.assert_array_equal(inputs, expected)

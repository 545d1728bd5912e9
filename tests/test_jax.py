"""Delivery to JAX: on one device, and sharded over several."""

from __future__ import annotations

import os

import numpy as np
import pytest
import seamount
from loader_support import url, values  # noqa: F401

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")  # counts where JAX was not imported yet
jax = pytest.importorskip("jax")

from seamount.jax import prefetch  # noqa: E402

OPTIONS = {"variables": ["u", "v"], "inputs": [-2, 0], "targets": [1], "batch_size": 8, "seed": 3}


@pytest.fixture
def sharding():
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))


def test_arrays_are_the_loaders_numbers(url):  # noqa: F811
    feed, expected = prefetch(seamount.Loader(url, **OPTIONS)), seamount.Loader(url, **OPTIONS)
    for _ in range(2):
        kept = []
        for (inputs, targets), batch in zip(feed, expected, strict=True):
            assert isinstance(inputs, jax.Array) and inputs.dtype == "float32"
            kept.append((inputs, batch.inputs.copy(), targets, batch.targets.copy()))
        # Looked at when the loader has used its memory again, if it could.
        for inputs, its, targets, theirs in kept:
            np.testing.assert_array_equal(inputs, its)
            np.testing.assert_array_equal(targets, theirs)


def test_arrays_are_split_over_devices(url, sharding):  # noqa: F811
    devices = jax.device_count()
    loader = seamount.Loader(url, **OPTIONS, drop_last=True)
    for inputs, targets in prefetch(loader, sharding):
        assert inputs.sharding == sharding and len(inputs.addressable_shards) == devices
        assert inputs.addressable_shards[0].data.shape == (8 // devices, 2, 2, 6, 10)
        assert targets.shape == (8, 1, 2, 6, 10)


def test_a_batch_that_cannot_be_split_is_refused(url, sharding):  # noqa: F811
    if jax.device_count() == 1:
        sharding = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec(*[None] * 5, "data"))
    feed = prefetch(seamount.Loader(url, **OPTIONS | {"batch_size": 7}), sharding)
    with pytest.raises(ValueError, match="cannot be split"):
        list(feed)


def test_states_count_what_was_handed_out(url):  # noqa: F811
    feed = prefetch(seamount.Loader(url, **OPTIONS), jax.devices()[0], as_dict=True)
    parts = [part for _, part in zip(range(3), feed)]
    again = prefetch(seamount.Loader(url, **OPTIONS))
    again.load_state_dict(feed.state_dict())
    rest = list(again)
    assert len(rest) == len(feed) - 3 and set(parts[0]) == {"inputs", "targets", "index"}

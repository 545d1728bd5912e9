"""Trains with JAX: each batch is split over all devices, and sent while the step before computes."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
from common import arguments, loader_of
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from seamount.jax import prefetch


def convolution(field, weights):
    return jax.lax.conv_general_dilated(field, weights, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))


def loss_of(parameters, inputs, targets):
    x, y = inputs[:, 0], targets[:, 0]
    hidden = jax.nn.gelu(convolution(x, parameters["first"]))
    return jnp.mean((x + convolution(hidden, parameters["second"]) - y) ** 2)


@jax.jit
def step(parameters, inputs, targets):
    loss, gradients = jax.value_and_grad(loss_of)(parameters, inputs, targets)
    return jax.tree.map(lambda value, gradient: value - 0.05 * gradient, parameters, gradients), loss


def main():
    args = arguments(__doc__)
    devices = np.array(jax.devices())
    devices = devices[: 8 if len(devices) >= 8 else 4 if len(devices) >= 4 else 2 if len(devices) >= 2 else 1]
    batches = prefetch(loader_of(args), NamedSharding(Mesh(devices, ("data",)), PartitionSpec("data")))
    channels = len(args.variables)
    rng = np.random.default_rng(0)
    parameters = {"first": jnp.asarray(rng.normal(size=(16, channels, 3, 3)) * 0.1, "float32"),
                  "second": jnp.asarray(rng.normal(size=(channels, 16, 3, 3)) * 0.1, "float32")}
    if os.path.exists(args.checkpoint):
        with np.load(args.checkpoint) as saved:
            parameters = {name: jnp.asarray(saved[name]) for name in parameters}
            batches.load_state_dict(json.loads(str(saved["batches"])))

    for epoch in range(batches.state_dict()["epoch"], args.epochs):
        batches.set_epoch(epoch)
        for inputs, targets in batches:
            parameters, loss = step(parameters, inputs, targets)
        print(f"epoch {epoch} loss {float(loss):.4f}", flush=True)
        np.savez(args.checkpoint, batches=json.dumps(batches.state_dict()), **parameters)


if __name__ == "__main__":
    main()

"""Batches for JAX: arrays on a device, or sharded over several, ahead of the step.

>>> from seamount.jax import prefetch
>>> for inputs, targets in prefetch(loader):
...     parameters = step(parameters, inputs, targets)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax

from .errors import InvalidArgumentError
from .feed import Feed, Source, arrays_of, mapped

if TYPE_CHECKING:
    import numpy as np


def prefetch(
    loader: Source,
    placement: jax.Device | jax.sharding.Sharding | None = None,
    *,
    ahead: int = 2,
    as_dict: bool = False,
) -> Feed:
    """A loader's batches as JAX arrays: ``(inputs, targets)``, or the inputs alone where there are no targets.

    A thread sends them to the device while the step before computes. The loader stands further on than the batches
    handed out: take ``state_dict()`` of what is returned. JAX keeps 32 bits of wider numbers unless ``jax_enable_x64`` is set.

    Args:
        loader: a :class:`seamount.Loader`.
        placement: a device, or a sharding, as ``NamedSharding(mesh, PartitionSpec("data"))``; None: JAX's default device.
            With several processes each gives its own rank's part (``rank=jax.process_index(), world=jax.process_count()``).
        ahead: how many batches lie on the device before they are needed, beside the one in use.
        as_dict: items are dicts with ``inputs``, ``targets``, ``inputs_missing``, ``targets_missing`` and ``index``, those
            of them that there are.

    Returns:
        What is iterated over, epoch after epoch, with ``set_epoch``, ``state_dict`` and ``load_state_dict`` as the loader.

    Raises:
        InvalidArgumentError (ValueError): ``ahead`` is no positive number; when iterating: a batch cannot be split as the
            sharding says.
    """

    def send(batch: Any) -> Any:
        return mapped(lambda array: _placed(array, placement), arrays_of(batch, as_dict))

    return Feed(loader, send, lambda sent: sent, ahead)


def _placed(array: np.ndarray, placement: Any) -> jax.Array:
    if not isinstance(placement, jax.sharding.Sharding):
        return jax.device_put(array, placement)
    if jax.process_count() > 1:
        return jax.make_array_from_process_local_data(placement, array)  # type: ignore[no-untyped-call]
    try:
        placement.shard_shape(array.shape)
    except ValueError as error:
        raise InvalidArgumentError(
            f"a tensor of shape {array.shape} cannot be split as {placement} says: take a batch_size that the devices "
            "divide, and drop_last=True for the last batch of an epoch"
        ) from error
    return jax.device_put(array, placement)

"""Which part of every step is this process's."""

from __future__ import annotations

import sys

from .errors import InvalidArgumentError
from .selection import natural


def ranks(rank: int | None, world: int | None) -> tuple[int, int]:
    """What was given; or torch.distributed's or JAX's, where one of them runs already; or one process."""
    if rank is None and world is None:
        return _torch() or _jax() or (0, 1)
    if rank is None or world is None:
        raise InvalidArgumentError(f"rank is {rank} and world is {world}: expected both or neither")
    return natural("rank", rank), natural("world", world)


def _torch() -> tuple[int, int] | None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.get_rank(), distributed.get_world_size()


def _jax() -> tuple[int, int] | None:
    """Asked only where jax.distributed was initialised: counting processes starts JAX's devices otherwise."""
    jax = sys.modules.get("jax")
    initialized = getattr(getattr(jax, "distributed", None), "is_initialized", None)
    if jax is None or initialized is None or not initialized():
        return None
    return jax.process_index(), jax.process_count()

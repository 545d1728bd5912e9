"""What a loader hands out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import KeyNotFoundError, SeamountError

Tensors = np.ndarray | dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One minibatch; ``inputs, targets = batch`` takes it apart, ``batch["name"]`` is one slot of it.

    The arrays view the loader's own memory, which is used again once they all are dropped.
    """

    inputs: Tensors
    """(batch, lead, variable, *field): the leads in the order of ``inputs=``, then the variables; a dict by name where the
    loader was given slots."""
    targets: Tensors | None
    """The same for ``targets=``; None where there are none."""
    index: np.ndarray
    """int64, (batch,): sample numbers, which are positions along the sample dimension."""
    inputs_missing: Tensors | None = None
    """bool, as ``inputs``: where values were missing and ``fill`` stands; None without ``fill=``, as in a dict those slots."""
    targets_missing: Tensors | None = None
    """The same for ``targets``."""
    padding: int = 0
    """How many samples at the end repeat another rank's, so that all ranks make as many steps: leave them out of sums."""

    skipped: int = 0
    """How many samples were left out, as a value of theirs is missing (``missing="skip"``)."""

    patch: np.ndarray | None = None
    """int64, (batch, dimension): where each sample's patch begins, in the order of ``Patches.size``; None without patches."""

    _times: Any = field(default=None, repr=False)

    @property
    def time(self) -> np.ndarray:
        """datetime64, (batch,): the samples' times; as text where the calendar is not the usual one.

        The coordinate is read when it is first asked for. InvalidArgumentError, NotFoundError where it tells no time.
        """
        return self._times if isinstance(self._times, np.ndarray) else self._times.all()[self.index]

    def __reduce__(self) -> Any:
        try:
            time = self.time
        except SeamountError:
            time = None
        parts = (self.inputs, self.targets, self.index, self.inputs_missing, self.targets_missing)
        return Batch, (*parts, self.padding, self.skipped, self.patch, time)

    def __getitem__(self, slot: str) -> np.ndarray:
        """The tensor of that name."""
        for name, tensor in (*_named("inputs", self.inputs), *_named("targets", self.targets)):
            if name == slot:
                return tensor
        names = ", ".join(repr(name) for name, _ in (*_named("inputs", self.inputs), *_named("targets", self.targets)))
        raise KeyNotFoundError(f"the batch has no slot {slot!r}: it has {names}")

    def __iter__(self) -> Iterator[Tensors | None]:
        yield self.inputs
        yield self.targets

    def __repr__(self) -> str:
        slots = (*_named("inputs", self.inputs), *_named("targets", self.targets))
        shapes = " ".join(f"{name} {tensor.shape}" for name, tensor in slots)
        return f"<seamount.Batch {shapes} index {self.index.tolist()}>"

    def to_torch(self) -> tuple[Any, Any]:
        """(inputs, targets) as torch tensors, or dicts of them, that share this batch's memory (DLPack; no copy).

        ImportError where torch is not installed.
        """
        import torch

        def tensors(given: Tensors | None) -> Any:
            if isinstance(given, dict):
                return {name: tensor(array) for name, array in given.items()}
            return None if given is None else tensor(given)

        def tensor(array: np.ndarray) -> Any:
            if array.dtype.name == "bfloat16":  # which DLPack does not take from NumPy
                return torch.from_dlpack(array.view("i2")).view(torch.bfloat16)
            return torch.from_dlpack(array)

        return tensors(self.inputs), tensors(self.targets)


def _named(name: str, tensors: Tensors | None) -> list[tuple[str, np.ndarray]]:
    if isinstance(tensors, dict):
        return list(tensors.items())
    return [] if tensors is None else [(name, tensors)]

"""What a loader hands out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import SeamountError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One minibatch; ``inputs, targets = batch`` takes it apart.

    The arrays view the loader's own memory, which is used again once they all are dropped.
    """

    inputs: np.ndarray
    """float32, (batch, lead, variable, *field): the leads in the order of ``inputs=``, then the variables."""
    targets: np.ndarray | None
    """The same for ``targets=``; None where there are none."""
    index: np.ndarray
    """int64, (batch,): sample numbers, which are positions along the sample dimension."""
    inputs_missing: np.ndarray | None = None
    """bool, as ``inputs``: where values were missing and ``fill`` stands; None without ``fill=``."""
    targets_missing: np.ndarray | None = None
    """The same for ``targets``."""
    padding: int = 0
    """How many samples at the end repeat another rank's, so that all ranks make as many steps: leave them out of sums."""

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
        parts = (self.inputs, self.targets, self.index, self.inputs_missing, self.targets_missing, self.padding)
        return Batch, (*parts, time)

    def __iter__(self) -> Iterator[np.ndarray | None]:
        yield self.inputs
        yield self.targets

    def __repr__(self) -> str:
        targets = None if self.targets is None else self.targets.shape
        return f"<seamount.Batch inputs {self.inputs.shape} targets {targets} index {self.index.tolist()}>"

    def to_torch(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(inputs, targets) as tensors that share this batch's memory (DLPack; no copy).

        ImportError where torch is not installed.
        """
        import torch

        return torch.from_dlpack(self.inputs), None if self.targets is None else torch.from_dlpack(self.targets)

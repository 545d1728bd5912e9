"""Batches for PyTorch: an IterableDataset of whole batches, on the CPU without a copy, or on a GPU ahead of the step.

>>> from seamount.torch import Batches
>>> for inputs, targets in Batches(loader, device="cuda"):
...     loss = step(model, inputs, targets)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.data

from .errors import InvalidArgumentError
from .feed import Feed, Source, arrays_of, mapped

if TYPE_CHECKING:
    import numpy as np

    from .batch import Batch


class Batches(torch.utils.data.IterableDataset):
    """A loader's batches as tensors: ``(inputs, targets)``, or the inputs alone where there are no targets.

    Iterate over it, or give it to ``torch.utils.data.DataLoader(batches, batch_size=None)`` or to Lightning's
    ``trainer.fit``. Worker processes are refused: the loader's threads stay in the process that made it, and are enough.

    On the CPU tensors share the batch's memory. On a CUDA device a thread copies batches through pinned memory, on a stream
    of its own, while the step before computes; the step's stream waits for the copy, not the program. With ``device``
    the loader itself stands further on than the batches handed out: take :meth:`state_dict` from here.

    Args:
        loader: a :class:`seamount.Loader`.
        device: where tensors go; None: they stay where they are.
        ahead: how many batches lie on the device before they are needed, beside the one in use.
        as_dict: items are dicts with ``inputs``, ``targets``, ``inputs_missing``, ``targets_missing`` and ``index``, those
            of them that there are.

    Raises:
        InvalidArgumentError (ValueError): ``ahead`` is no positive number; when iterating: in a worker process.
        RuntimeError: torch has no such device.
    """

    def __init__(
        self, loader: Source, device: torch.device | str | None = None, *, ahead: int = 2, as_dict: bool = False
    ) -> None:
        super().__init__()
        self.loader = loader
        self._as_dict = as_dict
        self._feed: Feed | None = None
        if device is not None and (place := torch.device(device)).type != "cpu":
            way = _ThroughPinnedMemory(place) if place.type == "cuda" else _Plainly(place)
            self._feed = Feed(loader, lambda batch: way.send(self._tensors(batch)), way.receive, ahead)

    def __iter__(self) -> Iterator[Any]:
        """The batches from where the loader stands to the end of the epoch."""
        worker = torch.utils.data.get_worker_info()
        if worker is not None:
            raise InvalidArgumentError(
                f"the DataLoader has num_workers={worker.num_workers}: expected 0, as a seamount.Loader reads with threads "
                "of its own, which stay in the process that made it"
            )
        return iter(self._feed) if self._feed is not None else map(self._tensors, self.loader)

    def _tensors(self, batch: Batch) -> Any:
        return mapped(_tensor, arrays_of(batch, self._as_dict))

    def __len__(self) -> int:
        """Batches in a whole epoch, of this rank."""
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of an epoch; see :meth:`seamount.Loader.set_epoch`."""
        (self._feed or self.loader).set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands after the batches handed out so far; see :meth:`seamount.Loader.state_dict`."""
        return (self._feed or self.loader).state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes where the state was taken; see :meth:`seamount.Loader.load_state_dict`."""
        (self._feed or self.loader).load_state_dict(state)

    def __reduce__(self) -> Any:
        raise TypeError("seamount.torch.Batches cannot be pickled: use num_workers=0, or make them where they are needed")


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Shares the array's memory. Booleans go as bytes, which every version of the protocol knows."""
    if array.dtype == bool:
        return torch.from_dlpack(array.view("u1")).view(torch.bool)
    if array.dtype.name == "bfloat16":  # which DLPack does not take from NumPy
        return torch.from_dlpack(array.view("i2")).view(torch.bfloat16)
    return torch.from_dlpack(array)


class _ThroughPinnedMemory:
    """To a CUDA device, without the program or the step waiting for the copy."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)

    def send(self, tensors: Any) -> tuple[Any, torch.cuda.Event]:
        # torch keeps pinned memory that a copy still reads from, and uses it again afterwards.
        with torch.cuda.stream(self._stream):
            moved = mapped(lambda tensor: tensor.pin_memory().to(self._stream.device, non_blocking=True), tensors)
            done = torch.cuda.Event()
            done.record(self._stream)
        return moved, done

    def receive(self, sent: tuple[Any, torch.cuda.Event]) -> Any:
        moved, done = sent
        step = torch.cuda.current_stream(self._stream.device)
        step.wait_event(done)
        mapped(lambda tensor: tensor.record_stream(step), moved)  # not used again before the step has read it
        return moved


class _Plainly:
    """To a device of another kind."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def send(self, tensors: Any) -> Any:
        return mapped(lambda tensor: tensor.to(self._device), tensors)

    def receive(self, sent: Any) -> Any:
        return sent

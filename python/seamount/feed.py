"""Batches on their way to an accelerator while it computes: what the delivery to PyTorch and to JAX share."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .errors import InvalidArgumentError
from .selection import natural

if TYPE_CHECKING:
    from .batch import Batch

State = dict[str, Any]


class Source(Protocol):
    """As much of a :class:`seamount.Loader` as delivery needs."""

    def __iter__(self) -> Iterator[Batch]: ...
    def __len__(self) -> int: ...
    def set_epoch(self, epoch: int) -> None: ...
    def state_dict(self) -> State: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Feed:
    """The batches of a loader, sent on by a thread that runs ``ahead`` batches before who takes them.

    The thread takes a batch from the loader and starts its way to the device; iterating hands it out when its turn comes.
    So the loader stands further on than the batches that were handed out: take states from here. An iteration that is
    left early puts the loader back to the batch after the last one handed out, and so does an error. A new
    iteration ends one that was left unfinished.
    """

    def __init__(self, loader: Source, send: Callable[[Batch], Any], receive: Callable[[Any], Any], ahead: int) -> None:
        """``send`` runs in the thread, ``receive`` makes of what it gave what is handed out, where that is asked for."""
        if natural("ahead", ahead) < 1:
            raise InvalidArgumentError(f"ahead is {ahead}: expected 1 or more batches")
        self._loader, self._send, self._receive, self._ahead = loader, send, receive, ahead
        self._run: _Run | None = None
        self._state: State | None = None  # after the last batch handed out, while an iteration goes on

    def __iter__(self) -> Iterator[Any]:
        self._end(self._run)
        run = self._run = _Run(self._loader, self._send, self._ahead)
        self._state = run.start_state
        try:
            while run is self._run and (found := run.take()) is not None:
                sent, state = found
                item = self._receive(sent)
                del sent, found
                self._state = state
                yield item
                del item
            if run is self._run:
                self._state = None
        finally:
            self._end(run)

    def _end(self, run: _Run | None) -> None:
        """Stops an iteration, if it is the current one; the loader then stands where its last batch was handed out."""
        if run is None or run is not self._run:
            return
        self._run = None
        run.stop()
        state, self._state = self._state, None
        if state is not None and state != self._loader.state_dict():
            self._loader.load_state_dict(state)

    def __len__(self) -> int:
        return len(self._loader)

    def set_epoch(self, epoch: int) -> None:
        """:meth:`seamount.Loader.set_epoch`; what was sent ahead is given up."""
        self._end(self._run)
        self._loader.set_epoch(epoch)

    def state_dict(self) -> State:
        """Where the run stands after the batches handed out so far; see :meth:`seamount.Loader.state_dict`."""
        return dict(self._state or self._loader.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes where the state was taken; see :meth:`seamount.Loader.load_state_dict`."""
        self._end(self._run)
        self._loader.load_state_dict(state)


class _Run:
    """The thread of one iteration, and what it has sent that nobody took yet."""

    def __init__(self, loader: Source, send: Callable[[Batch], Any], ahead: int) -> None:
        self.start_state = loader.state_dict()
        self._loader, self._send, self._ahead = loader, send, ahead
        self._changed = threading.Condition()
        self._sent: deque[tuple[Any, State] | BaseException | None] = deque()
        self._stopped = False
        # A daemon, as nobody may ever take the last batch; it is joined before the interpreter goes.
        self._thread = threading.Thread(target=self._work, name="seamount-feed", daemon=True)
        atexit.register(self.stop)
        self._thread.start()

    def take(self) -> tuple[Any, State] | None:
        """The next batch and the state after it; None after the last one."""
        with self._changed:
            self._changed.wait_for(lambda: self._sent or self._stopped)
            found = self._sent.popleft() if self._sent else None
            self._changed.notify_all()
        if isinstance(found, BaseException):
            raise found
        return found

    def stop(self) -> None:
        """Ends the thread, after the batch that it is at."""
        atexit.unregister(self.stop)
        with self._changed:
            self._stopped = True
            self._sent.clear()
            self._changed.notify_all()
        self._thread.join()
        with self._changed:
            self._sent.clear()

    def _work(self) -> None:
        try:
            batches = iter(self._loader)
            while self._has_room():
                batch = next(batches, None)
                if batch is None:
                    self._append(None)
                    return
                sent = self._send(batch)
                del batch  # its memory is the loader's again, where nothing was sent that views it
                self._append((sent, self._loader.state_dict()))
                del sent
        except BaseException as error:  # whoever takes batches is told
            self._append(error)

    def _has_room(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._sent) < self._ahead)
            return not self._stopped

    def _append(self, item: Any) -> None:
        with self._changed:
            self._sent.append(item)
            self._changed.notify_all()


def arrays_of(batch: Batch, as_dict: bool) -> Any:
    """The arrays of a batch as libraries pass them on: (inputs, targets) or inputs alone, or every part by its name."""
    if not as_dict:
        return batch.inputs if batch.targets is None else (batch.inputs, batch.targets)
    parts = {name: getattr(batch, name) for name in ("inputs", "targets", "inputs_missing", "targets_missing", "index")}
    return {name: part for name, part in parts.items() if part is not None}


def mapped(call: Callable[[Any], Any], parts: Any) -> Any:
    """``call`` of every array in tuples and dicts."""
    if isinstance(parts, dict):
        return {name: mapped(call, part) for name, part in parts.items()}
    if isinstance(parts, tuple):
        return tuple(mapped(call, part) for part in parts)
    return call(parts)

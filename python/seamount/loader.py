"""Minibatches from Zarr: windows with lead times, several variables, shuffled, normalised, resumable bit for bit."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core
from .errors import InvalidArgumentError

if TYPE_CHECKING:
    import torch

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One minibatch. The arrays view the loader's own memory, which is used again once they all are dropped."""

    inputs: np.ndarray
    """float32, (batch, lead, variable, *field): the leads in the order of ``inputs=``, then the variables."""
    targets: np.ndarray | None
    """The same for ``targets=``; None where there are none."""
    index: np.ndarray
    """int64, (batch,): sample numbers, which are positions along the sample dimension."""

    def __repr__(self) -> str:
        targets = None if self.targets is None else self.targets.shape
        return f"<seamount.Batch inputs {self.inputs.shape} targets {targets} index {self.index.tolist()}>"

    def to_torch(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(inputs, targets) as tensors that share this batch's memory (DLPack; no copy).

        ImportError where torch is not installed.
        """
        import torch

        return torch.from_dlpack(self.inputs), None if self.targets is None else torch.from_dlpack(self.targets)


class Loader:
    """Iterates over the minibatches of one epoch after the other.

    A *sample* is a position along ``sample_dim`` for which every lead lies inside ``select``. Its inputs are the fields
    at ``sample + lead`` for each lead of ``inputs``, its targets those for each lead of ``targets``.

    Iterating goes on where the loader stands and ends with the epoch; the next iteration is the next epoch, in another
    order. Where it stands is ``(seed, epoch, position)``: with :meth:`state_dict` and :meth:`load_state_dict` a run
    resumes at the exact batch, with the same bits, on any machine and with any number of threads. The state counts the
    batches handed out, so save it with the model it belongs to.

    CF packing and missing values are decoded: ``scale_factor`` and ``add_offset`` are applied, numbers equal to
    ``_FillValue`` or ``missing_value`` become NaN (in Zarr format 2 the array's ``fill_value`` counts too, unless it is
    zero). With ``normalize=True`` every variable is then ``(x - mean) / std`` by its attribute
    ``seamount.normalize``, which ``seamount prepare`` writes.

    Args:
        url: ``gs://bucket/prefix`` or ``file:///directory`` of a Zarr group (format 2 or 3).
        variables: names of its arrays; all with the same shape. They are stacked in this order.
        sample_dim: the dimension samples run along.
        inputs, targets: leads, in steps of ``sample_dim``; negative is the past.
        batch_size: samples per batch (and rank). The last batch of an epoch may be smaller.
        shuffle: ``"global"`` (any order), ``"block"`` (shuffled runs, shuffled within groups of about 128 samples:
            needs little memory and reads each chunk about once), or None.
        seed: of the shuffling.
        select: ``(start, stop)`` along ``sample_dim``: no window reaches outside.
        normalize: True (by attribute), False, or ``{variable: (mean, std)}`` for those named and the attribute for
            the rest.
        drop_last: leave out a last batch that is smaller.
        threads: that decode; None for one per core. Fetching has threads of its own.
        memory: bytes, or a text such as ``"256MiB"``, for batches in the making, chunks and fetches together. Batches
            handed out are the caller's.
        rank, world: this process out of so many that share every epoch; the order of samples is the same for any
            number of them.
        endpoint, key, anonymous: as everywhere in Seamount: the server, the key file, no credentials.
        cache_dir, cache_size: a block cache on disk, shared with mounts on this machine.

    Thread-safe; importing and forking are safe before a loader is made, and a loader is not usable in a forked child
    (it needs no worker processes: with a torch DataLoader use ``num_workers=0``).

    Raises:
        NotFoundError (FileNotFoundError): no such bucket or variable; the message has the nearest name.
        InvalidArgumentError (ValueError): an option is wrong, no sample fits, or memory is too small.
        DataLossError (OSError): while iterating: a chunk is corrupt; the message names variable and chunk.
        UnavailableError (ConnectionError): the server was away for longer than retrying lasts. Iterating again goes on
            at the batch that failed.

    Example:
        >>> loader = Loader("file:///data/winds.zarr", variables=["uwnd", "vwnd"], inputs=[-11, 0], targets=[1],
        ...                 batch_size=16, select=(0, 108))
        >>> for epoch in range(loader.epoch, 10):
        ...     loader.set_epoch(epoch)
        ...     for batch in loader:
        ...         loss = step(batch.inputs, batch.targets)  # (16, 2, 2, lat, lon), (16, 1, 2, lat, lon)
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        variables: Sequence[str],
        sample_dim: str = "time",
        inputs: Sequence[int] = (0,),
        targets: Sequence[int] = (),
        batch_size: int = 16,
        shuffle: Literal["global", "block"] | None = "global",
        seed: int = 0,
        select: tuple[int, int] | None = None,
        normalize: bool | Mapping[str, tuple[float, float]] = True,
        drop_last: bool = False,
        threads: int | None = None,
        memory: int | str = "256MiB",
        *,
        rank: int = 0,
        world: int = 1,
        endpoint: str | None = None,
        key: str | os.PathLike[str] | None = None,
        anonymous: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_size: int | str = "4GiB",
    ) -> None:
        if isinstance(variables, str):
            raise InvalidArgumentError(f"variables is {variables!r}: expected a list of names, as [{variables!r}]")
        self._name = f"{os.fspath(url)!r} {list(variables)}"
        if shuffle is not None and not isinstance(shuffle, str):
            raise InvalidArgumentError(f"shuffle is {shuffle!r}: expected 'global', 'block' or None")
        given = dict(normalize) if isinstance(normalize, Mapping) else {}
        self._core = _core.open_loader(
            os.fspath(url),
            variables=[str(name) for name in variables],
            sample_dim=sample_dim,
            inputs=_leads("inputs", inputs),
            targets=_leads("targets", targets),
            batch_size=_natural("batch_size", batch_size),
            shuffle="none" if shuffle is None else shuffle,
            seed=_natural("seed", seed),
            select=None if select is None else range_of(select),
            normalize=isinstance(normalize, Mapping) or bool(normalize),
            normalization={name: (float(mean), float(std)) for name, (mean, std) in given.items()},
            drop_last=drop_last,
            threads=0 if threads is None else _natural("threads", threads),
            memory=str(memory),
            rank=_natural("rank", rank),
            world=_natural("world", world),
            endpoint=endpoint or "",
            key="" if key is None else os.fspath(key),
            anonymous=anonymous,
            cache_dir="" if cache_dir is None else os.fspath(cache_dir),
            cache_size=str(cache_size),
        )

    def __iter__(self) -> Iterator[Batch]:
        """The batches from where the loader stands to the end of the epoch."""
        while (arrays := self._core.next()) is not None:
            # The tuple goes before the batch is handed out, so that dropping the batch drops its memory.
            batch = Batch(*arrays)
            del arrays
            yield batch
            del batch

    def __repr__(self) -> str:
        seed, epoch, position = self._core.state()
        return (
            f"<seamount.Loader {self._name}: {self.samples} samples in {len(self)} batches; seed {seed}, epoch {epoch}, "
            f"position {position}>"
        )

    def __reduce__(self) -> Any:
        raise TypeError(
            "a seamount.Loader cannot be pickled: it holds threads and connections. Keep its state_dict() and make a "
            "new one where it is needed; with a torch DataLoader use num_workers=0"
        )

    def __len__(self) -> int:
        """Batches in a whole epoch, of this rank."""
        return self._core.batches_per_epoch

    @property
    def samples(self) -> int:
        """Samples in an epoch, of all ranks together."""
        return self._core.samples

    @property
    def epoch(self) -> int:
        """The epoch that iterating goes on with."""
        return self._core.state()[1]

    @property
    def field_shape(self) -> tuple[int, ...]:
        """The shape of one field: what is left of a variable's shape without ``sample_dim``."""
        return tuple(self._core.field_shape)

    @property
    def field_dims(self) -> tuple[str, ...]:
        """The dimension names that go with :attr:`field_shape`."""
        return tuple(self._core.field_dims)

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of an epoch; when the loader is in that epoch already, it stays where it stands.

        So ``for epoch in range(loader.epoch, n): loader.set_epoch(epoch); for batch in loader: …`` is right both for
        a fresh run and after :meth:`load_state_dict`.
        """
        seed, current, _ = self._core.state()
        if epoch != current:
            self._core.seek(seed, _natural("epoch", epoch), 0)

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, after the batches handed out so far: plain values, for JSON or a checkpoint."""
        seed, epoch, position = self._core.state()
        return {
            "version": _STATE_VERSION,
            "seed": seed,
            "epoch": epoch,
            "position": position,
            "order": self._core.order_id,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes where :meth:`state_dict` was taken.

        Raises:
            InvalidArgumentError (ValueError): the state belongs to another order of samples: another selection,
                window or shuffle. The number of ranks, threads and the memory may differ.
        """
        if state.get("version") != _STATE_VERSION:
            raise InvalidArgumentError(f"loader state has version {state.get('version')!r}: expected {_STATE_VERSION}")
        if state.get("order") != self._core.order_id:
            raise InvalidArgumentError(
                f"loader state is of another order of samples ({state.get('order')!r}) than this loader's "
                f"({self._core.order_id!r}): use the selection, leads and shuffle that it was saved with"
            )
        self._core.seek(int(state["seed"]), int(state["epoch"]), int(state["position"]))

    def stats(self) -> dict[str, int | float]:
        """Counts since the loader was made.

        ``batches`` and ``samples`` handed out; ``requests`` and ``bytes_fetched`` for chunks as stored;
        ``chunks_fetched``, of which ``chunks_absent`` were not stored; ``chunks_decoded`` and ``bytes_decoded``;
        ``cache_hits``: uses of chunks that were decoded already; ``fetch_threads`` and ``memory_peak`` (bytes of the
        budget) at most; ``wait_seconds`` that iterating waited for data.
        """
        return self._core.stats()


def _integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name} is {value!r}: expected an integer") from None


def _natural(name: str, value: Any) -> int:
    number = _integer(name, value)
    if number < 0:
        raise InvalidArgumentError(f"{name} is {number}: expected 0 or more")
    return number


def _leads(name: str, leads: Any) -> list[int]:
    if isinstance(leads, (str, bytes)) or not isinstance(leads, Iterable):
        raise InvalidArgumentError(f"{name} is {leads!r}: expected a list of leads, as [-1, 0]")
    return [_integer(name, lead) for lead in leads]


def range_of(select: Any) -> tuple[int, int]:
    """(start, stop) as two natural numbers; InvalidArgumentError for anything else."""
    try:
        start, stop = select
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"select is {select!r}: expected (start, stop)") from None
    return _natural("select", start), _natural("select", stop)

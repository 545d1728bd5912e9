"""Minibatches from Zarr: windows with lead times, several variables, shuffled, normalised, resumable bit for bit."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core
from .batch import Batch
from .connection import Key, Place, path_of, without_secrets
from .encodings import Encoding, encoders_of
from .errors import InvalidArgumentError
from .explanation import Explanation, explain
from .html import table
from .labels import Labels, sample_coords
from .patches import Crops, Patches, patch_options
from .physical import Physical
from .ranks import ranks
from .selection import Lead, dates_of, durations, natural, ranges_of, split_of, where_of
from .selection import leads as numbers_of
from .slots import Groups, Missing, Slot, check_normalize, missing_of, names, resolve, slot_number, slots_of
from .spec import Spec
from .tensors import Tensors, layouts_of
from .times import Times

if TYPE_CHECKING:
    import torch
    import xarray

    from . import torch as seamount_torch

Range = tuple[int, int] | tuple[str, str]

_STATE_VERSION = 1


class Loader:
    """Iterates over the minibatches of one epoch after the other.

    A *sample* is a position along ``sample_dim`` for which every lead lies inside what is selected, and no gap of the
    data (joined winters, say, as ``seamount prepare`` notes them) lies between the leads. Its inputs are the fields at
    ``sample + lead`` for each lead of ``inputs``, its targets those for each lead of ``targets``.

    Iterating goes on where the loader stands and ends with the epoch; the next iteration is the next epoch, in another
    order. Where it stands is ``(seed, epoch, position)``: with :meth:`state_dict` and :meth:`load_state_dict` a run
    resumes at the exact batch, with the same bits, on any machine and with any number of threads. The state counts the
    batches handed out, so save it with the model it belongs to.

    CF packing and missing values are decoded: ``scale_factor`` and ``add_offset`` are applied, missing values become
    NaN. With ``normalize=True`` every variable is then ``(x - mean) / std`` by its attribute
    ``seamount["normalize"]``, which ``seamount prepare`` writes. With ``fill`` missing values get that number at last,
    and masks beside the batch say where; without it the first batch that holds NaN warns.

    Args:
        url: ``gs://bucket/prefix``, ``file:///directory`` or a folder of a Zarr group (format 2 or 3).
        variables: names of its arrays, with the same field. They are stacked in this order. One without ``sample_dim``
            is the same at every sample.
        sample_dim: the dimension samples run along; None for the one that the group notes, or ``"time"``.
        inputs, targets: leads, in steps of ``sample_dim`` or as durations (``"-6h"``, a timedelta); negative is the past.
            Or, without ``variables``, slots by name, each with its own variables: ``{"x": Slot(["u", "v"], ["-6h", 0])}``.
        batch_size: samples per batch (and rank). The last batch of an epoch may be smaller.
        shuffle: ``"global"`` (any order), ``"block"`` (shuffled runs, shuffled within groups of about 128 samples:
            needs little memory and reads each chunk about once), or None.
        seed: of the shuffling.
        select: ``(start, stop)`` along ``sample_dim``, or dates ``("2001", "2003-06")``, both included; or a list of
            several. No window reaches outside one.
        normalize: True (by attribute), False, or ``{variable: (mean, std)}`` for those named and the attribute for
            the rest.
        drop_last: leave out a last step that is smaller. Otherwise every sample is in an epoch, for any ``world``: in a
            last step of fewer samples than ranks, some ranks repeat one (:attr:`Batch.padding`).
        threads: that decode; None for one per core. Fetching has threads of its own.
        memory: bytes, or a text such as ``"256MiB"``, for batches in the making, chunks, fetches and plans together.
            Batches handed out are the caller's.
        split: the name of a split that the group notes (``seamount.open_group(url).splits``), instead of ``select``. No
            window reaches out of a stretch of it.
        missing: what becomes of missing values. ``"keep"``: they are NaN. ``"fill"``: they are ``fill`` (0.0), and a mask
            beside says where. ``"mask"``: NaN, and the mask. ``"skip"``: their samples are left out of the batch
            (:attr:`Batch.skipped`), which may leave none of it. ``"raise"``: the batch is an error.
        fill: the number for missing values; ``fill=0.0`` alone says ``missing="fill"``, ``math.nan`` the mask alone.
        missing_chunks: ``"error"``: a chunk that is not stored ends the iteration with DataLossError; ``"fill"``: its
            values are the array's fill value. None: an error in what ``seamount prepare`` wrote, which writes every
            chunk, and fill values elsewhere.
        times: ``slice("1990", "1999-06")``, dates that are both included, either of them None: as ``select`` by dates.
        months, hours: only samples whose time is in one of these months (1 to 12) or hours of the day (0 to 23). Their
            leads may lie in others.
        where: any other rule: a function of the times along ``sample_dim`` (datetime64, as :attr:`times`) or what it gives,
            one bool for each position.
        layout: the order of a tensor's dimensions, by letters or names: ``"b(tv)yx"`` is (batch, lead × variable, y, x), as
            convolutions want it. ``b``, ``t`` and ``v`` are batch, lead and variable, ``y``, ``x`` and ``z`` latitudes,
            longitudes and levels by their usual names; others begin a name, or are one (``"batch (lead variable) lat lon"``).
            Parentheses make one dimension of several; what has size 1 may be left out. It is a view: nothing is copied, and
            what would need a copy is refused. None: (batch, lead, variable, *field).
        patches: samples are parts of the field: a :class:`seamount.Patches`. Only chunks that they touch are fetched;
            :attr:`Batch.patch` says where each lies.
        across_gaps: let windows reach over the gaps of the data.
        rank, world: this process out of so many that share every epoch; by default torch.distributed's or
            JAX's, where one of them is initialised, else 0 and 1. A step holds the same samples for any number of ranks; each gets those that lie
            together.
        endpoint, anonymous: as everywhere in Seamount: the server, no credentials. A key says which server made it.
        key: a key file, or its content as text or dict (a notebook's secret).
        cache_dir, cache_size: a block cache on disk, shared with mounts on this machine.

    Thread-safe: threads that iterate share an epoch. Importing and forking are safe before a loader is made, and a
    loader is not usable in a forked child (it needs no worker processes: iterate over it as it is, or over
    ``DataLoader(loader.to_torch(), batch_size=None)``).

    Raises:
        NotFoundError (FileNotFoundError): no such bucket or variable; the message has the nearest name.
        InvalidArgumentError (ValueError): an option is wrong, no sample fits, or memory is too small.
        PreconditionFailedError (RuntimeError): the group is half-written, or, while iterating: the data were replaced
            (no batch holds old and new data), or a value is missing where ``missing="raise"`` allows none.
        DataLossError (OSError): while iterating: a chunk is corrupt or gone; the message names variable and chunk.
        UnavailableError (ConnectionError): the server was away for longer than retrying lasts. Iterating again goes on
            at the batch that failed.

    Example:
        >>> loader = Loader("file:///data/winds.zarr", variables=["uwnd", "vwnd"], inputs=[-11, 0], targets=[1],
        ...                 batch_size=16, split="train")
        >>> for epoch in range(loader.epoch, 10):
        ...     loader.set_epoch(epoch)
        ...     for batch in loader:
        ...         inputs, targets = batch
        ...         loss = step(inputs, targets)  # (16, 2, 2, lat, lon), (16, 1, 2, lat, lon)
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        variables: Sequence[str] | None = None,
        sample_dim: str | None = None,
        inputs: Sequence[Lead] | Mapping[str, Slot | Encoding] = (0,),
        targets: Sequence[Lead] | Mapping[str, Slot | Encoding] = (),
        batch_size: int = 16,
        shuffle: Literal["global", "block"] | None = "global",
        seed: int = 0,
        select: Range | list[Range] | None = None,
        normalize: bool | Mapping[str, tuple[float, float]] = True,
        drop_last: bool = False,
        threads: int | None = None,
        memory: int | str = "256MiB",
        *,
        split: str | None = None,
        missing: Missing | None = None,
        fill: float | None = None,
        missing_chunks: Literal["error", "fill"] | None = None,
        times: slice | None = None,
        months: int | Sequence[int] | None = None,
        hours: int | Sequence[int] | None = None,
        where: Callable[[np.ndarray], np.ndarray] | np.ndarray | None = None,
        patches: Patches | None = None,
        layout: str | None = None,
        across_gaps: bool = False,
        rank: int | None = None,
        world: int | None = None,
        endpoint: str | None = None,
        key: Key | None = None,
        anonymous: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_size: int | str = "4GiB",
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name != "self"}
        given = slots_of(variables if variables is None else names("variables", variables), inputs, targets)
        slots = [(name, target, slot) for name, target, slot in given if isinstance(slot, Slot)]
        order = {target: [name for name, kind, _ in given if kind is target] for target in (False, True)}
        parts = [name for name, _, _ in given] if variables is None else list(variables)
        self._name = f"{path_of('url', url)!r} {parts}"
        self._warned = missing is not None
        if shuffle is not None and not isinstance(shuffle, str):
            raise InvalidArgumentError(f"shuffle is {shuffle!r}: expected 'global', 'block' or None")
        if sum(selection is not None for selection in (select, split, times)) > 1:
            raise InvalidArgumentError(
                f"select is {select!r}, split is {split!r} and times is {times!r}: expected one of them; months, hours and "
                "where go with each"
            )
        if sample_dim is not None and not isinstance(sample_dim, str):
            raise InvalidArgumentError(f"sample_dim is {sample_dim!r}: expected the name of a dimension")
        self.rank, self.world = ranks(rank, world)
        options = {
            "sample_dim": sample_dim or "",
            "batch_size": natural("batch_size", batch_size),
            "shuffle": "none" if shuffle is None else shuffle,
            "seed": natural("seed", seed),
            "select": [],
            "patches": patch_options(patches),
            "across_gaps": bool(across_gaps),
            "missing_chunks": missing_chunks or "",
            "drop_last": bool(drop_last),
            "threads": 0 if threads is None else natural("threads", threads),
            "memory": str(memory),
            "rank": self.rank,
            "world": self.world,
            "shown_as": f"{without_secrets(os.fspath(url))} {parts}",
        }
        access = Place(key, endpoint, anonymous, cache_dir, cache_size)
        groups = Groups(url, slots, lambda place, early: _core.open_group(access.open(place), early))
        group = groups.groups[0]
        self._times = Times(group, sample_dim or group.sample_dim or "time")
        common = normalize, missing_of(missing, fill), layout
        self._slots = [resolve(*slot, groups, self._times.step, *common) for slot in slots]
        check_normalize(normalize, self._slots)
        options["slots"] = [slot.options() for slot in self._slots]
        if split is not None:
            options["select"] = split_of(group, split)
        elif select is not None:
            options["select"] = ranges_of(select, self._times.find)
        elif times is not None:
            options["select"] = [self._times.between(*dates_of(times))]
        options["where"] = where_of(self._times, months, hours, where)
        self._core = _core.open_loader(groups.groups, options)
        fields = self._core.fields
        self._crops = [Crops(self._core.patches, *pair) for pair in zip(fields, [s.patch_scale for s in self._slots])]
        encodings = [each for each in given if isinstance(each[2], Encoding)]
        encoders, self._tensor_slots, self._tensor_fields, crops = encoders_of(
            encodings, self._slots, fields, self._crops, groups.groups, self._times
        )
        layouts = layouts_of(self._tensor_slots, self._tensor_fields)
        self._tensors = Tensors(self._slots, encoders, layouts, order if variables is None else None)
        self._labels = Labels(self._tensor_slots, groups.groups, self._tensor_fields, crops)
        if self._core.unmatched:
            warnings.warn(
                f"{self._core.unmatched} positions of {self._name} are no samples, as groups with other steps do not have the "
                "times that they need",
                stacklevel=2,
            )
        self._group_times = [Times(g, sample_dim or g.sample_dim or "time") for g in groups.groups]
        self._physical = [Physical(groups.groups[slot.group], slot.variables, slot.normalize) for slot in self._slots]
        self._spec = Spec(self._arguments, variables is None, self.sample_dim, self._slots, groups, self._times, self._physical)

    def replace(self, **changes: Any) -> Loader:
        """Another loader with the same arguments but for those given, at its beginning. ``split``, ``select`` and
        ``times`` replace each other.

        Example:
            >>> test = loader.replace(split="test", shuffle=None)
        """
        selections = dict.fromkeys(("split", "select", "times"))
        if any(changes.get(one) is not None for one in selections):
            changes = selections | changes
        return Loader(**(self._arguments | changes))

    def __iter__(self) -> Iterator[Batch]:
        """The batches from where the loader stands to the end of the epoch."""
        epoch = self.epoch
        while (parts := self._core.next(epoch)) is not None:
            if parts.pop("has_missing") and not self._warned:
                self._warned = True
                warnings.warn(
                    f"a batch of {self._name} holds missing values (NaN): missing='fill', 'mask', 'skip' or 'raise' says "
                    "what is to become of them, 'keep' that they are expected",
                    stacklevel=2,
                )
            # The parts go before the batch is handed out, so that dropping the batch drops its memory.
            batch = Batch(**self._tensors.parts(parts.pop("slots"), parts), **parts, _times=self._times)
            del parts
            yield batch
            del batch

    def __getitem__(self, index: Any) -> Any:
        raise TypeError(
            "a seamount.Loader makes whole batches, in its own order, and has no samples by number: iterate over it, or "
            "give a torch DataLoader loader.to_torch(), with batch_size=None and num_workers=0"
        )

    def to_torch(
        self, device: torch.device | str | None = None, *, ahead: int = 2, as_dict: bool = False
    ) -> seamount_torch.Batches:
        """This loader as an IterableDataset whose items are whole batches, (inputs, targets) as tensors; with ``device``
        on that, copied while the step before computes. See :class:`seamount.torch.Batches`.

        Example:
            >>> for inputs, targets in loader.to_torch("cuda"):
            ...     loss = step(model, inputs, targets)
            >>> batches = torch.utils.data.DataLoader(loader.to_torch(), batch_size=None)
        """
        from .torch import Batches

        return Batches(self, device, ahead=ahead, as_dict=as_dict)

    def __repr__(self) -> str:
        seed, epoch, position = self._core.state()
        of_ranks = "" if self.world == 1 else f" of rank {self.rank} of {self.world}"
        return (
            f"<seamount.Loader {self._name}: {self.samples} samples in {len(self)} batches{of_ranks}; seed {seed}, "
            f"epoch {epoch}, position {position}>"
        )

    def _repr_html_(self) -> str:
        _, epoch, position = self._core.state()
        rows = {
            "data": self._name,
            "samples": f"{self.samples}, along {self.sample_dim}",
            "batches": f"{len(self)} in an epoch" + ("" if self.world == 1 else f", rank {self.rank} of {self.world}"),
            **{name: " × ".join(f"{dim} {size}" for dim, size in dims.items()) for name, dims in self.slots.items()},
            "stands at": f"epoch {epoch}, position {position}",
        }
        return table("seamount.Loader", rows)

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
    def sample_dim(self) -> str:
        """The dimension samples run along."""
        return self._core.sample_dim

    @property
    def spec(self) -> Spec:
        """What the loader was told, with everything said: for what works over the same data, as :func:`seamount.predict`."""
        return self._spec

    @property
    def times(self) -> np.ndarray:
        """The time of each position along :attr:`sample_dim`; see :attr:`Batch.time`."""
        return self._times.all()

    @property
    def slots(self) -> dict[str, dict[str, int]]:
        """The sizes of each tensor of a batch by their names, but for the batch's: leads, variables, and the field's."""
        sizes = {}
        for slot, (dims, shape) in zip(self._tensor_slots, self._tensor_fields):
            sizes[slot.name] = {"lead": len(slot.leads), "variable": len(slot.variables), **dict(zip(dims, shape))}
        return sizes

    @property
    def coords(self) -> dict[str, dict[str, np.ndarray]]:
        """By slot, the coordinates of each dimension of its tensors: leads in steps, variables, and what the group has for
        the field's, such as latitudes. Those of the samples are a batch's ``index`` and ``time``."""
        return self._labels.coords()

    def to_xarray(self, batch: Batch, denormalize: bool = False) -> xarray.Dataset:
        """A batch with names and coordinates: each slot is a variable, with masks beside as ``NAME_missing``.

        A dimension that slots do not have alike gets the slot's name in front: ``inputs_lead``, ``targets_lead``.

        Args:
            batch: one of this loader's.
            denormalize: in the units of the data, as :meth:`denormalize` has them.

        ImportError where xarray is not installed.
        """
        if not isinstance(batch, Batch):
            raise InvalidArgumentError(f"batch is a {type(batch).__name__}: expected one of this loader's")
        tensors = {slot.name: self._tensors.plain(slot.name, batch[slot.name]) for slot in self._tensor_slots}
        if denormalize:
            for slot in self._slots:
                physical = self.denormalize(batch[slot.name], batch.index, slot=slot.name, patch=batch.patch)
                tensors[slot.name] = self._tensors.plain(slot.name, physical)
        masks: dict[str, np.ndarray] = {}
        for kind, given in (("inputs", batch.inputs_missing), ("targets", batch.targets_missing)):
            masks |= given if isinstance(given, dict) else {} if given is None else {kind: given}
        masks = {name: self._tensors.plain(name, mask) for name, mask in masks.items()}
        return self._labels.dataset(tensors, masks, sample_coords(batch.index, self._times), batch.patch)

    def denormalize(
        self,
        values: Any,
        index: Any = None,
        leads: Sequence[Lead] | None = None,
        slot: str | None = None,
        patch: Any = None,
    ) -> np.ndarray:
        """Undoes the normalisation, and adds back what ``anomaly`` subtracted: numbers in the units of the data.

        Args:
            values: like a batch's inputs or targets, ``(…, variable, *field)``; a prediction, say.
            index: the samples' numbers, ``batch.index``: for anomalies, whose climatology depends on the time.
            leads: the leads of the values; those of the slot, where nothing is said.
            slot: whose variables these are; ``targets`` or else ``inputs``, or the only slot of a kind.
            patch: the samples' patches, ``batch.patch``: for anomalies in patches.

        Example:
            >>> wind = loader.denormalize(model(batch.inputs), batch.index)  # m/s
        """
        number = slot_number(self._slots, slot)
        chosen = self._slots[number]
        own = self._core.own_steps[number]
        positions = None
        if own and index is not None and self._physical[number].has_anomalies():
            durations_ = chosen.durations if leads is None else durations("leads", leads)
            positions = self._group_times[chosen.group].positions(self._times, index, durations_)
        leads_ = chosen.durations if own else chosen.leads
        if leads is not None:
            leads_ = durations("leads", leads) if own else numbers_of("leads", leads, self._times.step)
        crops = None
        if self._crops[number].any() and index is not None:
            if np.shape(patch) != (len(index), len(self._core.patches)):
                raise InvalidArgumentError(f"patch is {patch!r}: expected batch.patch, as these samples are patches")
            crops = [self._crops[number].index(place) for place in np.asarray(patch)]
        shape = tuple(self._core.fields[number][1])
        layout = self._tensors.layouts.get(chosen.name)
        plain = None if layout is None else layout.undo(np.asarray(values), len(leads_))
        if layout is None or plain is None:
            return self._physical[number].undo(values, shape, index, leads_, crops, positions)
        return layout.apply(self._physical[number].undo(plain, shape, index, leads_, crops, positions))

    @property
    def epoch(self) -> int:
        """The epoch that iterating goes on with."""
        return self._core.state()[1]

    @property
    def field_shape(self) -> tuple[int, ...]:
        """The shape of one field: what is left of a variable's shape without ``sample_dim``. Where slots differ,
        :attr:`slots` has it of each."""
        return self._field[1]

    @property
    def field_dims(self) -> tuple[str, ...]:
        """The dimension names that go with :attr:`field_shape`."""
        return self._field[0]

    @property
    def _field(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        fields = {(tuple(dims), tuple(shape)) for dims, shape in self._core.fields}
        if len(fields) > 1:
            raise InvalidArgumentError(f"the slots have different fields, {self.slots}: see loader.slots")
        return fields.pop()

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of an epoch; when the loader is in that epoch already, it stays where it stands.

        So ``for epoch in range(loader.epoch, n): loader.set_epoch(epoch); for batch in loader: …`` is right both for
        a fresh run and after :meth:`load_state_dict`.
        """
        seed, current, _ = self._core.state()
        if epoch != current:
            self._core.seek(seed, natural("epoch", epoch), 0)

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
        """Goes where :meth:`state_dict` was taken, and on in the order that it was taken in (which may be that of an
        older version of Seamount).

        Raises:
            InvalidArgumentError (ValueError): the state belongs to another order of samples: another selection,
                window or shuffle. The number of ranks, threads and the memory may differ.
        """
        if not isinstance(state, Mapping):
            raise InvalidArgumentError(f"loader state is {state!r}: expected what state_dict() returned")
        if state.get("version") != _STATE_VERSION:
            raise InvalidArgumentError(f"loader state has version {state.get('version')!r}: expected {_STATE_VERSION}")
        seed, epoch, position = (natural(f"the loader state's {name}", state.get(name)) for name in ("seed", "epoch", "position"))
        self._core.resume(seed, epoch, position, str(state.get("order")))

    def explain(self, latency: float | None = None, bandwidth: float | str | None = None) -> Explanation:
        """What an epoch takes, before it is read: bytes, requests, how often each chunk is fetched, how memory is divided,
        and how many samples a second the way and the processor allow. In a notebook it is drawn. It comes from the plans of the
        epoch in which the loader stands and of the next one, and from three chunks of each variable, which are read for it.

        Args:
            latency: seconds that a request takes; None: as measured.
            bandwidth: bytes a second of all connections, as 1e8 or ``"100MiB"``; None: of one as measured, times their number.

        Example:
            >>> loader.explain(latency=0.05, bandwidth="100MiB").samples_per_second
        """
        return explain(self._core.explain(), self.samples // self.world, latency, bandwidth)

    def stats(self) -> dict[str, Any]:
        """Counts since the loader was made, and where the time went.

        ``batches`` and ``samples`` handed out; ``requests`` and ``bytes_fetched`` for chunks as stored;
        ``chunks_fetched``, of which ``chunks_absent`` were not stored; ``chunks_decoded`` and ``bytes_decoded``;
        ``cache_hits``: uses of chunks that were decoded already; ``fetch_threads`` and ``memory_peak`` (bytes of the
        budget) at most.

        ``wait_seconds``, that a batch was waited for, is the sum of ``wait_network_seconds``, while nothing of it was there to
        be worked on, ``wait_decode_seconds``, while something of it was decoded or copied or stood in line, and
        ``wait_plan_seconds``, while an epoch was being planned. ``trainer_seconds``: from each batch to the call for the
        next one of its epoch. ``bottleneck`` names the largest of these four: ``"network"``, ``"decode"``, ``"plan"`` or
        ``"trainer"``; None before any batch. ``seamount top`` shows it live.
        """
        return self._core.stats()

"""Forward mode: a model over everything that a loader's spec covers, written as Zarr."""

from __future__ import annotations

import contextlib
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .arrays import Group, group_at
from .blending import Blend, blend_of
from .connection import Key, Place, path_of, url_of
from .errors import InvalidArgumentError, PermissionDeniedError, PreconditionFailedError
from .loader import Loader, Range
from .models import Model, models_of
from .patches import Patches
from .patchwise import Patchwise
from .prediction_layout import Layout
from .prediction_store import PredictionStore
from .rollout import Rollout, Tensors, inputs_of
from .selection import natural


def predict(
    model: Callable[..., Any] | Sequence[Callable[..., Any]],
    data: Loader,
    to: str | os.PathLike[str],
    *,
    split: str | None = None,
    select: Range | list[Range] | None = None,
    steps: int = 1,
    members: int | None = None,
    patches: Patches | None = None,
    blend: Blend = "linear",
    device: Any = None,
    batch_size: int | None = None,
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    rank: int = 0,
    world: int = 1,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> Group | None:
    """Runs a model over every sample, in order, and writes what it gives as a Zarr group.

    The loader says what the model sees and what it gives: it is used as it is, but for the order of the samples, and with
    whole fields, or the patches that are given here, in place of its own patches. Its targets are not read, so samples may be
    forecast beyond the end of the data. What the model gives is denormalised; anomalies get their climatology back (which is known within the data only: other
    samples are left out then, and the targets are read).

    Each variable is an array ``(time, lead, [member,] *field)`` with the attributes of the data, beside their coordinates;
    ``position`` holds the samples' numbers. With several slots of targets, each is a group of its own within.

    A run that was stopped goes on when it is started again: it costs the batch that it was at. The group can be opened
    when all batches are there.

    Args:
        model: takes a batch's inputs, ``(batch, lead, variable, *field)`` or a dict of slots, and gives the targets in the same
            form (one lead's dimension may be left out). NumPy arrays; tensors for a ``torch.nn.Module``, which runs in its
            evaluation mode on the device where it is. A list of models is an ensemble, along ``member``.
        data: a :class:`seamount.Loader` with targets.
        to: where the group is written: ``gs://bucket/prefix``, ``file:///directory`` or a folder, an empty place.
        split, select: which samples, in place of the loader's.
        steps: of a roll-out: the model runs on its own output, each step as far as the last lead of the targets.
        members: calls the model so often for each batch, with ``member=0``, ``1``, …: an ensemble of one model.
        patches: runs the model over patches of the field, a grid of them with an overlap and with ``wrap`` where the field is
            round, and blends what it gives: ``Patches({"lat": 64, "lon": 64}, overlap=16, wrap="lon")``. A roll-out goes on from
            the blended field of the step before.
        blend: how much a patch counts at a point: its weight grows from its edge through the overlap, along each dimension,
            ``"linear"`` in a straight line or ``"cosine"`` as a squared sine, or is the same everywhere (``"uniform"``, the
            mean). The weights of all patches there are 1 together. What one of them leaves NaN is NaN.
        device: gives tensors on that device to a model that is no ``torch.nn.Module``.
        batch_size: samples at a time, and in each object that is written; the loader's, where nothing is said. With
            ``patches``: patches at a time, and an object holds one time, or as many as have their patches in one batch; so much
            is in memory.
        attributes: of the group that is written. A run goes on with one of the same attributes only, so a model's version is
            at home here: a model cannot be told from another one.
        overwrite: delete the prediction that lies there. With one rank only.
        rank, world: this process out of so many, each of which does a part of the batches; the last one finishes.
        endpoint, key, anonymous: of ``to``, as for the loader.

    Returns:
        The group, or None while other ranks are still at work.

    Raises:
        InvalidArgumentError (ValueError): an argument is wrong, or the model gives another shape; the message says which.
        PreconditionFailedError (RuntimeError): something else lies at ``to``, or this prediction is there already.

    Example:
        >>> forecast = seamount.predict(model, loader, "gs://lab/forecast.zarr", split="test", steps=4)
        >>> forecast["uwnd"][0, 3]  # the fourth step from the first time, in m/s
    """
    run = _Run(model, data, split, select, natural("steps", steps), members, device, batch_size, patches, blend_of(blend))
    place = Place(key, endpoint, anonymous)
    if attributes is not None and not isinstance(attributes, Mapping):
        raise InvalidArgumentError(f"attributes is {attributes!r}: expected a dict")
    given = dict(attributes or {})
    if "seamount" in given:
        raise InvalidArgumentError("attributes has 'seamount', which is written by predict itself: expected another name")
    if overwrite and world != 1:
        raise InvalidArgumentError("overwrite=True with several ranks: one would delete what another has written; delete it first")
    if natural("rank", rank) >= natural("world", world):
        raise InvalidArgumentError(f"rank is {rank} and world is {world}: expected 0 <= rank < world")
    record = run.layout.record() | {"attributes": given}
    if (url := url_of(path_of("to", to))).startswith("file://"):
        _make_folder(url.removeprefix("file://"))
    store = PredictionStore(place.open(url), url, record, run.batches)
    mine = range(run.batches * rank // world, run.batches * (rank + 1) // world)
    done = store.begin(overwrite)
    if store.finished():
        if mine:
            raise PreconditionFailedError(
                f"{url} holds this prediction already, whole. Take another place, or overwrite=True to make it again"
            )
        return group_at(url, "r", place)
    store.create(run.layout.outputs)
    left = [batch for batch in mine if batch not in done]
    if len(left) < len(mine):
        warnings.warn(f"going on at {url}: {len(mine) - len(left)} of {len(mine)} batches are there", stacklevel=2)
    run.write(store, left)
    if not store.finish(run.layout.outputs, given | {"seamount": run.layout.notes()}):
        return None
    return group_at(url, "r", place)


class _Run:
    """A model and the samples that it runs over."""

    def __init__(
        self, model: Any, data: Loader, split: Any, select: Any, steps: int, members: Any, device: Any, batch_size: Any,
        patches: Any, blend: Blend,
    ) -> None:  # fmt: skip
        if not isinstance(data, Loader):
            raise InvalidArgumentError(f"data is a {type(data).__name__}: expected a seamount.Loader")
        if steps < 1:
            raise InvalidArgumentError(f"steps is {steps}: expected 1 or more")
        if members is not None and natural("members", members) < 1:
            raise InvalidArgumentError(f"members is {members}: expected 1 or more")
        changes: dict[str, Any] = dict(shuffle=None, rank=0, world=1, drop_last=False, patches=None)
        changes |= {name: value for name, value in (("split", split), ("select", select)) if value is not None}
        if batch_size is not None:
            changes["batch_size"] = batch_size
        data = data.replace(**changes)
        spec, slots = data.spec, data.spec.slots
        targets, inputs = ([slot for slot in slots if slot.target is kind] for kind in (True, False))
        if not targets:
            raise InvalidArgumentError("the loader has no targets, which say what the model gives: variables and leads")
        if laid_out := [slot.name for slot in slots if slot.layout is not None]:
            raise InvalidArgumentError(
                f"{laid_out[0]!r} has a layout, and a prediction goes by (batch, lead, variable, *field): give the loader without, "
                "as loader.replace(layout=None), and a model that turns its inputs and outputs itself"
            )
        if any(slot.missing == "skip" for slot in inputs):
            raise InvalidArgumentError("missing is 'skip', and a prediction has every sample: expected 'keep', 'fill' or 'raise'")
        self._rollout = Rollout(inputs, targets, steps, spec.is_static)
        self._data = data
        self._leads = {slot.name: spec.leads_of(slot, self._rollout.leads) for slot in targets}
        # Of the inputs; of all leads that are forecast too, where climatologies are to be added back.
        anomalies = any(spec.has_anomalies(slot) for slot in targets)
        self._reader = data.replace(**(spec.with_leads(self._rollout.leads) if anomalies else spec.without_targets()))
        expected = {slot.name: tuple(data.slots[slot.name].values()) for slot in targets}
        self._patchwise: Patchwise | None = None
        size, more = spec.batch_size, {}
        if patches is not None:
            self._patchwise = Patchwise(patches, blend, slots, data.slots, self._rollout, size)
            expected, size, more = self._patchwise.expected(), self._patchwise.times, {"patches": self._patchwise.record()}
        self.layout = Layout(data, self._reader, self._rollout.leads, _members(model, members), size, more)
        self.batches = -(-self.layout.samples // size)
        if self._patchwise is not None:
            self._reader = self._reader.replace(patches=self._patchwise.patches, batch_size=self._patchwise.batch_size)
        self._models = models_of(model, members, lambda one: Model(one, device, spec.named, expected))
        self._calls: list[Callable[[Any], Any]] = list(self._models)
        if members is not None:
            one = self._models[0]
            self._calls = [lambda inputs, member=member: one(inputs, member) for member in range(members)]  # type: ignore[misc]

    def write(self, store: PredictionStore, batches: list[int]) -> None:
        """Runs these batches; a batch is written while the next one is computed."""
        pending: Future[None] | None = None
        with ThreadPoolExecutor(1, "seamount-predict") as pool:
            for run in _consecutive(batches):
                for number, (index, parts) in zip(run, self._parts_from(run.start)):
                    if pending is not None:
                        pending.result()
                    pending = pool.submit(store.write, number, number * self.layout.batch_size, index, parts)
                    del parts
            if pending is not None:
                pending.result()

    def _parts_from(self, number: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """The samples' index, and what is written of each batch from this one on."""
        for index, members in self._fields_from(number):
            given = [{name: self._physical(name, values, index) for name, values in each.items()} for each in members]
            del members
            yield index.copy(), self.layout.parts(given)
            del given

    def _fields_from(self, number: int) -> Iterator[tuple[np.ndarray, list[Tensors]]]:
        """The samples' index, and what each member gives for them: whole fields, as the model sees them."""
        patchwise = self._patchwise
        each = self.layout.batch_size if patchwise is None else patchwise.batches * patchwise.batch_size
        self._reader.load_state_dict(self._reader.state_dict() | {"epoch": 0, "position": number * each})
        batches = iter(self._reader)
        for _ in range(number, self.batches):
            with contextlib.ExitStack() as evaluating:
                for model in self._models:
                    evaluating.enter_context(model.evaluating())
                if patchwise is None:
                    batch = next(batches)
                    found = batch.index, [self._rollout.run(call, inputs_of(batch)) for call in self._calls]
                    del batch
                else:
                    found = patchwise.run(self._calls, itertools.islice(batches, patchwise.batches))
            yield found
            del found

    def _physical(self, name: str, values: np.ndarray, index: np.ndarray) -> np.ndarray:
        """In the data's units, and in what is written."""
        back = self._data.denormalize(values, index, self._leads[name], name)
        return back.astype(self.layout.dtypes[name], copy=False)


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except PermissionError as error:
        raise PermissionDeniedError(f"making the folder {path!r}: {error.strerror}") from None
    except (FileExistsError, NotADirectoryError):
        raise PreconditionFailedError(f"{path!r} is a file, or lies below one: expected a folder, or a place for one") from None


def _members(model: Any, members: int | None) -> int | None:
    return len(model) if isinstance(model, Sequence) else members


def _consecutive(numbers: list[int]) -> Iterable[range]:
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield range(numbers[start], numbers[place - 1] + 1)
            start = place

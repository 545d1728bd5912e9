"""A model over the patches of whole fields: which batches the patches come in, and what they make together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .blending import Blend, Blending, Tiling
from .errors import InternalError, InvalidArgumentError
from .patches import Patches
from .rollout import Rollout, Tensors, inputs_of, joined
from .slots import Resolved

Fields = dict[str, dict[str, int]]
"""By slot the sizes of a tensor by dimension: lead, variable, and the field's."""

_Batch = tuple[Tensors, list[tuple[int, int]]]
"""Patches, and of each the time and the place: numbers within what is computed together."""


class Patchwise:
    """Of one time, or of as many as a batch of patches holds: what is computed and written together.

    Batches begin with a time and are equally large: where a time has more patches than a batch, its last place is repeated
    until they are. So what a model sees together follows from the time alone, and neither from ranks nor from where a run
    was stopped. A roll-out goes on from the blended field of the step before.
    """

    def __init__(
        self, patches: Any, blend: Blend, slots: list[Resolved], fields: Fields, rollout: Rollout, batch_size: int
    ) -> None:
        if not isinstance(patches, Patches):
            raise InvalidArgumentError(f"patches is {patches!r}: expected a seamount.Patches, as Patches({{'lat': 64}}, overlap=8)")
        self._rollout = rollout
        self._leads: dict[str, int] = {}
        self._variables: dict[str, int] = {}
        self._tiling = Tiling(patches, _lengths(patches, slots, fields), blend)
        self._count = len(self._tiling.places)
        self.batches = -(-self._count // batch_size)
        """Of patches, for what is computed together."""
        self.times = max(1, batch_size // self._count)
        self.batch_size = self.times * self._count if self.batches == 1 else -(-self._count // self.batches)
        self._padded = self._count if self.batches == 1 else self.batches * self.batch_size
        places = self._tiling.places + self._tiling.places[-1:] * (self._padded - self._count)
        self.patches = dataclasses.replace(patches, stride=None, overlap=None, at=places)
        self._blendings: dict[str, Blending] = {}
        for slot in slots:
            if slot.target:
                self._add_target(slot, fields[slot.name])

    def _add_target(self, slot: Resolved, sizes: dict[str, int]) -> None:
        missing = [name for name, _, _ in self._tiling.along if name not in sizes]
        if not slot.patch_scale or missing:
            raise InvalidArgumentError(
                f"{slot.name!r} has the same field in all patches (" + (f"without {missing[0]!r}" if missing else "patch=False")
                + "): expected targets that are cut into patches"
            )  # fmt: skip
        (_, self._leads[slot.name]), (_, self._variables[slot.name]), *field = sizes.items()
        dims, shape = [dim for dim, _ in field], [size for _, size in field]
        self._blendings[slot.name] = self._tiling.onto(dims, shape, slot.patch_scale)

    def record(self) -> dict[str, Any]:
        """What the patches are, for a run that would go on with them."""
        return self._tiling.record()

    def expected(self) -> dict[str, tuple[int, ...]]:
        """By slot (lead, variable, *field) of what the model gives."""
        each = self._blendings.items()
        return {name: (self._leads[name], self._variables[name], *blending.patch_shape) for name, blending in each}

    def run(self, calls: list[Callable[[Tensors], Tensors]], given: Iterable[Any]) -> tuple[np.ndarray, list[Tensors]]:
        """From the next :attr:`batches` of the loader: the times' index, and the whole fields that each of ``calls`` makes
        of them, (time, lead, variable, *field) by slot, in float64."""
        index = np.empty(0, "i8")
        kept: list[_Batch] = []
        fields: list[Tensors] = []
        for number, batch in enumerate(given):
            if number == 0:
                index = batch.index[:: self._padded].copy()
                fields = [self._zeros(len(index)) for _ in calls]
            patches = self._patches(number, batch)
            inputs = inputs_of(batch)
            for call, field in zip(calls, fields):
                self._add(field, call(inputs), patches)
            if self._rollout.steps > 1:
                kept.append((inputs, patches))
            del batch
        return index, [self._rolled_out(call, field, kept) for call, field in zip(calls, fields)]

    def _rolled_out(self, call: Callable[[Tensors], Tensors], first: Tensors, batches: list[_Batch]) -> Tensors:
        steps = [first]
        for _ in range(1, self._rollout.steps):
            state = steps[-1][self._rollout.target]
            batches = [(self._rollout.following(inputs, self._cut(state, patches)), patches) for inputs, patches in batches]
            steps.append(self._zeros(len(state)))
            for inputs, patches in batches:
                self._add(steps[-1], call(inputs), patches)
        return joined(steps) if len(steps) > 1 else first

    def _zeros(self, times: int) -> Tensors:
        return {name: each.zeros(times, self._leads[name], self._variables[name]) for name, each in self._blendings.items()}

    def _patches(self, number: int, batch: Any) -> list[tuple[int, int]]:
        begin = number * self.batch_size
        patches = [divmod(begin + i, self._padded) for i in range(len(batch.index))]
        if [tuple(place) for place in batch.patch] != [self.patches.at[place] for _, place in patches]:  # type: ignore[index]
            raise InternalError("the loader's patches are not in the order of their places")
        return patches

    def _add(self, fields: Tensors, outputs: Tensors, patches: list[tuple[int, int]]) -> None:
        for name, blending in self._blendings.items():
            for values, (time, place) in zip(outputs[name], patches):
                if place < self._count:
                    blending.add(fields[name][time], place, values)

    def _cut(self, field: np.ndarray, patches: list[tuple[int, int]]) -> np.ndarray:
        blending = self._blendings[self._rollout.target]
        return np.stack([blending.cut(field[time], min(place, self._count - 1)) for time, place in patches])


def _lengths(patches: Patches, slots: list[Resolved], fields: Fields) -> dict[str, int]:
    """Of each dimension that patches cut, in their positions. The engine compares those slots alone that it reads."""
    lengths: dict[str, int] = {}
    cut = [slot for slot in slots if slot.patch_scale]
    for dim, *_ in patches.options()["dims"]:
        for slot in cut:
            size = fields[slot.name].get(dim)
            if size is not None and size != lengths.setdefault(dim, size // slot.patch_scale) * slot.patch_scale:
                raise InvalidArgumentError(
                    f"{slot.name!r} has {size} positions along {dim!r}: expected {lengths[dim] * slot.patch_scale}, as its grid is "
                    "that of the patches (where it is twice as fine, Slot(…, patch=2) says so)"
                )
        if dim not in lengths:
            known = dict.fromkeys(name for slot in cut for name in list(fields[slot.name])[2:])
            raise InvalidArgumentError(f"patches have {dim!r}: expected dimensions of the field, {', '.join(map(repr, known))}")
    return lengths

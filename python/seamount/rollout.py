"""Which leads a model gives when it runs on its own output, and what it is given for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import InvalidArgumentError
from .slots import Resolved

Tensors = dict[str, np.ndarray]


class Rollout:
    """A run of ``steps`` steps: each goes on as far as the last lead of the targets.

    The slot of inputs that has the target's variables is the state: from the second step on it holds what the model gave.
    Other inputs stay as they are, so none of them may vary in time.
    """

    def __init__(self, inputs: list[Resolved], targets: list[Resolved], steps: int, static: Callable[[Resolved], bool]) -> None:
        self.steps = steps
        leads = targets[0].leads
        for slot in targets:
            if not slot.whole:
                raise InvalidArgumentError(
                    f"{slot.name!r} has leads that are no whole steps of the samples: expected such, as a prediction's leads are "
                    "counted in these steps. Take the group with the shorter steps as the loader's own"
                )
            if slot.leads != leads:
                raise InvalidArgumentError(
                    f"slots {targets[0].name!r} and {slot.name!r} have the leads {leads} and {slot.leads}: expected the same of "
                    "all targets"
                )
        self.stride = max(leads, default=0)
        self.leads = [lead + step * self.stride for step in range(steps) for lead in leads]
        self.state = self.target = ""
        if steps > 1:
            self._check(inputs, targets, static)

    def _check(self, inputs: list[Resolved], targets: list[Resolved], static: Callable[[Resolved], bool]) -> None:
        if len(targets) != 1 or len(set(self.leads)) != len(self.leads) or min(targets[0].leads) < 1:
            raise InvalidArgumentError("steps > 1: expected one slot of targets, with different leads of 1 or more")
        target = targets[0]
        same = [slot for slot in inputs if _kind(slot) == _kind(target)]
        if len(same) != 1:
            raise InvalidArgumentError(
                f"steps > 1: expected one slot of inputs with the variables {target.variables} of {target.name!r}, in that "
                "order, normalised and cut into patches alike, which is what the model gives"
            )
        self.state, self.target = same[0].name, target.name
        for slot in inputs:
            if slot.name != self.state and not static(slot):
                raise InvalidArgumentError(
                    f"steps > 1: {slot.name!r} varies in time, and is not known at later steps: expected fields that are static"
                )
        self._inputs, self._outputs = same[0].leads, target.leads
        for lead in self._inputs:
            if lead + self.stride not in (*self._inputs, *self._outputs):
                raise InvalidArgumentError(
                    f"steps > 1: the second step needs lead {lead + self.stride}, which is neither among the inputs "
                    f"{self._inputs} nor among what the model gives, {self._outputs}"
                )

    def run(self, model: Callable[[Tensors], Tensors], inputs: Tensors) -> Tensors:
        """The outputs of all steps, one after the other along the leads."""
        given = []
        for step in range(self.steps):
            outputs = model(inputs)
            given.append(outputs)
            if step + 1 < self.steps:
                inputs = self.following(inputs, outputs[self.target])
        return joined(given)

    def following(self, inputs: Tensors, outputs: np.ndarray) -> Tensors:
        """The inputs of the next step: the state's window, moved on by a stride. ``outputs``: of the target."""
        window = inputs[self.state]
        moved = np.empty_like(window)
        for place, lead in enumerate(self._inputs):
            wanted = lead + self.stride
            if wanted in self._outputs:
                moved[:, place] = outputs[:, self._outputs.index(wanted)]
            else:
                moved[:, place] = window[:, self._inputs.index(wanted)]
        return {**inputs, self.state: moved}


def joined(steps: list[Tensors]) -> Tensors:
    """One step's outputs after the other's along the leads."""
    return {name: np.concatenate([outputs[name] for outputs in steps], axis=1) for name in steps[0]}


def inputs_of(batch: Any) -> Tensors:
    """By slot; "inputs", where there is but one."""
    return batch.inputs if isinstance(batch.inputs, dict) else {"inputs": batch.inputs}


def _kind(slot: Resolved) -> tuple[Any, ...]:
    normalize = sorted(slot.normalize.items()) if isinstance(slot.normalize, dict) else slot.normalize
    return slot.variables, slot.group, slot.patch_scale, normalize

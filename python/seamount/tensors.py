"""What the engine hands out, as the tensors of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .encodings import Encoder
from .layout import Fitted
from .slots import Resolved

_KINDS = (("inputs", False), ("targets", True))


class Tensors:
    """Those of one loader: types, layouts, names, and encodings beside the slots."""

    def __init__(
        self,
        slots: list[Resolved],
        encoders: list[tuple[str, bool, Encoder]],
        layouts: dict[str, Fitted],
        order: dict[bool, list[str]] | None,
    ) -> None:
        """``order``: the names of inputs (False) and targets (True) as they were given; None for the usual two slots."""
        self._slots, self._encoders, self.layouts, self._order = slots, encoders, layouts, order

    def parts(self, arrays: list[tuple[np.ndarray, np.ndarray | None]], samples: dict[str, Any]) -> dict[str, Any]:
        """The parts of a Batch that are slots. ``samples``: its other parts, as the engine tells them."""
        arrays = [self._laid_out(slot, slot.seen(data), missing) for slot, (data, missing) in zip(self._slots, arrays)]
        if self._order is None:
            both = zip(("inputs", "targets"), [*arrays, (None, None)])
            return {name + part: array for name, pair in both for part, array in zip(("", "_missing"), pair)}
        parts: dict[str, Any] = {"inputs": {}, "targets": {}, "inputs_missing": {}, "targets_missing": {}}
        for slot, (data, missing) in zip(self._slots, arrays):
            kind = "targets" if slot.target else "inputs"
            parts[kind][slot.name] = data
            if missing is not None:
                parts[kind + "_missing"][slot.name] = missing
        for name, target, encoder in self._encoders:
            tensor = encoder.compute(samples["index"], samples.get("patch"))
            layout = self.layouts.get(name)
            parts["targets" if target else "inputs"][name] = tensor if layout is None else layout.apply(tensor)
        if self._encoders:
            for kind, target in _KINDS:
                parts[kind] = {name: parts[kind][name] for name in self._order[target]}
        return {name: tensors or (None if name != "inputs" else {}) for name, tensors in parts.items()}

    def plain(self, slot: str, tensor: np.ndarray) -> np.ndarray:
        """A tensor of a batch as (batch, lead, variable, *field)."""
        layout = self.layouts.get(slot)
        return tensor if layout is None else layout.plain(tensor)

    def _laid_out(self, slot: Resolved, data: np.ndarray, missing: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        layout = self.layouts.get(slot.name)
        if layout is None:
            return data, missing
        return layout.apply(data), None if missing is None else layout.apply(missing)


def layouts_of(slots: Sequence[Resolved], fields: Sequence[tuple[Sequence[str], Sequence[int]]]) -> dict[str, Fitted]:
    """By name, those of the slots that have one."""
    fitted = {}
    for slot, (dims, shape) in zip(slots, fields):
        if slot.layout is not None:
            fitted[slot.name] = slot.layout.fitted(dims, len(slot.leads), len(slot.variables), shape)
    return fitted

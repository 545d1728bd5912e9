"""From what a model sees back to what was measured: undoing normalisation, adding climatologies back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import InvalidArgumentError


class Physical:
    """Undoes what was done to a loader's variables; reads attributes and climatologies when they are first needed."""

    def __init__(self, group: Any, variables: Sequence[str], normalize: bool | Mapping[str, tuple[float, float]]) -> None:
        self._group, self._variables, self._normalize = group, list(variables), normalize
        self._notes: list[dict[str, Any]] | None = None
        self._weights: np.ndarray | None = None
        self._climatologies: dict[str, np.ndarray] = {}

    def undo(
        self,
        values: Any,
        field_shape: tuple[int, ...],
        index: Any,
        leads: Sequence[int],
        crops: Sequence[tuple[np.ndarray, ...]] | None = None,
        positions: np.ndarray | None = None,
    ) -> np.ndarray:
        """``crops``: of each sample, what takes its patch out of a whole field; None where it is that. ``positions``: where
        each sample's leads are, if not so many steps from it."""
        given = np.asarray(values)
        axis = given.ndim - len(field_shape) - 1
        if axis < 0 or given.shape[axis:] != (len(self._variables), *field_shape):
            raise InvalidArgumentError(
                f"values have shape {given.shape}: expected (…, {len(self._variables)} variables, *{field_shape})"
            )
        out = given.astype("f8")
        for v, name in enumerate(self._variables):
            place = (slice(None),) * axis + (v,)
            mean, std = self._normalization(v)
            out[place] = out[place] * std + mean
            anomaly = self._of(v).get("anomaly")
            if anomaly:
                out[place] += self._climatology(name, anomaly["climatology"], given.shape[:axis], index, leads, crops, positions)
        return out if given.dtype == np.float64 else out.astype("f4")

    def has_anomalies(self) -> bool:
        """Whether values need a climatology to be physical, which is known at the data's own times alone."""
        return any("anomaly" in self._of(v) for v in range(len(self._variables)))

    def _of(self, variable: int) -> dict[str, Any]:
        if self._notes is None:
            arrays = [self._group.open_array(name, "") for name in self._variables]
            notes = [json.loads(array.attributes_json).get("seamount") for array in arrays]
            self._notes = [note if isinstance(note, dict) else {} for note in notes]
        return self._notes[variable]

    def _normalization(self, variable: int) -> tuple[float, float]:
        if self._normalize is False:
            return 0.0, 1.0
        if isinstance(self._normalize, Mapping) and self._variables[variable] in self._normalize:
            return self._normalize[self._variables[variable]]
        normalize = self._of(variable)["normalize"]
        return normalize["mean"], normalize["std"]

    def _read(self, name: str) -> np.ndarray:
        array = self._group.open_array(name, "")
        return array.read([0] * len(array.shape), array.shape, False)

    def _climatology(
        self, name: str, climatology: str, shape: tuple[int, ...], index: Any, leads: Any, crops: Any, positions: Any
    ) -> np.ndarray:
        """What was subtracted at each sample and lead."""
        if index is None or len(shape) != 2 or shape != (len(index), len(leads)):
            raise InvalidArgumentError(
                f"{name!r} is an anomaly, to which its climatology is added back: values must be (sample, lead, variable, "
                f"field…), with as many numbers in index= and leads= as samples and leads; values have {shape}, index "
                f"{None if index is None else len(index)}, leads {len(leads)}"
            )
        if self._weights is None:
            self._weights = self._read("climatology_weights")
        if climatology not in self._climatologies:
            self._climatologies[climatology] = self._read(climatology)
        if positions is None:
            positions = np.asarray(index)[:, None] + np.asarray(leads)[None, :]
        if positions.min() < 0 or positions.max() >= len(self._weights):
            raise InvalidArgumentError(
                f"position {positions.max()} lies outside the data, which have 0..{len(self._weights)}: the climatology is "
                "known there only"
            )
        parts = self._climatologies[climatology].astype("f8")
        if crops is None:
            return np.tensordot(self._weights[positions], parts, 1)
        of_samples = zip(self._weights[positions], crops)
        return np.stack([np.tensordot(w, np.stack([part[crop] for part in parts]), 1) for w, crop in of_samples])

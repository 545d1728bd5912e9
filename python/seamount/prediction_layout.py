"""Which arrays a prediction has: of each variable, of coordinates, of the samples; and a batch's part of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from .errors import InvalidArgumentError, NotFoundError
from .loader import Loader
from .prediction_store import Output

# What numbers were packed by, which they are no more.
_PACKING = {
    "scale_factor", "add_offset", "_FillValue", "missing_value", "valid_min", "valid_max", "valid_range", "_Unsigned",
    "seamount", "coordinates",
}  # fmt: skip


class Layout:
    """Of the prediction that the targets of ``data`` describe, for the samples of ``reader``."""

    def __init__(
        self, data: Loader, reader: Loader, leads: list[int], members: int | None, batch_size: int, more: dict[str, Any]
    ) -> None:
        """``batch_size``: samples that are written together; ``more``: of the record."""
        self._spec, self._leads, self._members, self._more = data.spec, leads, members, more
        self._fields = data.slots
        self._targets = [slot for slot in data.spec.slots if slot.target]
        self._order = reader.state_dict()["order"]
        self.samples = reader.samples
        self.batch_size = batch_size
        self.dtypes = {slot.name: np.dtype("f8" if slot.float64 else "f4") for slot in self._targets}
        self.outputs: list[Output] = []
        for slot in self._targets:
            self._add(slot, f"{slot.name}/" if len(self._targets) > 1 else "")

    def record(self) -> dict[str, Any]:
        """What this prediction is, for a run that would go on with it."""
        return {
            "version": 2,
            "data": self._spec.url,
            "samples": self._order,
            "variables": [name for slot in self._targets for name in slot.variables],
            "leads": self._leads,
            "members": self._members,
            "batch_size": self.batch_size,
            "arrays": [output.path for output in self.outputs],
            **self._more,
        }

    def notes(self) -> dict[str, Any]:
        """The group's attribute ``seamount``: what scores need to find the truth."""
        slots = {slot.name: {"variables": slot.variables, "group": self._spec.url_of(slot)} for slot in self._targets}
        return {"sample_dim": self._spec.sample_dim, "prediction": self.record() | {"slots": slots}}

    def parts(self, members: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """By path, what a batch writes. ``members``: by slot (batch, lead, variable, *field) of each."""
        found = {}
        for slot in self._targets:
            prefix = f"{slot.name}/" if len(self._targets) > 1 else ""
            for v, name in enumerate(slot.variables):
                fields = [member[slot.name][:, :, v] for member in members]
                found[prefix + name] = fields[0] if self._members is None else np.stack(fields, axis=2)
        return found

    def _add(self, slot: Any, prefix: str) -> None:
        group = self._spec.group_of(slot)
        sizes = list(self._fields[slot.name].items())[2:]
        dims = [self._spec.sample_dim, "lead", *(["member"] if self._members else []), *(dim for dim, _ in sizes)]
        if len(set(dims)) != len(dims) or "position" in dims:
            raise InvalidArgumentError(f"{slot.name!r} has the dimensions {dims}, of which two are of one name")
        counts = [len(self._leads), *([self._members] if self._members else [])]
        field = [size for _, size in sizes]
        self._add_samples(prefix)
        self._add_whole(prefix + "lead", ["lead"], *self._lead_values())
        if self._members:
            self._add_whole(prefix + "member", ["member"], np.arange(self._members), {"standard_name": "realization"})
        auxiliary: set[str] = set()
        for name in slot.variables:
            attributes = _attributes(group.open_array(name, ""))
            auxiliary |= set(str(attributes.get("coordinates", "")).split())
            if isinstance(attributes.get("grid_mapping"), str):
                auxiliary.add(attributes["grid_mapping"])
            coordinates = [other for other in str(attributes.get("coordinates", "")).split() if other in self._fitting(group, dims)]
            kept = {key: value for key, value in attributes.items() if key not in _PACKING}
            if coordinates:
                kept["coordinates"] = " ".join(coordinates)
            self.outputs.append(Output(
                prefix + name, self.dtypes[slot.name], dims, [self.samples, *counts, *field],
                [self.batch_size, *counts, *field], [1] * (1 + len(counts)) + field, kept,
            ))  # fmt: skip
        for name in [dim for dim, _ in sizes] + sorted(auxiliary & self._fitting(group, dims)):
            self._copy(group, prefix, name)

    def _fitting(self, group: Any, dims: list[str]) -> set[str]:
        """The group's arrays that lie along the field's dimensions alone."""
        fitting = set()
        for name in group.arrays():
            array = group.open_array(name, "")
            along = set(array.dims)
            if len(array.dims) == len(array.shape) and along <= set(dims[1:]) - {"lead", "member"}:
                fitting.add(name)
        return fitting

    def _copy(self, group: Any, prefix: str, name: str) -> None:
        try:
            array = group.open_array(name, "")
        except NotFoundError:
            return
        if any(output.path == prefix + name for output in self.outputs) or np.dtype(array.dtype).kind not in "iufb":
            return
        values = array.read([0] * len(array.shape), array.shape, False)
        attributes = {key: value for key, value in _attributes(array).items() if key not in _PACKING}
        self._add_whole(prefix + name, list(array.dims), values, attributes)

    def _add_whole(self, path: str, dims: list[str], values: np.ndarray, attributes: dict[str, Any]) -> None:
        shape = list(values.shape)
        self.outputs.append(Output(path, values.dtype, dims, shape, shape, shape, attributes, values))

    def _add_samples(self, prefix: str) -> None:
        """The samples' numbers, and what the data say of them."""
        dim = self._spec.sample_dim
        attributes = {"long_name": f"position along {dim} of the data"}
        size = [self.samples]
        position = Output(prefix + "position", np.dtype("i8"), [dim], size, size, size, attributes, of=lambda index: index)
        self.outputs.append(position)
        if (found := self._sample_values()) is not None:
            values, kept = found
            times = Output(prefix + dim, values.dtype, [dim], size, size, size, kept, of=lambda index: values[index])
            self.outputs.append(times)

    def _sample_values(self) -> tuple[np.ndarray, dict[str, Any]] | None:
        """Of each position of the data its coordinate, in the data's own units; None where there is none."""
        group = self._spec.groups[0]
        try:
            array = group.open_array(self._spec.sample_dim, "")
        except NotFoundError:
            return None
        kept = {key: value for key, value in _attributes(array).items() if key not in _PACKING and key != "bounds"}
        values = array.read([0], array.shape, False)
        if values.dtype.kind == "M":
            since = "microseconds since 1970-01-01"
            return values.astype("M8[us]").astype("i8"), kept | {"units": since, "calendar": "proleptic_gregorian"}
        if values.dtype.kind not in "iuf":
            raise InvalidArgumentError(f"coordinate {self._spec.sample_dim!r} is of {values.dtype}: expected numbers or times")
        return values, kept

    def _lead_values(self) -> tuple[np.ndarray, dict[str, Any]]:
        """In hours or seconds where steps are equally long, else in steps."""
        try:
            step = self._spec.times.step()
        except (NotFoundError, InvalidArgumentError):
            return np.array(self._leads), {"long_name": f"lead, in steps of {self._spec.sample_dim}"}
        size, unit = (3_600_000_000, "hours") if step % 3_600_000_000 == 0 else (1_000_000, "seconds")
        if step % size:
            return np.array(self._leads), {"long_name": f"lead, in steps of {self._spec.sample_dim}"}
        return np.array(self._leads) * (step // size), {"standard_name": "forecast_period", "units": unit}


def _attributes(array: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = json.loads(array.attributes_json)
    return attributes

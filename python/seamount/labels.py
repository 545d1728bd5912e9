"""What the dimensions of a batch's tensors are: their names and coordinates, for xarray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidArgumentError, NotFoundError
from .patches import Crops
from .slots import Resolved

if TYPE_CHECKING:
    import xarray

Coords = dict[str, np.ndarray]


class Labels:
    """The coordinates of each slot; arrays of the field's dimensions are read when they are first asked for."""

    def __init__(
        self, slots: list[Resolved], groups: list[Any], fields: list[tuple[list[str], list[int]]], crops: list[Crops]
    ) -> None:
        self._slots, self._groups, self._fields, self._crops = slots, groups, fields, crops
        self._read: dict[tuple[int, str], np.ndarray | None] = {}

    def coords(self) -> dict[str, Coords]:
        """By slot and dimension, without the samples'; a dimension that has no coordinate is left out."""
        all_coords = {}
        for slot, (dims, shape), crops in zip(self._slots, self._fields, self._crops):
            lead = np.array(slot.leads) if slot.whole else np.array(slot.durations, "m8[us]").astype("m8[ns]")
            coords: Coords = {"lead": lead, "variable": np.array(slot.variables)}
            for dim, size in zip(dims, shape):
                if crops.cropped(dim):
                    continue
                values = self._coordinate(slot.group, dim)
                if values is not None and values.shape == (size,):
                    coords[dim] = values
            all_coords[slot.name] = coords
        return all_coords

    def _coordinate(self, group: int, dim: str) -> np.ndarray | None:
        if (group, dim) not in self._read:
            try:
                array = self._groups[group].open_array(dim, "")
                self._read[group, dim] = array.read([0] * len(array.shape), array.shape, False)
            except NotFoundError:
                self._read[group, dim] = None
        return self._read[group, dim]

    def dataset(
        self,
        tensors: dict[str, np.ndarray],
        masks: dict[str, np.ndarray],
        sample: Coords,
        places: np.ndarray | None = None,
    ) -> xarray.Dataset:
        """One variable for each tensor. A dimension that is not the same in all of them, or has a name that is taken,
        gets the slot's name in front. One that patches crop is named ``patch_DIM``; its coordinate differs from sample
        to sample."""
        import xarray

        coords = self.coords()
        sizes = {
            slot.name: ["lead", "variable", *(f"patch_{dim}" if crops.cropped(dim) else dim for dim in dims)]
            for slot, (dims, _), crops in zip(self._slots, self._fields, self._crops)
        }
        taken = {"sample", "time", *tensors, *(f"{name}_missing" for name in masks)}
        names = {}
        for name in tensors:
            alike = [dim for dim in sizes[name] if dim not in taken and self._shared(dim, tensors, sizes, coords)]
            names[name] = {dim: dim if dim in alike else f"{name}_{dim}" for dim in sizes[name]}
        variables: dict[str, Any] = {}
        labels: dict[str, Any] = {"sample": ("sample", sample["sample"])}
        if "time" in sample:
            labels["time"] = ("sample", sample["time"])
        for name, tensor in tensors.items():
            dims = ("sample", *names[name].values())
            variables[name] = (dims, tensor)
            if name in masks:
                variables[f"{name}_missing"] = (dims, masks[name])
            labels.update({names[name][dim]: (names[name][dim], values) for dim, values in coords[name].items()})
        if places is not None:
            used = {dim for dims, _ in variables.values() for dim in dims} | set(labels) | set(variables)
            for slot, (field_dims, _), crops in zip(self._slots, self._fields, self._crops):
                for dim in filter(crops.cropped, field_dims):
                    whole = self._coordinate(slot.group, dim)
                    patched = names[slot.name][f"patch_{dim}"]
                    label = patched.replace("patch_", "", 1)
                    label = f"{label}_of_patch" if label in used else label
                    if whole is not None and whole.ndim == 1 and label not in labels:
                        labels[label] = (("sample", patched), whole[crops.positions(dim, places)])
        return xarray.Dataset(variables, labels)

    @staticmethod
    def _shared(dim: str, tensors: dict[str, Any], sizes: dict[str, list[str]], coords: dict[str, Coords]) -> bool:
        having = [name for name in tensors if dim in sizes[name]]
        lengths = {tensors[name].shape[1 + sizes[name].index(dim)] for name in having}
        values = [coords[name].get(dim) for name in having]
        first = values[0]
        if first is None:
            return len(lengths) == 1 and all(other is None for other in values)
        return all(other is not None and np.array_equal(first, other) for other in values)


def sample_coords(index: np.ndarray, times: Any) -> Coords:
    """Of a batch's samples; without times where the data tell none."""
    try:
        return {"sample": index, "time": times.all()[index]}
    except (NotFoundError, InvalidArgumentError):
        return {"sample": index}

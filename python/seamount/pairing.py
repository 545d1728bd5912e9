"""A prediction and the data that verify it: which samples and leads of theirs are of the same times."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from .arrays import Group, group_at
from .connection import Place, url_of
from .errors import InvalidArgumentError, NotFoundError
from .loader import Loader
from .slots import Slot
from .sums import Sums

_UNITS = {"hours": 3_600_000_000, "seconds": 1_000_000}


class Record:
    """What ``predict`` noted of one slot."""

    def __init__(self, forecast: Group, slot: str | None) -> None:
        note = forecast.attributes.get("seamount")
        record = note.get("prediction") if isinstance(note, dict) else None
        if not isinstance(note, dict) or not isinstance(record, dict):
            raise InvalidArgumentError(f"{forecast.url} holds no prediction of seamount.predict at its root")
        self.data, self.sample_dim = str(record["data"]), str(note["sample_dim"])
        self.leads = [int(lead) for lead in record["leads"]]
        self.members = record["members"] is not None
        # Before it noted slots, there was one whose variables lay at the data's root.
        slots = record.get("slots") or {"targets": {"variables": record["variables"], "group": record["data"]}}
        if slot is None and len(slots) == 1:
            slot = next(iter(slots))
        if slot not in slots:
            several = "" if slot is not None else ", as it has several"
            raise InvalidArgumentError(f"slot is {slot!r}: expected one of the prediction's{several}: {', '.join(map(repr, slots))}")
        self.slot = str(slot)
        self.variables = [str(name) for name in slots[slot]["variables"]]
        self.group = str(slots[slot]["group"])
        """Of the data, where the variables are."""
        self.forecast = forecast.open_group(self.slot) if len(slots) > 1 else forecast


class Pair:
    """One slot of a prediction, and the data."""

    def __init__(
        self, prediction: Group, truth: Any, slot: str | None, variables: Any, climatology: Any, batch: int, place: Place
    ) -> None:
        record = Record(prediction, slot)
        self._record, self._forecast, self._batch = record, record.forecast, batch
        self.leads = record.leads
        self.lead = self._forecast["lead"][...]
        self.rows = len(self._forecast["position"])
        self._root, group, self._place = _truth(truth, record, place)
        self._data = group_at(group, "r", self._place)
        self.variables = [str(name) for name in variables or record.variables]
        for name, where in [(name, where) for name in self.variables for where in (self._forecast, self._data)]:
            if name not in where:
                raise InvalidArgumentError(f"{where.url} has no variable {name!r}: variables= names those to compare")
        self._describe()
        self._compare()
        self._positions = self._find()
        self._climatology = self._fields(climatology)

    def _describe(self) -> None:
        """The field: dimensions, shape, coordinates, units."""
        arrays = [self._forecast[name] for name in self.variables]
        skip = 3 if self._record.members else 2
        self.dims, self.shape = list(arrays[0].dims[skip:]), arrays[0].shape[skip:]
        self.units = [str(array.attributes.get("units", "")) for array in arrays]
        self.coords: dict[str, np.ndarray] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        for name in self._forecast:
            array = self._forecast[name]
            if name == "lead" or (array.dims and set(array.dims) <= set(self.dims)):
                self.attributes[name] = {key: value for key, value in array.attributes.items() if key != "seamount"}
                if name != "lead":
                    self.coords[name] = array[...]

    def _compare(self) -> None:
        """Units and fields, which must be the same."""
        for name, units in zip(self.variables, self.units):
            there = self._data[name]
            if there.attributes.get("units", units) != units:
                raise InvalidArgumentError(
                    f"{name!r} is in {units!r}, and in {self._data.url} in {there.attributes['units']!r}: expected the same units"
                )
            if there.shape[1:] != self.shape:
                raise InvalidArgumentError(f"{name!r} has the field {self.shape}, and in {self._data.url} {there.shape[1:]}")
        for dim in self.dims:
            if dim not in self.coords or dim not in self._data:
                continue
            here, values = self.coords[dim], self._data[dim][...]
            if here.shape != values.shape or (here.dtype.kind in "iuf" and not np.allclose(here, values, rtol=1e-6, equal_nan=True)):
                raise InvalidArgumentError(
                    f"{dim!r} is {_ends(here)}, and in {self._data.url} {_ends(values)}: expected the same points in the same order"
                )

    def _find(self) -> np.ndarray:
        """Of each sample of the prediction its position along the data: that of its time, where both have times; -1 where
        there is none."""
        positions = self._forecast["position"][...]
        forecast, data = (_times(group, self._record.sample_dim) for group in (self._forecast, self._data))
        self._by_time = forecast is not None and data is not None
        if forecast is None or data is None:
            self._length = self._data[self.variables[0]].shape[0]
            return np.where(positions < self._length, positions, -1)
        self._length = len(data)
        if forecast.dtype.kind != data.dtype.kind:
            raise InvalidArgumentError(
                f"the prediction and {self._data.url} have different calendars: their times are as {forecast[0]} and {data[0]}"
            )
        order = np.argsort(data)
        places = np.searchsorted(data, forecast, sorter=order).clip(max=len(data) - 1)
        found = np.where(data[order[places]] == forecast, order[places], -1)
        if (found < 0).all():
            raise InvalidArgumentError(
                f"the prediction and {self._data.url} have no time in common: it has {_ends(forecast)}, and the data {_ends(data)}"
            )
        return found

    def _lead_slot(self) -> list[Any]:
        """Leads as durations, where the prediction says how long its steps are: the data's may be others."""
        size = _UNITS.get(str(self._forecast["lead"].attributes.get("units", "")))
        if size is None or not self._by_time:
            return self.leads
        return [np.timedelta64(round(float(lead) * size), "us") for lead in self.lead]

    def _fields(self, climatology: Any) -> dict[str, np.ndarray]:
        """By variable, what anomalies are taken from."""
        if isinstance(climatology, str):
            total = count = np.zeros(1)
            for batch in self._loader([0], **self._split(climatology)):
                values = self._physical(batch)[0][:, 0].astype("f8")
                total, count = total + np.nansum(values, axis=0), count + np.isfinite(values).sum(axis=0)
            with np.errstate(invalid="ignore"):
                return dict(zip(self.variables, total / count))
        fields = {}
        for name, values in (climatology or {}).items():
            fields[name] = np.asarray(values, "f8")
            if name not in self.variables or fields[name].shape != self.shape:
                raise InvalidArgumentError(
                    f"climatology of {name!r} has shape {fields[name].shape}: expected {self.shape}, of one of {self.variables}"
                )
        return fields

    def _split(self, name: str) -> dict[str, Any]:
        """A split of the data, or of the group that the data's own lies within, whose times are taken."""
        if name not in self._data.splits and self._root != self._data.url and self._by_time:
            root = group_at(self._root, "r", self._place)
            if name in root.splits:
                found = root.splits[name]
                ranges = found if isinstance(found, list) else [found]
                chosen = np.concatenate([root.times(self._record.sample_dim)[start:stop] for start, stop in ranges])
                return {"where": np.isin(self._data.times(self._record.sample_dim), chosen)}
        return {"split": name}

    def _loader(self, leads: list[Any], **selection: Any) -> Loader:
        self._reader = Loader(
            self._data.url, sample_dim=self._record.sample_dim, shuffle=None, normalize=False, missing="keep",
            inputs={"truth": Slot(self.variables, leads, dtype="float64")}, batch_size=self._batch, rank=0, world=1,
            endpoint=self._place.endpoint, key=self._place.key, anonymous=self._place.anonymous, **selection,
        )  # fmt: skip
        return self._reader

    def _physical(self, batch: Any) -> tuple[np.ndarray, np.ndarray]:
        """(sample, lead, variable, *field) in the data's units, and as stored."""
        stored = batch["truth"]
        return self._reader.denormalize(stored, batch.index, slot="truth"), stored

    def add_to(self, sums: list[Sums]) -> int:
        """Every sample that can be verified; how many there were."""
        anomalies = [_is_anomaly(self._data[name].attributes) for name in self.variables]
        samples = 0
        for truth, stored, rows in self._verified():
            samples += len(rows)
            for v, name in enumerate(self.variables):
                first, last = int(rows.min()), int(rows.max())
                forecast = self._forecast[name][first : last + 1][rows - first].astype("f8")
                flat = truth[:, :, v].reshape(*truth.shape[:2], -1)
                mean_state = None
                if name in self._climatology:
                    mean_state = np.broadcast_to(self._climatology[name].ravel(), flat.shape)
                elif anomalies[v]:
                    mean_state = flat - stored[:, :, v].reshape(flat.shape)
                members = forecast if self._record.members else forecast[:, :, None]
                sums[v].add(members.reshape(*members.shape[:3], -1), flat, mean_state)
        if samples < self.rows:
            warnings.warn(
                f"{self.rows - samples} of {self.rows} samples are not verified by the data at all leads, and are left out",
                stacklevel=3,
            )
        return samples

    def _verified(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of samples that the data verify: (sample, lead, variable, *field) in the data's units, the same as stored, and
        which of the prediction's they are."""
        known = np.flatnonzero(self._positions >= 0)
        positions = self._positions[known]
        row_of = np.full(self._length, -1)
        row_of[positions] = known
        if self._by_time:
            selection: dict[str, Any] = {"where": row_of >= 0}
        else:
            first, last = int(positions.min()) + min(self.leads), int(positions.max()) + max(self.leads) + 1
            selection = {"select": (max(first, 0), min(last, self._length))}
        for batch in self._loader(self._lead_slot(), **selection):
            rows = row_of[batch.index]
            there = rows >= 0
            if there.any():
                truth, stored = (values[there] for values in self._physical(batch))
                yield truth, stored, rows[there]


def _truth(truth: Any, record: Record, place: Place) -> tuple[str, str, Place]:
    """The data, the group of theirs that has the variables, and how both are reached."""
    if isinstance(truth, Loader):
        spec = truth.spec
        slots = [slot for slot in spec.slots if slot.target and set(record.variables) <= set(slot.variables)]
        slots.sort(key=lambda slot: slot.name != record.slot)
        return spec.url, spec.url_of(slots[0]) if slots else spec.url, spec.place
    if truth is None or url_of(truth) == record.data:
        return record.data, record.group, place
    return url_of(truth), url_of(truth), place


def _times(group: Group, dim: str) -> np.ndarray | None:
    try:
        return group.times(dim)
    except (NotFoundError, InvalidArgumentError):
        return None  # no coordinate, or one that tells no times


def _ends(values: np.ndarray) -> str:
    return f"{values[0]} to {values[-1]}, {len(values)} of them" if values.ndim and len(values) else str(values)


def _is_anomaly(attributes: dict[str, Any]) -> bool:
    note = attributes.get("seamount")
    return isinstance(note, dict) and "anomaly" in note

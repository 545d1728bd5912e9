"""Where and when a sample is, as numbers that a model can take: latitude, hour, the sun's height."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .errors import InvalidArgumentError, NotFoundError
from .patches import Crops
from .selection import Lead, leads
from .times import Times

ENCODINGS = (
    "lat", "lon", "sin_lat", "cos_lat", "sin_lon", "cos_lon", "sin_hour", "cos_hour", "sin_local_hour", "cos_local_hour",
    "sin_day", "cos_day", "cos_zenith", "area",
)  # fmt: skip

_UNITS = {"lat": {"degrees_north", "degree_north", "degrees_n"}, "lon": {"degrees_east", "degree_east", "degrees_e"}}
_NEEDS = {"lat": ("cos_zenith", "area"), "lon": ("cos_zenith", "sin_local_hour", "cos_local_hour")}
_NAMES = {"lat": ("lat", "latitude"), "lon": ("lon", "longitude")}


@dataclass(frozen=True)
class Encoding:
    """A tensor that is computed from a sample's times and places: ``(batch, lead, encoding, *field)``, in patches too.

    Args:
        encodings: of ``lat`` and ``lon`` (degrees), ``sin_lat``, ``cos_lat``, ``sin_lon``, ``cos_lon``; ``sin_hour``,
            ``cos_hour`` (of the day, UTC), ``sin_local_hour``, ``cos_local_hour`` (by longitude: mean solar time);
            ``sin_day``, ``cos_day`` (of the year, which begins at 0); ``cos_zenith`` (cosine of the angle between the sun
            and the vertical, negative at night); ``area`` (of grid cells by their latitude, 1 in the mean of the grid).
        leads: as a slot's; None: those of the slot that it is like.
        like: the slot whose field and group it has; None: the first one.
        dtype: of the tensor.

    Example:
        >>> Loader(url, inputs={"wind": Slot(["u", "v"]), "sun": Encoding(["cos_zenith", "sin_day", "cos_day"])},
        ...        targets={"rain": Slot(["tp"], ["6h"]), "weight": Encoding(["area"], leads=["6h"], like="rain")})
    """

    encodings: Sequence[str]
    leads: Sequence[Lead] | None = None
    like: str | None = None
    dtype: Literal["float32", "float64"] = "float32"

    def names(self) -> list[str]:
        """The encodings, checked: InvalidArgumentError names one that there is not."""
        if isinstance(self.encodings, str) or not isinstance(self.encodings, Iterable) or not self.encodings:
            raise InvalidArgumentError(f"encodings is {self.encodings!r}: expected a list of names, as ['sin_hour', 'cos_hour']")
        for name in self.encodings:
            if name not in ENCODINGS:
                raise InvalidArgumentError(f"encoding {name!r}: expected one of {', '.join(ENCODINGS)}")
        if self.dtype not in ("float32", "float64"):
            raise InvalidArgumentError(f"dtype of an encoding is {self.dtype!r}: expected 'float32' or 'float64'")
        return list(self.encodings)


class Encoder:
    """Computes one Encoding. Coordinates are read when they are first needed."""

    def __init__(
        self,
        encoding: Encoding,
        leads: Sequence[int],
        group: Any,
        times: Times,
        field: tuple[list[str], list[int]],
        crops: Crops,
    ) -> None:
        self._names, self._leads, self._dtype = encoding.names(), list(leads), encoding.dtype
        self._group, self._times, self._crops = group, times, crops
        self._dims, self._shape = field
        self._coordinates: dict[str, tuple[str, np.ndarray]] = {}
        for name in self._names:  # what cannot be computed is told at once
            for kind in ("lat", "lon"):
                if name.endswith(kind) or name in _NEEDS[kind]:
                    self._coordinate(kind)
        if "area" in self._names:
            self._area()

    def compute(self, index: np.ndarray, places: np.ndarray | None) -> np.ndarray:
        out = np.empty((len(index), len(self._leads), len(self._names), *self._shape), self._dtype)
        at = _At(self, index, places)
        for v, name in enumerate(self._names):
            out[:, :, v] = at.value(name)
        return out

    def _coordinate(self, kind: str) -> tuple[str, np.ndarray]:
        """The field's dimension that latitudes (longitudes) lie along, and their values in degrees."""
        if kind not in self._coordinates:
            found = next(filter(None, (self._try(kind, name) for name in (*self._dims, *_NAMES[kind]))), None)
            if found is None:
                what = {"lat": "latitude", "lon": "longitude"}[kind]
                raise InvalidArgumentError(
                    f"no dimension of the field {tuple(self._dims)} has a {what}, which encodings {self._names} need: expected "
                    f"an array along one of them named {' or '.join(_NAMES[kind])}, or with units {min(_UNITS[kind], key=len)}"
                )
            self._coordinates[kind] = found
        return self._coordinates[kind]

    def _try(self, kind: str, name: str) -> tuple[str, np.ndarray] | None:
        try:
            array = self._group.open_array(name, "")
        except NotFoundError:
            return None
        units = str(json.loads(array.attributes_json).get("units", "")).lower()
        if len(array.dims) != 1 or array.dims[0] not in self._dims or not (name in _NAMES[kind] or units in _UNITS[kind]):
            return None
        return array.dims[0], np.asarray(array.read([0], array.shape, False), "f8")

    def _area(self) -> np.ndarray:
        """Of a cell at each latitude, 1 in the mean: cells end half-way between latitudes, and at the poles."""
        dim, lat = self._coordinate("lat")
        steps = np.diff(lat)
        if len(lat) < 2 or not (np.all(steps > 0) or np.all(steps < 0)) or np.abs(lat).max() > 90:
            raise InvalidArgumentError(f"area: the latitudes along {dim!r} are no grid: expected two or more that ascend or descend")
        middles = (lat[1:] + lat[:-1]) / 2
        edges = np.clip(np.concatenate([[lat[0] - steps[0] / 2], middles, [lat[-1] + steps[-1] / 2]]), -90, 90)
        area = np.abs(np.diff(np.sin(np.radians(edges))))
        return area / area.mean()


class _At:
    """The values at the times and places of one batch, each in a shape that broadcasts to (batch, lead, *field)."""

    def __init__(self, encoder: Encoder, index: np.ndarray, places: np.ndarray | None) -> None:
        self._encoder, self._places = encoder, places
        self._positions = index[:, None] + np.array(encoder._leads)[None]
        self._clock: tuple[np.ndarray, np.ndarray] | None = None

    def value(self, name: str) -> np.ndarray:
        kind = name.rsplit("_", 1)[-1]
        if name in ("lat", "lon"):
            return self._along(name)
        if name == "area":
            return self._along("lat", self._encoder._area())
        if name == "cos_zenith":
            return self._cos_zenith()
        angle: Callable[[], np.ndarray] = {
            "lat": lambda: np.radians(self._along("lat")),
            "lon": lambda: np.radians(self._along("lon")),
            "day": lambda: 2 * np.pi * self._times()[1],
            "hour": lambda: 2 * np.pi / 24 * self._times()[0],
        }[kind]
        local = np.radians(self._along("lon")) if "local" in name else 0.0
        return (np.sin if name.startswith("sin") else np.cos)(angle() + local)

    def _along(self, kind: str, values: np.ndarray | None = None) -> np.ndarray:
        encoder = self._encoder
        dim, degrees = encoder._coordinate(kind)
        whole = degrees if values is None else values
        shape = [1, 1, *(size if other == dim else 1 for other, size in zip(encoder._dims, encoder._shape))]
        if not encoder._crops.cropped(dim):
            return whole.reshape(shape)
        assert self._places is not None
        shape[0] = len(self._places)
        return whole[encoder._crops.positions(dim, self._places)].reshape(shape)

    def _times(self) -> tuple[np.ndarray, np.ndarray]:
        """(hour of the day, share of the year that has passed)."""
        if self._clock is None:
            hour, year = self._encoder._times.clock(self._positions)
            shape = self._positions.shape + (1,) * len(self._encoder._dims)
            self._clock = hour.reshape(shape), year.reshape(shape)
        return self._clock

    def _cos_zenith(self) -> np.ndarray:
        """By the series of Spencer (1971) for the declination and the equation of time: to about 0.005."""
        hour, year = self._times()
        g = 2 * np.pi * year
        declination = (
            0.006918 - 0.399912 * np.cos(g) + 0.070257 * np.sin(g) - 0.006758 * np.cos(2 * g) + 0.000907 * np.sin(2 * g)
            - 0.002697 * np.cos(3 * g) + 0.00148 * np.sin(3 * g)
        )  # fmt: skip
        equation = 0.000075 + 0.001868 * np.cos(g) - 0.032077 * np.sin(g) - 0.014615 * np.cos(2 * g) - 0.040849 * np.sin(2 * g)
        angle = 2 * np.pi / 24 * (hour - 12) + equation + np.radians(self._along("lon"))
        lat = np.radians(self._along("lat"))
        # The large products come last, so that most of the work is on one time or one line.
        return np.sin(lat) * np.sin(declination) + (np.cos(lat) * np.cos(declination)) * np.cos(angle)


def encoders_of(
    given: list[tuple[str, bool, Encoding]],
    slots: list[Any],
    fields: list[tuple[list[str], list[int]]],
    crops: list[Crops],
    groups: list[Any],
    times: Times,
) -> tuple[list[tuple[str, bool, Encoder]], list[Any], list[Any], list[Crops]]:
    """(name, whether it is a target, encoder) of each; and slots, fields and crops of all tensors, the slots' first."""
    encoders = []
    slots, fields, crops = list(slots), list(fields), list(crops)
    names = [slot.name for slot in slots]
    for name, target, encoding in given:
        if encoding.like is not None and encoding.like not in names:
            raise InvalidArgumentError(f"like of an encoding is {encoding.like!r}: expected one of the slots {names}")
        like = 0 if encoding.like is None else names.index(encoding.like)
        chosen = slots[like].leads if encoding.leads is None else leads(name, encoding.leads, times.step)
        if encoding.leads is None and not slots[like].whole:
            raise InvalidArgumentError(f"leads of {name!r}: expected leads that are whole steps of the loader's own group")
        encoder = Encoder(encoding, chosen, groups[slots[like].group], times, fields[like], crops[like])
        encoders.append((name, target, encoder))
        slots.append(replace(slots[like], name=name, target=target, variables=encoding.names(), leads=chosen, whole=True))
        fields.append(fields[like])
        crops.append(crops[like])
    return encoders, slots, fields, crops

"""How good a prediction is: errors by lead, variable and region, weighted by area, with maps and a picture."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .areas import Ranges, latitude_of, mask_of, weights_of
from .arrays import Group, group_at
from .connection import Key, Place
from .errors import InvalidArgumentError
from .loader import Loader
from .slots import Slot
from .sums import Sums

if TYPE_CHECKING:
    import xarray


def scores(
    prediction: str | os.PathLike[str] | Group,
    truth: str | os.PathLike[str] | Loader | None = None,
    *,
    variables: list[str] | None = None,
    regions: Mapping[str, Ranges | np.ndarray] | None = None,
    weights: Literal["area"] | np.ndarray | None = "area",
    climatology: str | Mapping[str, np.ndarray] | None = None,
    picture: str | os.PathLike[str] | None = None,
    batch_size: int = 16,
    endpoint: str | None = None,
    key: Key | None = None,
    anonymous: bool = False,
) -> xarray.Dataset:
    """Compares what :func:`seamount.predict` wrote with the data, sample by sample.

    Every sample counts that the data can verify at all leads; attributes ``samples`` and ``left_out`` say how many. A point
    counts where neither is missing. In memory is one batch at a time.

    Args:
        prediction: the group that ``predict`` wrote, or where it is.
        truth: the data, or a loader of them; None: where the prediction's own record says.
        variables: which; all that are in both, where nothing is said.
        regions: by name, ranges of coordinates, as ``{"europe": {"lat": (35, 70), "lon": (-10, 40)}}``, or arrays of booleans.
            ``"all"`` is there in any case.
        weights: ``"area"``, the cosine of the latitude; None, all points alike; or an array of the field's shape.
        climatology: for the anomaly correlation: the name of a split of the data, whose mean is taken, or fields by variable.
            Data that are stored as anomalies have theirs.
        picture: a file to draw the scores to (matplotlib).
        batch_size: samples at a time.
        endpoint, key, anonymous: as for the loader, of both places.

    Returns:
        ``rmse``, ``mae``, ``bias`` (variable, region, lead); ``acc``, the mean of the samples' anomaly correlations, where there is
        a climatology; of ensembles ``rmse``, ``mae``, ``bias`` and ``acc`` are the mean's, with ``crps`` and ``spread`` beside.
        ``rmse_map`` and ``bias_map`` (variable, lead, *field).

    Raises:
        InvalidArgumentError (ValueError): the two do not go together, or an argument is wrong; the message says which.
        ImportError: xarray, or for a picture matplotlib, is not installed.

    Example:
        >>> skill = seamount.scores("gs://lab/forecast.zarr", climatology="train", picture="skill.png")
        >>> skill.rmse.sel(variable="uwnd", region="all")
    """
    import xarray

    place = Place(key, endpoint, anonymous)
    forecast = prediction if isinstance(prediction, Group) else group_at(os.fspath(prediction), "r", place)
    pair = _Pair(forecast, truth, variables, climatology, batch_size, place)
    named = {"all": np.ones(pair.shape, bool)}
    for name, given in (regions or {}).items():
        named[name] = mask_of(name, given, pair.dims, pair.shape, pair.coords)
    area = weights_of(weights, pair.dims, pair.shape, pair.coords, latitude_of(pair.coords, pair.attributes))
    regional = np.stack([(area * mask).ravel() for mask in named.values()])
    sums = [Sums(regional, len(pair.leads)) for _ in pair.variables]
    samples = pair.add_to(sums)

    found: dict[str, Any] = {}
    for kind, dims, values in [
        ("scores", ("variable", "region", "lead"), [each.scores() for each in sums]),
        ("maps", ("variable", "lead", *pair.dims), [each.maps() for each in sums]),
    ]:
        for name in dict.fromkeys(name for each in values for name in each):
            parts = [each.get(name, np.full_like(next(iter(each.values())), np.nan)) for each in values]
            stacked = np.stack(parts)
            found[name] = (dims, stacked if kind == "scores" else stacked.reshape(*stacked.shape[:2], *pair.shape))
    coords = {name: values for name, values in pair.coords.items() if name in pair.dims}
    lead = ("lead", pair.lead, pair.attributes.get("lead", {}))
    names = {"variable": pair.variables, "region": list(named), "units": ("variable", pair.units)}
    dataset = xarray.Dataset(found, {**names, "lead": lead, **coords})
    dataset.attrs.update(samples=samples, left_out=len(pair.positions) - samples)
    if picture is not None:
        from .score_picture import draw

        draw(dataset, picture)
    return dataset


class _Pair:
    """A prediction and the data that verify it."""

    def __init__(self, forecast: Group, truth: Any, variables: Any, climatology: Any, batch: int, place: Place) -> None:
        note = forecast.attributes.get("seamount")
        record = note.get("prediction") if isinstance(note, dict) else None
        if not isinstance(record, dict):
            raise InvalidArgumentError(f"{forecast!r} holds no prediction of seamount.predict at its root")
        self._forecast, self._batch = forecast, batch
        self.leads = [int(lead) for lead in record["leads"]]
        self._members = record["members"] is not None
        self.positions = forecast["position"][...]
        self.lead = forecast["lead"][...]
        if isinstance(truth, Loader):
            given = truth._arguments
            truth, place = given["url"], Place(given["key"], given["endpoint"], given["anonymous"])
        self._url, self._place = os.fspath(truth or record["data"]), place
        data = group_at(self._url, "r", place)
        self._data = data
        self.variables = [str(name) for name in variables or record["variables"]]
        for name, group in [(name, group) for name in self.variables for group in (forecast, data)]:
            if name not in group:
                raise InvalidArgumentError(f"{group!r} has no variable {name!r}: variables= names those to compare")
        self._describe()
        self._climatology = self._fields(climatology)

    def _describe(self) -> None:
        """The field: dimensions, shape, coordinates, units."""
        arrays = [self._forecast[name] for name in self.variables]
        skip = 3 if self._members else 2
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
        for name, units in zip(self.variables, self.units):
            there = self._data[name]
            if there.attributes.get("units", units) != units:
                raise InvalidArgumentError(f"{name!r} is in {units!r}, and in the data in {there.attributes['units']!r}")
            if there.shape[1:] != self.shape:
                raise InvalidArgumentError(f"{name!r} has the field {self.shape}, and in the data {there.shape[1:]}")

    def _fields(self, climatology: Any) -> dict[str, np.ndarray]:
        """By variable, what anomalies are taken from."""
        if isinstance(climatology, str):
            total = count = np.zeros(1)
            for batch in self._loader([0], split=climatology):
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

    def _loader(self, leads: list[int], **selection: Any) -> Any:
        self._reader = Loader(
            self._url, inputs={"truth": Slot(self.variables, leads, dtype="float64")}, shuffle=None, normalize=False,
            missing="keep", batch_size=self._batch, rank=0, world=1, endpoint=self._place.endpoint,
            key=self._place.key, anonymous=self._place.anonymous, **selection,
        )  # fmt: skip
        return self._reader

    def _physical(self, batch: Any) -> tuple[np.ndarray, np.ndarray]:
        """(sample, lead, variable, *field) in the data's units, and as stored."""
        stored = batch["truth"]
        return self._reader.denormalize(stored, batch.index, slot="truth"), stored

    def add_to(self, sums: list[Sums]) -> int:
        """Every sample that can be verified; how many there were."""
        anomalies = [_is_anomaly(self._data[name].attributes) for name in self.variables]
        first, last = int(self.positions[0]) + min(self.leads), int(self.positions[-1]) + max(self.leads) + 1
        count = self._data[self.variables[0]].shape[0]
        samples = 0
        for batch in self._loader(self.leads, select=(max(first, 0), min(last, count))):
            rows = np.searchsorted(self.positions, batch.index)
            there = (rows < len(self.positions)) & (self.positions[rows.clip(max=len(self.positions) - 1)] == batch.index)
            if not there.any():
                continue
            rows = rows[there]
            truth, stored = (values[there] for values in self._physical(batch))
            samples += len(rows)
            for v, name in enumerate(self.variables):
                forecast = self._forecast[name][rows[0] : rows[-1] + 1][rows - rows[0]].astype("f8")
                flat = truth[:, :, v].reshape(*truth.shape[:2], -1)
                mean_state = None
                if name in self._climatology:
                    mean_state = np.broadcast_to(self._climatology[name].ravel(), flat.shape)
                elif anomalies[v]:
                    mean_state = flat - stored[:, :, v].reshape(flat.shape)
                members = forecast if self._members else forecast[:, :, None]
                sums[v].add(members.reshape(*members.shape[:3], -1), flat, mean_state)
        if not samples:
            raise InvalidArgumentError(f"no sample of the prediction lies in {self._url} with all its leads: nothing to compare")
        if samples < len(self.positions):
            warnings.warn(f"{len(self.positions) - samples} of {len(self.positions)} samples are not verified by the data at all "
                          "leads, and are left out", stacklevel=3)  # fmt: skip
        return samples


def _is_anomaly(attributes: dict[str, Any]) -> bool:
    note = attributes.get("seamount")
    return isinstance(note, dict) and "anomaly" in note

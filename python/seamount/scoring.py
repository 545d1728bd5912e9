"""How good a prediction is: errors by lead, variable and region, weighted by area, with maps and a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .areas import Ranges, latitude_of, mask_of, weights_of
from .arrays import Group, group_at
from .connection import Key, Place, path_of
from .loader import Loader
from .pairing import Pair
from .sums import Sums

if TYPE_CHECKING:
    import xarray


def scores(
    prediction: str | os.PathLike[str] | Group,
    truth: str | os.PathLike[str] | Loader | None = None,
    *,
    slot: str | None = None,
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

    Samples are found in the data by their times; by their positions, where there is no coordinate of times. Every sample counts
    that the data can verify at all leads; attributes ``samples`` and ``left_out`` say how many. A point
    counts where neither is missing. In memory is one batch at a time.

    Args:
        prediction: the group that ``predict`` wrote, or where it is.
        truth: the data, which is the group that has the variables, or a loader of them; None: where the prediction's own
            record says. They may have other times than the data that the prediction was made from, shorter steps too.
        slot: which of the targets, where the prediction is of several.
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
        InvalidArgumentError (ValueError): the two do not go together (times, units, the field's points), or an argument is
            wrong; the message says what differs.
        ImportError: xarray, or for a picture matplotlib, is not installed.

    Example:
        >>> skill = seamount.scores("gs://lab/forecast.zarr", climatology="train", picture="skill.png")
        >>> skill.rmse.sel(variable="uwnd", region="all")
    """
    import xarray

    place = Place(key, endpoint, anonymous)
    forecast = prediction if isinstance(prediction, Group) else group_at(path_of("prediction", prediction), "r", place)
    pair = Pair(forecast, truth, slot, variables, climatology, batch_size, place)
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
    dataset.attrs.update(samples=samples, left_out=pair.rows - samples)
    if picture is not None:
        from .score_picture import draw

        draw(dataset, picture)
    return dataset

"""Weights and regions of a field: what an average over an area is taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import InvalidArgumentError

Coords = Mapping[str, np.ndarray]
Ranges = Mapping[str, tuple[float, float]]

_LATITUDES = ("lat", "latitude", "nav_lat", "y_lat")


def latitude_of(coords: Coords, attributes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The coordinate that is the latitude, by its attributes or else its name."""
    for name in coords:
        known = attributes.get(name, {})
        units = str(known.get("units", "")).lower()
        if known.get("standard_name") == "latitude" or units in ("degrees_north", "degree_north", "degrees_n"):
            return name
    return next((name for name in coords if name.lower() in _LATITUDES), None)


def weights_of(given: Any, dims: list[str], shape: tuple[int, ...], coords: Coords, latitude: str | None) -> np.ndarray:
    """Of each point of the field: ``"area"`` (the cosine of the latitude), None (all alike), or an array."""
    if given is None:
        return np.ones(shape)
    if isinstance(given, str):
        if given != "area":
            raise InvalidArgumentError(f"weights is {given!r}: expected 'area', None or an array")
        if latitude is None:
            raise InvalidArgumentError(
                f"weights is 'area', and none of the coordinates {', '.join(coords) or '(there are none)'} is a latitude: expected "
                "weights=None, or an array of the field's shape"
            )
        return np.broadcast_to(np.cos(np.deg2rad(along(coords[latitude], latitude, dims, shape))).clip(0), shape)
    weights = np.asarray(given, "f8")
    if weights.shape != shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise InvalidArgumentError(f"weights have shape {weights.shape}: expected {shape}, finite and none below 0")
    return weights


def mask_of(name: str, given: Any, dims: list[str], shape: tuple[int, ...], coords: Coords) -> np.ndarray:
    """Where a region is: an array of booleans, or ranges of coordinates, ends included. Longitudes may be given in -180..180
    or 0..360, and a range of them may pass the seam."""
    if not isinstance(given, Mapping):
        mask = np.asarray(given)
        if mask.dtype != bool or mask.shape != shape:
            raise InvalidArgumentError(f"region {name!r} is {mask.dtype} of shape {mask.shape}: expected booleans of {shape}")
    else:
        mask = np.ones(shape, bool)
        for coordinate, ends in given.items():
            if coordinate not in coords:
                raise InvalidArgumentError(f"region {name!r} names {coordinate!r}: there are {', '.join(coords)}")
            try:
                low, high = (float(end) for end in ends)
            except (TypeError, ValueError):
                raise InvalidArgumentError(f"region {name!r}: {coordinate} is {ends!r}: expected (from, to)") from None
            values = along(coords[coordinate], coordinate, dims, shape)
            if coordinate.lower().startswith("lon") and high - low < 360:
                mask = mask & ((values - low) % 360 <= (high - low) % 360)
            else:
                mask = mask & (values >= low) & (values <= high)
    if not mask.any():
        raise InvalidArgumentError(f"region {name!r} holds no point of the field: {given!r}")
    return mask


def along(values: np.ndarray, name: str, dims: list[str], shape: tuple[int, ...]) -> np.ndarray:
    """A coordinate, so that it goes together with the field: along its own dimension, or on the whole field."""
    values = np.asarray(values, "f8")
    if values.shape == shape:
        return values
    if name in dims and values.shape == (shape[dims.index(name)],):
        return values.reshape([-1 if dim == name else 1 for dim in dims])
    raise InvalidArgumentError(f"coordinate {name!r} has shape {values.shape}, and the field {shape}")

"""Scores as a picture: errors over the leads, and where they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray


def draw(scores: xarray.Dataset, path: str | os.PathLike[str]) -> None:
    """Writes a picture of what :func:`seamount.scores` gave: a row for each variable."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = [name for name in ("rmse", "bias", "acc", "crps") if name in scores]
    maps = [name for name in ("rmse_map", "bias_map") if scores[name].ndim == 4]
    rows, columns = scores.sizes["variable"], len(curves) + len(maps)
    figure = Figure(figsize=(3.8 * columns, 3.1 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, variable in zip(axes, scores.variable.values):
        units = str(scores.units.sel(variable=variable).values)
        chosen = scores.sel(variable=variable)
        for axis, name in zip(row, curves):
            _curve(axis, chosen, name, f"{variable}: {_TITLES[name]}", "" if name == "acc" else units)
        for axis, name in zip(row[len(curves) :], maps):
            _map(figure, axis, chosen[name].isel(lead=-1), f"{variable}: {_TITLES[name]}, last lead", units)
    if scores.sizes["region"] > 1:
        axes[0, 0].legend(fontsize="small")
    figure.suptitle(f"{scores.attrs['samples']} samples")
    figure.savefig(path, dpi=100)


_TITLES = {"rmse": "RMSE", "bias": "bias", "acc": "anomaly correlation", "crps": "CRPS", "rmse_map": "RMSE", "bias_map": "bias"}


_ROOM = 1.08  # above the highest curve


def _curve(axis: Any, scores: xarray.Dataset, name: str, title: str, units: str) -> None:
    for region in scores.region.values:
        axis.plot(scores.lead.values, scores[name].sel(region=region).values, marker="o", markersize=3, label=str(region))
    axis.set_title(title, fontsize="medium")
    axis.set_xlabel(f"lead, {scores.lead.attrs.get('units', 'steps')}")
    axis.set_ylabel(units)
    axis.grid(alpha=0.3)
    if name == "bias":
        axis.axhline(0, color="black", linewidth=0.8)
    elif name != "acc":
        highest = float(np.nanmax(scores[name].values, initial=0))
        axis.set_ylim(0, _ROOM * highest or None)


def _map(figure: Any, axis: Any, field: xarray.DataArray, title: str, units: str) -> None:
    y, x = field.dims
    values = field.values
    signed = "bias" in title
    limit = float(np.nanmax(np.abs(values), initial=0)) or 1.0
    coords = {name: field[name].values for name in (y, x) if name in field.coords}
    grid = [coords[x], coords[y]] if len(coords) == 2 else []
    image = axis.pcolormesh(*grid, values, cmap="RdBu_r" if signed else "viridis", vmin=-limit if signed else 0, vmax=limit)
    axis.set_title(title, fontsize="medium")
    axis.set_xlabel(str(x))
    axis.set_ylabel(str(y))
    figure.colorbar(image, ax=axis, label=units, shrink=0.85)

"""The sums that scores are made of: over samples as they come, and over regions."""

from __future__ import annotations

import numpy as np

Values = dict[str, np.ndarray]


class Sums:
    """Of one variable. ``weights``: (region, point), zero outside of a region."""

    def __init__(self, weights: np.ndarray, leads: int) -> None:
        self._weights, points = weights, weights.shape[1]
        self._regions: Values = {}
        self._points: Values = {name: np.zeros((leads, points)) for name in ("count", "error", "square")}

    def add(self, forecast: np.ndarray, truth: np.ndarray, climatology: np.ndarray | None) -> None:
        """``forecast`` (sample, lead, member, point); ``truth`` and ``climatology`` (sample, lead, point). A point counts where
        none of them is missing."""
        known = np.isfinite(forecast).all(axis=2) & np.isfinite(truth)
        if climatology is not None:
            known &= np.isfinite(climatology)
        mean = np.where(known, forecast.mean(axis=2), 0)
        error = np.where(known, mean - truth, 0)
        self._points["count"] += known.sum(0)
        self._points["error"] += error.sum(0)
        self._points["square"] += (error**2).sum(0)
        parts = {"weight": known, "error": error, "absolute": np.abs(error), "square": error**2}
        if forecast.shape[2] > 1:
            members = np.where(known[:, :, None], forecast, 0)
            parts["variance"] = members.var(axis=2, ddof=1)
            parts["crps"] = _crps(members, np.where(known, truth, 0))
        for name, part in parts.items():
            self._more(name, self._over_regions(part).sum(0))
        if climatology is not None:
            self._add_correlation(np.where(known, mean - climatology, 0), np.where(known, truth - climatology, 0))

    def _add_correlation(self, a: np.ndarray, b: np.ndarray) -> None:
        """Of each sample and lead by itself, as centres publish it; one of no anomaly at all counts for nothing."""
        product, squares = self._over_regions(a * b), self._over_regions(a**2) * self._over_regions(b**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = product / np.sqrt(squares)
        there = squares > 0
        self._more("correlation", np.where(there, correlation, 0).sum(0))
        self._more("correlated", there.sum(0))

    def _over_regions(self, values: np.ndarray) -> np.ndarray:
        """(sample, lead, point) to (sample, lead, region)."""
        return values @ self._weights.T

    def _more(self, name: str, values: np.ndarray) -> None:
        self._regions[name] = self._regions.get(name, 0) + values

    def scores(self) -> Values:
        """(region, lead) of each; NaN where nothing was known."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = {name: (total / self._regions["weight"]).T for name, total in self._regions.items()}
            found = {"rmse": np.sqrt(means["square"]), "mae": means["absolute"], "bias": means["error"]}
            if "correlation" in self._regions:
                found["acc"] = (self._regions["correlation"] / self._regions["correlated"]).T
        if "crps" in means:
            found |= {"crps": means["crps"], "spread": np.sqrt(means["variance"])}
        return found

    def maps(self) -> Values:
        """(lead, point) of each; NaN where nothing was known."""
        with np.errstate(invalid="ignore", divide="ignore"):
            error, square = (self._points[name] / self._points["count"] for name in ("error", "square"))
        return {"rmse_map": np.sqrt(square), "bias_map": error}


def _crps(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of the empirical distribution: mean |x - y| - mean |x - x'| / 2, the second by sorting."""
    count = members.shape[2]
    ordered = np.sort(members, axis=2)
    ranks = (2 * np.arange(count) - count + 1) / count**2
    return np.abs(members - truth[:, :, None]).mean(axis=2) - np.einsum("slmp,m->slp", ordered, ranks)

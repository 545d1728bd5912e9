"""Runs the trained model forward over the held-out months: a table of skill, and maps of truth, forecast and error.

    python forward.py gs://lab/winds.zarr --checkpoint /mnt/lab/model.npz --png winds.png --key key.json

Every month is forecast from the twelve before it. Skill is the root mean square error in m/s over both components, all
24 months and the globe, by area. The baselines know the training months only, as the model does.
"""

import argparse
import json
import resource

import checkpoint
import numpy as np
import seamount
from model import LEADS, TEST, TRAIN, VARIABLES, Model


def read_all(url, **where):
    """Anomalies as stored (time, variable, y, x), and the mean year they were taken from, for each month."""
    weights = seamount.read(url, "climatology_weights", **where)  # (time, term)
    coefficients = [seamount.read(url, f"{name}_climatology", **where) for name in VARIABLES]  # (term, y, x)
    anomaly = np.stack([seamount.read(url, name, **where) for name in VARIABLES], axis=1).astype(float)
    return anomaly, np.stack([np.tensordot(weights, c, axes=1) for c in coefficients], axis=1)


def model_forecast(args, where):
    """Anomalies forecast for the held-out months."""
    first, last = TEST
    loader = seamount.Loader(args.url, VARIABLES, sample_dim="TIME", inputs=LEADS, targets=[1], shuffle=None,
                             batch_size=8, select=(first - len(LEADS), last), **where)
    model = Model(loader.field_shape)
    model.arrays, model.step, _ = checkpoint.load(args.checkpoint)
    normalized = np.concatenate([model.predict(batch.inputs) for batch in loader])
    scale = [seamount.attributes(args.url, name, **where)["seamount"]["normalize"] for name in VARIABLES]
    mean, std = (np.array([s[key] for s in scale])[:, None, None] for key in ("mean", "std"))
    return normalized * std + mean, loader.stats()


def damped(anomaly):
    """Last month's anomaly, times its regression on the month before at each point."""
    before, after = anomaly[TRAIN[0] : TRAIN[1] - 1], anomaly[TRAIN[0] + 1 : TRAIN[1]]
    return (before * after).sum(0) / (before**2).sum(0) * anomaly[TEST[0] - 1 : TEST[1] - 1]


def baselines(wind, mean_year):
    """Forecasts of the held-out months, by name."""
    held_out = slice(*TEST)
    months = np.arange(len(wind)) % 12
    by_month = np.stack([wind[TRAIN[0] : TRAIN[1]][m::12].mean(0) for m in range(12)])[months]
    last = slice(TEST[0] - 1, TEST[1] - 1)
    return {
        "anomaly persistence": by_month[held_out] + (wind - by_month)[last],
        "climatology by calendar month": by_month[held_out],
        "climatology by two harmonics": mean_year[held_out],
        "damped persistence": by_month[held_out] + damped(wind - by_month),
        "damped persistence, two harmonics": mean_year[held_out] + damped(wind - mean_year),
    }


def rmse(forecast, truth, latitude):
    area = np.cos(np.deg2rad(latitude)).clip(0)[:, None] * np.ones(truth.shape[-1])
    return float(np.sqrt(((forecast - truth) ** 2).mean((0, 1)).ravel() @ area.ravel() / area.sum()))


def draw(path, truth, forecast, latitude, longitude, title):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(15, 6), sharex=True, sharey=True, layout="constrained")
    for v, name in enumerate(("eastward", "northward")):
        maps = {"truth": truth[v], "forecast": forecast[v], "error": forecast[v] - truth[v]}
        for axis, (kind, field) in zip(axes[v], maps.items()):
            limit = 5 if kind == "error" else 12
            image = axis.pcolormesh(longitude, latitude, field, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set_title(f"{name} wind, {kind}")
            figure.colorbar(image, ax=axis, label="m/s", shrink=0.8)
    figure.supxlabel("longitude, °E")
    figure.supylabel("latitude, °N")
    figure.suptitle(title)
    figure.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--png", required=True)
    parser.add_argument("--json")
    parser.add_argument("--endpoint")
    parser.add_argument("--key")
    args = parser.parse_args()
    where = {"endpoint": args.endpoint, "key": args.key}

    anomaly, mean_year = read_all(args.url, **where)
    latitude, longitude = (seamount.read(args.url, name, **where) for name in ("FNOCY", "FNOCX"))
    wind = anomaly + mean_year
    truth = wind[slice(*TEST)]
    predicted, stats = model_forecast(args, where)
    forecasts = {**baselines(wind, mean_year), "the model": predicted + mean_year[slice(*TEST)]}
    skill = {name: rmse(forecast, truth, latitude) for name, forecast in forecasts.items()}
    for name, error in skill.items():
        print(f"{name:34} {error:.3f} m/s")
    draw(args.png, truth[-1], forecasts["the model"][-1], latitude, longitude,
         f"Surface wind, December 1992, forecast from the twelve months before (error over 24 months "
         f"{skill['the model']:.2f} m/s)")
    if args.json:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        with open(args.json, "w") as file:
            json.dump({"rmse": skill, "peak_bytes": peak, "loader": stats}, file)


if __name__ == "__main__":
    main()

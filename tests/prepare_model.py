"""Random raw files and recipes, and what `seamount prepare` must make of them, worked out with xarray, cftime and NumPy.

`random_case` writes one or several NetCDF files and a recipe that is valid for them; `expected` reads the files back with
xarray and does naively what the recipe says. Nothing here knows how the program does it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import xarray as xr

CALENDARS = ["standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "360_day", "julian", "all_leap"]
CLASSIC = {"NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4_CLASSIC"}
OLD_TYPES = ["i1", "i2", "i4", "f4", "f8"]
ALL_TYPES = OLD_TYPES + ["u1", "u2", "u4", "i8", "u8"]


@dataclass
class Case:
    recipe: dict
    paths: list[Path]
    calendar: str
    lookup: dict[str, str] = field(default_factory=dict)  # name in the recipe → name in the output
    fitted_days: float | None = None  # what the steps span that harmonics are fitted to


def chance(rng, p):
    return rng.random() < p


def coordinate(rng, kind, size):
    if kind == "lat":
        values = np.sort(rng.choice(np.arange(-88, 89, 2), size, replace=False)).astype("f8")
        return values[::-1] if chance(rng, 0.6) else values
    if kind == "lon":
        start = rng.choice([0, -180])
        if chance(rng, 0.7):  # round the globe
            return start + np.arange(size) * 360.0 / size
        return start + 20 + np.arange(size) * 3.5
    return np.sort(rng.choice(np.arange(10, 1000, 10), size, replace=False)).astype("f8")


def stored_values(rng, dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.normal(12, 6, shape) + rng.normal(0, 1, shape)).astype(dtype)
    low = -100 if dtype.kind == "i" else 0
    return rng.integers(low, 120, shape).astype(dtype)


def packing(rng, dtype):
    """Attributes, and the share of values that they make missing is left to chance."""
    dtype = np.dtype(dtype)
    out = {}
    if dtype.kind == "f":
        if chance(rng, 0.4):
            out["_FillValue"] = dtype.type(-99.9)
        if chance(rng, 0.2):
            out["missing_value"] = dtype.type(1e20)
        if chance(rng, 0.15):
            out["valid_range"] = np.array([-5, 30], dtype)
        return out
    if chance(rng, 0.5):
        out["_FillValue"] = dtype.type(7)
    if chance(rng, 0.25):
        out["missing_value"] = dtype.type(9)
    if chance(rng, 0.2):
        out["valid_min"] = dtype.type(3)
    if chance(rng, 0.2):
        out["valid_max"] = dtype.type(110)
    if chance(rng, 0.5):
        out["scale_factor"] = 0.125
    if chance(rng, 0.4):
        out["add_offset"] = 3.0
    if dtype.kind == "i" and dtype.itemsize == 1 and chance(rng, 0.5) and not {"valid_min", "valid_max"} & set(out):
        out["_Unsigned"] = "true"
    return out


def storage(rng, kind, dims, sizes):
    """Keyword arguments of createVariable."""
    if kind != "NETCDF4" and kind != "NETCDF4_CLASSIC" or not dims:
        return {}
    how = rng.choice(["default", "chunked", "deflate", "shuffle", "fletcher"])
    out = {}
    if how != "default":
        out["chunksizes"] = tuple(int(rng.integers(1, sizes[d] + 1)) for d in dims)
    if how in ("deflate", "shuffle"):
        out |= {"zlib": True, "complevel": 1, "shuffle": how == "shuffle"}
    if how == "fletcher":
        out |= {"fletcher32": True, "zlib": chance(rng, 0.5)}
    return out


def write_file(path, kind, sizes, coords, times, units, calendar, specs, unlimited, steps):
    with netCDF4.Dataset(path, "w", format=kind) as out:
        out.set_fill_off()
        out.title = "random"
        for name, size in sizes.items():
            out.createDimension(name, None if name == unlimited else steps if name == "time" else size)
        if "time" in sizes and times is not None:
            t = out.createVariable("time", times.dtype, ("time",))
            t.units, t.calendar = units, calendar
            t[:] = times
        for name, (values, attributes) in coords.items():
            v = out.createVariable(name, values.dtype, (name,))
            v.setncatts(attributes)
            v[:] = values
        for name, (dtype, dims, attributes, how, values) in specs.items():
            attributes = dict(attributes)
            how = {"endian": {"<": "little", ">": "big"}.get(np.dtype(dtype).byteorder, "native")} | how
            v = out.createVariable(name, dtype, dims, fill_value=attributes.pop("_FillValue", None), **how)
            v.set_auto_maskandscale(False)
            v.setncatts(attributes)
            v[...] = values


def random_case(rng, folder: Path) -> Case:
    kind = str(rng.choice(["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4", "NETCDF4", "NETCDF4_CLASSIC"]))
    modern = kind == "NETCDF4"
    calendar = str(rng.choice(CALENDARS))
    steps = int(rng.integers(26, 60))
    sizes = {"time": steps, "lat": int(rng.integers(1, 7)), "lon": int(rng.integers(1, 9))}
    if chance(rng, 0.4):
        sizes["level"] = int(rng.integers(1, 4))
    unlimited = "time" if chance(rng, 0.6) else None
    unit = str(rng.choice(["days", "hours", "minutes", "seconds"]))
    scale = {"days": 1, "hours": 24, "minutes": 1440, "seconds": 86400}[unit]
    units = f"{unit} since {rng.choice(['1999-12-15', '1980-01-14 14:00:00', '1900-1-1', '2000-02-28T06:00:00Z'])}"
    days = np.cumsum(rng.choice([30.5, 31, 28, 5, 15.25]) * np.ones(steps)) if chance(rng, 0.7) else np.cumsum(rng.uniform(1, 40, steps))
    times = np.round(days * scale * 4) / 4
    if chance(rng, 0.3) and np.abs(times).max() < 2**31:
        times = np.unique(np.round(times)).astype("i4")
        steps = sizes["time"] = times.size
    coords = {}
    for name, attributes in [("lat", {"units": "degrees_north"}), ("lon", {"units": "degrees_east"}), ("level", {"units": "hPa"})]:
        if name in sizes and not chance(rng, 0.15):
            coords[name] = (coordinate(rng, name, sizes[name]).astype(rng.choice(["f4", "f8"])), attributes)
    specs = {}
    for i in range(int(rng.integers(1, 4))):
        dtype = str(rng.choice(OLD_TYPES if kind in CLASSIC else ALL_TYPES))
        dims = tuple(d for d in ("time", "level", "lat", "lon") if d in sizes and chance(rng, 0.85))
        if modern and chance(rng, 0.3):
            dims = tuple(rng.permutation(dims))
        dims = tuple(str(d) for d in dims)
        shape = tuple(sizes[d] for d in dims)
        attributes = packing(rng, dtype)
        values = stored_values(rng, dtype, shape)
        if chance(rng, 0.5) and np.dtype(dtype).kind == "f" and values.ndim:
            for missing in ("_FillValue", "missing_value"):
                if missing in attributes:
                    values[rng.random(shape) < 0.1] = attributes[missing]
            if chance(rng, 0.3):
                values[rng.random(shape) < 0.05] = np.nan
        endian = str(rng.choice(["native", "big", "little"])) if modern else "native"
        name = f"grp/v{i}" if modern and chance(rng, 0.15) else f"v{i}"
        dtype = np.dtype(dtype).newbyteorder({"native": "=", "big": ">", "little": "<"}[endian])
        specs[name] = (dtype, dims, attributes, storage(rng, kind, dims, sizes), values)
    # The same things cut along time into several files.
    parts = 1
    if chance(rng, 0.25) and all("time" in s[1] for s in specs.values() if s[1]) and "time" in sizes:
        parts = int(rng.integers(2, 4))
    edges = [steps * p // parts for p in range(parts + 1)]
    paths = []
    for p in range(parts):
        cut = {}
        for name, (dtype, dims, attributes, how, values) in specs.items():
            if "time" in dims:
                values = np.take(values, np.arange(edges[p], edges[p + 1]), axis=dims.index("time"))
                how = dict(how)
                if "chunksizes" in how:
                    how["chunksizes"] = tuple(min(c, max(1, n)) for c, n in zip(how["chunksizes"], values.shape))
            cut[name] = (dtype, dims, attributes, how, values)
        path = folder / f"in{p}.nc"
        write_file(path, kind, sizes, coords, times[edges[p] : edges[p + 1]], units, calendar, cut, unlimited, edges[p + 1] - edges[p])
        paths.append(path)
    dates = cftime.num2date(times, units, calendar)
    return Case(random_recipe(rng, paths, sizes, coords, dates, specs), paths, calendar)


def stamp(date):
    return f"{date.year:04d}-{date.month:02d}-{date.day:02d}T{date.hour:02d}:{date.minute:02d}:{date.second:02d}"


def random_recipe(rng, paths, sizes, coords, dates, specs):
    names = [str(n) for n in rng.permutation(list(specs))][: int(rng.integers(1, len(specs) + 1))]
    recipe = {"source": str(paths[0]) if len(paths) == 1 else [str(p) for p in paths], "variables": names}
    if "level" in sizes and chance(rng, 0.5):
        if "level" in coords and chance(rng, 0.6):
            level = float(rng.choice(coords["level"][0]))
            near = {"value": level + 0.25, "method": "nearest"} if sizes["level"] > 1 else {"value": level}
            recipe["select"] = {"level": near if chance(rng, 0.5) else level}
        else:
            recipe["select"] = {"level": {"index": int(rng.integers(sizes["level"]))}}
    box = {}
    if "lat" in coords and chance(rng, 0.4):
        a, b = rng.choice(coords["lat"][0], 2)
        box[str(rng.choice(["lat", "latitude"]))] = [float(a), float(b)]
    if "lon" in coords and chance(rng, 0.5):
        start = float(rng.choice(coords["lon"][0])) + float(rng.choice([0, -360, 360]) if chance(rng, 0.4) else 0)
        box["lon"] = [start, start + float(rng.choice([0, 40, 100, 200, 359.9]))]
        if chance(rng, 0.3):
            box["lon"] = [float(x) for x in rng.choice([[-180, 180], [0, 360], [-180, 179.9], [0, 359.9]])]
    if box:
        recipe["box"] = box
    first, last = 0, dates.size - 1
    if chance(rng, 0.4):
        first, last = int(rng.integers(0, 5)), int(rng.integers(dates.size - 5, dates.size))
        recipe["time"] = [stamp(dates[first]), stamp(dates[last])]
    timed = [n for n in specs if "time" in specs[n][1] and "/" not in n]
    same = [n for n in timed if specs[n][1] == specs[timed[0]][1]] if timed else []
    if same and chance(rng, 0.4):
        a, b = str(rng.choice(same)), str(rng.choice(same))
        recipe["derive"] = {"made": {"expression": str(rng.choice([f"{a} + 2*{b}", f"sqrt(abs({a})) - {b}^2"])), "units": "K"}}
    if chance(rng, 0.6):
        stop = int(rng.integers(first + 13, last + 1)) if last - first > 14 else last
        begin = int(rng.integers(first, min(first + 3, stop)))
        recipe["split"] = {"train": [stamp(dates[begin]), stamp(dates[stop])]}
    over = "train" if "split" in recipe and chance(rng, 0.8) else "all"
    if chance(rng, 0.5):
        lower, upper = (begin, stop) if over == "train" else (first, last)
        months = {d.month for d in dates[first : last + 1]}
        if chance(rng, 0.5) and months == {d.month for d in dates[lower : upper + 1]} and upper - lower + 1 >= 12:
            recipe["anomaly"] = {"climatology": "month", "over": over}
        elif upper - lower > 8:
            recipe["anomaly"] = {"harmonics": int(rng.integers(1, 3)), "over": over}
    if chance(rng, 0.4):
        recipe["standardize"] = {"over": "train" if "split" in recipe and chance(rng, 0.8) else "all"}
        recipe["dtype"] = str(rng.choice(["float32", "float64"]))
    elif chance(rng, 0.2):
        recipe["dtype"] = str(rng.choice(["float32", "float64"]))
    layout = rng.choice(["none", "chunks", "shards", "minibatch"])
    if layout in ("chunks", "shards"):
        recipe["chunks"] = {d: int(rng.integers(1, n + 2)) for d, n in sizes.items() if chance(rng, 0.7)}
    if layout == "shards":
        recipe["shards"] = {d: int(rng.integers(1, n + 2)) for d, n in sizes.items() if chance(rng, 0.5)}
    if layout == "minibatch":
        recipe["minibatch"] = {"inputs": int(rng.integers(1, 4)), "targets": 1, "batch": 4, "shuffle": chance(rng, 0.5)}
    recipe = {k: v for k, v in recipe.items() if v != {}}
    recipe["format"] = 2 if layout != "shards" and chance(rng, 0.4) else 3
    recipe["codec"] = str(rng.choice(["none", "zstd:1", "blosc-lz4", "blosc-zstd:1", "gzip:1"]))
    return recipe


# ---- the model


def decode(raw: xr.Variable) -> tuple[np.ndarray, bool]:
    """Physical values in float64, missing as NaN, and whether anything had to be done for that."""
    attributes, values = raw.attrs, raw.values
    changed = False
    if attributes.get("_Unsigned") == "true":
        unsigned = np.dtype(f"u{values.dtype.itemsize}")
        attributes = {k: unsigned.type(np.asarray(v).astype(unsigned)) if k in ("_FillValue", "missing_value") else v for k, v in attributes.items()}
        values, changed = values.view(unsigned.newbyteorder(values.dtype.byteorder)), True
    out = values.astype("f8")
    missing = np.isnan(out)
    for key in ("_FillValue", "missing_value"):
        if key in attributes and not np.isnan(attributes[key]):
            missing |= values == attributes[key]
            changed = True
    low, high = attributes.get("valid_range", (attributes.get("valid_min"), attributes.get("valid_max")))
    if low is not None:
        missing |= values < low
    if high is not None:
        missing |= values > high
    changed |= low is not None or high is not None
    if "scale_factor" in attributes or "add_offset" in attributes:
        out = out * float(attributes.get("scale_factor", 1)) + float(attributes.get("add_offset", 0))
        changed = True
    return np.where(missing, np.nan, out), changed


def open_raw(paths, name):
    group, _, base = name.rpartition("/")
    parts = []
    for path in paths:
        with xr.open_dataset(path, group=group or None, decode_cf=False, engine="netcdf4") as ds:
            parts.append(ds[base].variable.load())
    if "time" not in parts[0].dims:
        return parts[0]
    return xr.Variable.concat(parts, "time") if len(parts) > 1 else parts[0]


def longitude_order(values, low, high):
    """Indices inside [low, high] of the circle, in order of the way round from low, and their labels."""
    while high < low:
        high += 360
    found = []
    for i, v in enumerate(values.astype("f8")):
        label = v if low - 1e-4 <= v <= high + 1e-4 else v + 360 * np.ceil((low - v - 1e-4) / 360)
        if label <= high + 1e-4:
            found.append((label, i))
    found.sort()
    return [i for _, i in found], [label for label, _ in found]


def expected(case: Case) -> dict:
    """name → dict(values, dims, dtype, tolerance, mean, std); coordinates and climatologies included."""
    recipe, paths = case.recipe, case.paths
    with netCDF4.Dataset(paths[0]) as first:
        coords = {c: open_raw(paths, c) for c in first.dimensions if c in first.variables}
        sizes = {d: coords["time"].size if d == "time" else len(first.dimensions[d]) for d in first.dimensions}
    keep = {d: list(range(n)) for d, n in sizes.items()}
    labels = {d: v.values for d, v in coords.items()}
    dropped = set()
    for d, what in recipe.get("select", {}).items():
        what = what if isinstance(what, dict) else {"value": what}
        index = what["index"] if "index" in what else int(np.argmin(np.abs(labels[d].astype("f8") - what["value"])))
        keep[d] = [index]
        dropped.add(d)
    for key, (a, b) in recipe.get("box", {}).items():
        d = {"latitude": "lat", "longitude": "lon"}.get(key, key)
        v = labels[d].astype("f8")
        if d == "lon":
            keep[d], moved = longitude_order(labels[d], a, b)
            labels[d] = np.array(moved)
        else:
            keep[d] = [i for i in range(v.size) if min(a, b) - 1e-4 <= v[i] <= max(a, b) + 1e-4]
            labels[d] = labels[d][keep[d]]
    dates = cftime.num2date(coords["time"].values, coords["time"].attrs["units"], case.calendar)
    at = lambda text: cftime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S", calendar=dates[0].calendar)
    if "time" in recipe:
        low, high = map(at, recipe["time"])
        keep["time"] = [i for i, d in enumerate(dates) if low <= d < high + np.timedelta64(1, "s").astype(object)]
    labels["time"] = coords["time"].values[keep["time"]]
    dates = dates[keep["time"]]
    case.steps = [(b - a).total_seconds() for a, b in zip(dates, dates[1:])]
    ranges = {"all": slice(0, dates.size)}
    for name, (low, high) in ((k, map(at, v)) for k, v in recipe.get("split", {}).items()):
        inside = [i for i, d in enumerate(dates) if low <= d < high + np.timedelta64(1, "s").astype(object)]
        ranges[name] = slice(inside[0], inside[-1] + 1)
    if "harmonics" in recipe.get("anomaly", {}):
        over = dates[ranges[recipe["anomaly"]["over"]]]
        case.fitted_days = (over[-1] - over[0]).total_seconds() / 86400 * len(over) / max(1, len(over) - 1)
    out = {}
    loaded = {}

    def load(name):
        raw = open_raw(paths, name)
        values, changed = decode(raw)
        for axis, d in enumerate(raw.dims):
            values = np.take(values, keep[d], axis=axis)
        kept = tuple(d for d in raw.dims if d not in dropped)
        values = values.reshape([n for d, n in zip(raw.dims, values.shape) if d not in dropped])
        loaded[name] = (values, kept, raw.dtype.newbyteorder("="), changed)
        return loaded[name]

    narrow = lambda dtype: "f4" if dtype == np.float32 or dtype.itemsize <= 2 else "f8"
    for name in recipe["variables"]:
        values, dims, dtype, changed = load(name)
        unchanged = not changed and not ("anomaly" in recipe and values.ndim and loaded[name] and open_raw(paths, name).ndim)
        kind = dtype if unchanged else np.dtype("f8") if dtype == np.float64 else np.dtype(narrow(dtype))
        out[name.replace("/", ".")] = dict(values=values, dims=dims, dtype=np.dtype(recipe.get("dtype", kind)))
    for name, what in recipe.get("derive", {}).items():
        used = {n: load(n) for n in loaded_names(what["expression"])}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = eval(what["expression"].replace("^", "**"), {"sqrt": np.sqrt, "abs": np.abs} | {n: v[0] for n, v in used.items()})
        kind = "f4" if all(narrow(v[2]) == "f4" for v in used.values()) else "f8"
        out[name] = dict(values=values, dims=next(iter(used.values()))[1], dtype=np.dtype(recipe.get("dtype", kind)))
    for name in list(out):
        finish(recipe, out, name, dates, ranges)
    used = {d for v in out.values() for d in v["dims"]}
    for d, v in labels.items():
        if d in used and d not in dropped:
            out[d] = dict(values=np.asarray(v, "f8"), dims=(d,), dtype=None)
        elif d in dropped and any(d in open_raw(paths, name).dims for name in loaded):  # one place of it is left
            out[d] = dict(values=np.asarray(v[keep[d][0]], "f8"), dims=(), dtype=None)
    return out


def loaded_names(expression):
    import re
    return sorted(set(re.findall(r"v\d", expression)))


def finish(recipe, out, name, dates, ranges):
    """Anomaly and moments of one output variable."""
    array = out[name]
    values = array["values"]
    array["scale"] = float(np.nanmax(np.abs(values))) if values.size and not np.isnan(values).all() else 1.0
    time = array["dims"].index("time") if "time" in array["dims"] else None
    if "anomaly" in recipe and time is not None:
        over = ranges[recipe["anomaly"]["over"]]
        moved = np.moveaxis(values, time, 0)
        flat = moved.reshape(moved.shape[0], -1)
        if "climatology" in recipe["anomaly"]:
            basis = np.array([[d.month == m for m in range(1, 13)] for d in dates], "f8")
        else:
            start = [cftime.datetime(d.year, 1, 1, calendar=d.calendar) for d in dates]
            end = [cftime.datetime(d.year + 1, 1, 1, calendar=d.calendar) for d in dates]
            phase = 2 * np.pi * np.array([(d - s) / (e - s) for d, s, e in zip(dates, start, end)])
            terms = [np.ones_like(phase)]
            for k in range(1, recipe["anomaly"]["harmonics"] + 1):
                terms += [np.cos(k * phase), np.sin(k * phase)]
            basis = np.stack(terms, 1)
        coefficients = np.full((basis.shape[1], flat.shape[1]), np.nan)
        weak = np.zeros(flat.shape[1], bool)
        for p in range(flat.shape[1]):
            there = ~np.isnan(flat[over, p])
            b, x = basis[over][there], flat[over, p][there]
            if "climatology" in recipe["anomaly"]:
                for m in range(12):
                    if b[:, m].any():
                        coefficients[m, p] = x[b[:, m] > 0].mean()
            elif len(x):
                # A fit that hardly has more steps than terms is a matter of rounding.
                weak[p] = np.linalg.cond(b) > 1e4 if len(x) >= basis.shape[1] else True
                if not weak[p]:
                    coefficients[:, p] = np.linalg.lstsq(b, x, rcond=None)[0]
        with np.errstate(invalid="ignore"):
            fitted = np.stack([np.where(row[:, None] != 0, row[:, None] * coefficients, 0).sum(0) for row in basis])
        anomaly = (flat - fitted).reshape(moved.shape)
        weak = np.broadcast_to(weak, flat.shape).reshape(moved.shape)
        array["values"] = np.moveaxis(anomaly, 0, time)
        array["weak"] = np.moveaxis(weak, 0, time)
        rest = tuple(d for d in array["dims"] if d != "time")
        first = "month" if "climatology" in recipe["anomaly"] else "harmonic"
        out[f"{name}_climatology"] = dict(values=coefficients.reshape((-1,) + moved.shape[1:]), dims=(first,) + rest, dtype=array["dtype"],
                                          scale=array["scale"], weak=np.broadcast_to(weak[0], (basis.shape[1],) + moved.shape[1:]))
    if "standardize" in recipe:
        part = array["values"]
        if time is not None:
            part = np.take(part, np.arange(part.shape[time])[ranges[recipe["standardize"]["over"]]], axis=time)
        good = part[~np.isnan(part)]
        array["mean"] = good.mean() if good.size else None
        array["std"] = good.std() if good.size else None

"""`mask` by areas of the map, against Matplotlib's point in polygon. A failure says its seed."""

from __future__ import annotations

import json
import os
import random
import subprocess

import numpy as np
import pytest
import xarray as xr
from matplotlib.path import Path as Outline
from test_prepare_climatology import run

SEED = int(os.environ.get("SEAMOUNT_RANDOM_SEED", str(random.randrange(2**31))))


def globe(path, lon):
    lat = np.arange(90, -91, -3.0)
    values = np.random.default_rng(SEED).normal(size=(2, len(lat), len(lon))).astype("f4")
    source = xr.Dataset({"t": (("time", "lat", "lon"), values)}, {"time": np.arange(2.0), "lat": ("lat", lat, {"units": "degrees_north"}),
                                                                "lon": ("lon", lon, {"units": "degrees_east"})})
    source.to_netcdf(path, encoding={"t": {"chunksizes": (2, len(lat), 20)}})
    return source.t


def star(rng, lon, lat, low, high):
    """A ring around a point."""
    angles = (np.arange(12) + rng.uniform(0, 0.5, 12)) * np.pi / 6
    reach = rng.uniform(low, high, 12)
    return [[lon + float(r * np.cos(a)), lat + float(r * np.sin(a))] for a, r in zip(angles, reach)]


def area(*outlines):
    return json.dumps({"type": "MultiPolygon", "coordinates": [[outline] for outline in outlines]})


def inside(field, polygons):
    lon, lat = np.meshgrid(field.lon, field.lat)
    out = np.zeros(lon.shape, bool)
    for around in (-720, -360, 0, 360, 720):
        points = np.stack([lon.ravel() + around, lat.ravel()], 1)
        for outline, *holes in polygons:
            here = Outline(outline + outline[:1]).contains_points(points)
            for hole in holes:
                here &= ~Outline(hole + hole[:1]).contains_points(points)
            out |= here.reshape(lon.shape)
    return out


@pytest.mark.parametrize("lon", [np.arange(0, 360, 3.0), np.arange(-180, 180, 3.0)], ids=["0..360", "-180..180"])
def test_areas_with_holes_and_over_the_seams(seamount_binary, tmp_path, lon):
    field = globe(tmp_path / "in.nc", lon)
    rng = np.random.default_rng(SEED)
    polygons = [[star(rng, x, float(rng.uniform(-40, 40)), 20, 45)] for x in (-3.3, 178.7, 91.1)]
    polygons.append([star(rng, 250.2, 10.4, 25, 40), star(rng, 250.2, 10.4, 5, 15)])
    features = [{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring + ring[:1] for ring in polygon]}} for polygon in polygons[:2]]
    features += [{"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": polygons[2:]}}, {"type": "Feature", "geometry": None}]
    (tmp_path / "land.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    variables = [{"land": {"from": "t", "steps": [{"mask": {"geojson": "land.geojson"}}]}},
                 {"sea": {"from": "t", "steps": [{"mask": {"geojson": "land.geojson", "keep": "outside"}}]}},
                 {"one": {"from": "t", "steps": [{"mask": {"geojson": "one.geojson"}}]}}]
    (tmp_path / "one.geojson").write_text(area(polygons[0][0]))
    run(seamount_binary, tmp_path, {"source": "in.nc", "variables": variables})
    kept = inside(field, polygons)
    assert 0.02 < kept.mean() < 0.9
    with xr.open_zarr(tmp_path / "out.zarr", decode_times=False) as out:
        np.testing.assert_array_equal(out.land, field.where(kept), err_msg=f"seed {SEED}")
        np.testing.assert_array_equal(out.sea, field.where(~kept), err_msg=f"seed {SEED}")
        np.testing.assert_array_equal(out.one, field.where(inside(field, polygons[:1])), err_msg=f"seed {SEED}")


def test_areas_that_meet_share_no_place_and_lose_none(seamount_binary, tmp_path):
    field = globe(tmp_path / "in.nc", np.arange(0, 360, 3.0))
    edges = [0, 60, 180, 360]
    variables = []
    for i, (a, b) in enumerate(zip(edges, edges[1:])):
        for y in (-90, 0):
            (tmp_path / f"{i}{y}.json").write_text(area([[a, y], [b, y], [b, y + 90], [a, y + 90]]))
            variables.append({f"part_{i}_{y}": {"from": "t", "steps": [{"mask": {"geojson": f"{i}{y}.json"}}]}})
    run(seamount_binary, tmp_path, {"source": "in.nc", "variables": variables})
    with xr.open_zarr(tmp_path / "out.zarr", decode_times=False) as out:
        out = out.load()
        has = sum(out[name][0].notnull().astype(int) for name in out.data_vars)
        assert (has == 1).all()  # the poles too
        np.testing.assert_array_equal(out.part_1_0.lon[out.part_1_0[0].notnull().any("lat")], np.arange(60, 180, 3))


def test_only_where_the_outline_has_changed_is_written_again(seamount_binary, tmp_path):
    globe(tmp_path / "in.nc", np.arange(0, 360, 3.0))
    recipe = {"source": "in.nc", "variables": ["t"], "steps": [{"mask": {"geojson": "a.json"}}], "chunks": {"lon": 20}}
    up_to = lambda east: (tmp_path / "a.json").write_text(area([[10, -50], [east, -50], [east, 50], [10, 50]]))
    up_to(100)
    first, _ = run(seamount_binary, tmp_path, recipe)
    up_to(130)
    second, _ = run(seamount_binary, tmp_path, recipe, "--overwrite")
    assert second["regions"] == first["regions"] == 6 and second["regions_kept"] == 4  # 60 to 117 and 120 to 177


@pytest.mark.parametrize("step,content,message", [
    ({"geojson": "a.json"}, None, "the file 'a.json': reading it: No such file"),
    ({"geojson": "a.json"}, "[", "the file 'a.json': it is no JSON"),
    ({"geojson": "a.json"}, '{"type": "Point", "coordinates": [1, 2]}', "it has a Point: areas are Polygon or MultiPolygon"),
    ({"geojson": "a.json"}, '{"type": "Polygon", "coordinates": [[[500000, 6000000], [1, 2], [3, 4]]]}', "is no [longitude, latitude] in degrees"),
    ({"geojson": "a.json"}, '{"type": "FeatureCollection", "features": []}', "there is no area in it"),
    ({"geojson": "a.json"}, '{"type": "Polygon", "coordinates": ' + "[" * 200 + "]" * 200 + "}", "it is no JSON"),
    ({"geojson": "a.json"}, area([[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]), "no place of the grid lies inside of the areas"),
    ({"geojson": "a.json"}, area([[0, 0], [1, 1]]), "a ring has three points at least"),
    ({"geojson": "a.json"}, area([[0, 0], [1, 1], [0, 95]]), "is no [longitude, latitude]"),
    ({"geojson": "a.json", "above": 1}, area([[0, 0], [9, 0], [9, 9]]), "it needs either 'by'"),
    ({"box": {"lat": [0, 9]}, "keep": "outside"}, None, "it needs either 'by'"),
])
def test_what_is_no_area_is_refused(seamount_binary, tmp_path, step, content, message):
    globe(tmp_path / "in.nc", np.arange(0, 360, 3.0))
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    (tmp_path / "r.yaml").write_text(json.dumps({"source": "in.nc", "variables": ["t"], "steps": [{"mask": step}]}))
    done = subprocess.run([seamount_binary, "prepare", "r.yaml", "--to", "out.zarr"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode in (2, 3) and message in done.stderr and "r.yaml line 1: " in done.stderr

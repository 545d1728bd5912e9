"""What belongs to a variable comes along: xarray finds the same coordinates in the output as in the source."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import xarray as xr

from prepare_files import prepare  # noqa: F401


def rotated(path, group=None):
    """A field on a rotated grid, as CORDEX has it: 2-D latitudes and longitudes with bounds, a mapping, flags, a height."""
    with netCDF4.Dataset(path, "w") as out:
        at = out.createGroup(group) if group else out
        at.createDimension("time", None)
        for name, size in (("rlat", 3), ("rlon", 4), ("vertices", 4), ("bnds", 2)):
            at.createDimension(name, size)

        def add(name, kind, dims, values, **attributes):
            v = at.createVariable(name, kind, dims)
            v.setncatts(attributes)
            v[...] = values

        add("time", "f8", ("time",), np.arange(5) + 0.5, units="days since 2001-01-01", bounds="time_bnds", standard_name="time")
        add("time_bnds", "f8", ("time", "bnds"), np.stack([np.arange(5), np.arange(5) + 1], 1))
        add("rlat", "f8", ("rlat",), [-1.0, 0, 1], units="degrees", standard_name="grid_latitude", axis="Y")
        add("rlon", "f8", ("rlon",), [-2.0, -1, 0, 1], units="degrees", standard_name="grid_longitude", axis="X")
        lat = np.add.outer([50.0, 51, 52], [0, 0.1, 0.2, 0.3])
        add("lat", "f8", ("rlat", "rlon"), lat, units="degrees_north", standard_name="latitude", bounds="lat_vertices")
        add("lon", "f8", ("rlat", "rlon"), lat - 40, units="degrees_east", standard_name="longitude")
        add("lat_vertices", "f8", ("rlat", "rlon", "vertices"), lat[..., None] + [-0.5, -0.5, 0.5, 0.5])
        add("rotated_pole", "S1", (), b"", grid_mapping_name="rotated_latitude_longitude", grid_north_pole_latitude=39.25)
        add("height", "f8", (), 2.0, units="m", positive="up")
        add("basin", "i1", ("rlat", "rlon"), np.arange(12).reshape(3, 4) % 3, flag_values=np.arange(3, dtype="i1"), flag_meanings="land north south")
        add("tas", "f4", ("time", "rlat", "rlon"), np.random.default_rng(0).normal(280, 5, (5, 3, 4)), units="K",
            coordinates="lat lon height basin", grid_mapping="rotated_pole", cell_methods="time: mean")
    return str(path)


def coordinates(dataset: xr.Dataset, name: str) -> set[str]:
    return {str(c) for c in dataset[name].coords}


def same(out: xr.Dataset, source: xr.Dataset, prefix=""):
    assert {c.removeprefix(prefix) for c in coordinates(out, prefix + "tas")} == coordinates(source, "tas")
    for name in coordinates(source, "tas") - {"rotated_pole"}:  # attributes are all that there is to it
        np.testing.assert_array_equal(out[prefix + name].values, source[name].values, err_msg=name)
        assert tuple(d.removeprefix(prefix) for d in out[prefix + name].dims) == source[name].dims
    np.testing.assert_array_equal(out[prefix + "tas"], source.tas)


@pytest.mark.parametrize("steps", [[], [{"clip": [0, 1000]}]], ids=["stored", "made"])
def test_a_rotated_grid_keeps_its_coordinates(prepare, tmp_path, steps):
    source = xr.open_dataset(rotated(tmp_path / "in.nc"), decode_coords="all")
    prepare({"source": "in.nc", "variables": ["tas"], **({"steps": steps} if steps else {})})
    out = xr.open_zarr(tmp_path / "out.zarr", decode_coords="all").load()
    same(out, source)
    assert out.rotated_pole.attrs["grid_north_pole_latitude"] == 39.25 and out.tas.encoding["grid_mapping"] == "rotated_pole"
    assert out.basin.attrs["flag_meanings"] == "land north south" and out.basin.dtype == "i1"
    np.testing.assert_array_equal(out.basin.attrs["flag_values"], [0, 1, 2])
    assert out.lat.encoding["bounds"] == "lat_vertices" if "bounds" in out.lat.encoding else out.lat.attrs["bounds"] == "lat_vertices"
    assert out.tas.attrs["cell_methods"] == "time: mean"


def test_those_of_a_group(prepare, tmp_path):
    source = xr.open_dataset(rotated(tmp_path / "in.nc", "model"), group="model", decode_coords="all")
    prepare({"source": "in.nc", "variables": ["model/tas"]})
    same(xr.open_zarr(tmp_path / "out.zarr", decode_coords="all").load(), source, "model.")


def test_those_of_named_sources(prepare, tmp_path):
    source = xr.open_dataset(rotated(tmp_path / "in.nc"), decode_coords="all")
    xr.Dataset({"z": (("rlat", "rlon"), np.ones((3, 4), "f4"))}, {"rlat": source.rlat.values, "rlon": source.rlon.values}).to_netcdf(tmp_path / "z.nc")
    prepare({"sources": {"model": "in.nc", "static": "z.nc"}, "variables": ["tas", "z"]})
    same(xr.open_zarr(tmp_path / "out.zarr", decode_coords="all").load(), source)


def test_a_part_of_the_grid_takes_that_part_of_them(prepare, tmp_path):
    source = xr.open_dataset(rotated(tmp_path / "in.nc"), decode_coords="all")
    recipe = {"source": "in.nc", "variables": ["tas"], "box": {"rlat": [0, 1]}, "time": ["2001-01-02", "2001-01-04"]}
    prepare(recipe)
    same(xr.open_zarr(tmp_path / "out.zarr", decode_coords="all").load(), source.isel(rlat=slice(1, 3), time=slice(1, 4)))


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF4"])
@pytest.mark.parametrize("more", [{}, {"steps": [{"scale": 1}]}, {"format": 2}], ids=["stored", "made", "v2"])
def test_names_of_places_come_along_as_text(prepare, tmp_path, format, more):
    names = np.array(["Fram", "Süd", "a longer name"])
    with netCDF4.Dataset(tmp_path / "in.nc", "w", format=format) as out:
        for name, size in (("line", 3), ("strlen", 16), ("time", 4)):
            out.createDimension(name, size)
        v = out.createVariable("passage", "S1", ("line", "strlen"))
        v[:] = np.array([n.encode() for n in names], "S16").view("S1").reshape(3, 16)
        flow = out.createVariable("flow", "f4", ("time", "line"))
        ship = out.createVariable("ship", "S1", ("strlen",))
        ship[:] = np.array([b"Polarstern"], "S16").view("S1")
        flow.coordinates, flow[:] = "passage ship", np.arange(12).reshape(4, 3)
    prepare({"source": "in.nc", "variables": ["flow"]} | more)
    out = xr.open_zarr(tmp_path / "out.zarr").load()
    assert list(out.flow.passage.values) == list(names) and out.passage.dims == ("line",)
    assert out.flow.ship.item() == "Polarstern"


def test_what_steps_leave_no_place_for_is_said(prepare, tmp_path):
    rotated(tmp_path / "in.nc")
    recipe = {"source": "in.nc", "variables": ["tas"], "steps": [{"coarsen": {"by": {"rlat": 3, "rlon": 2}}}]}
    import subprocess

    done = subprocess.run([prepare.binary, "prepare", str(prepare.write(recipe)), "--to", str(tmp_path / "out.zarr")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("lat", "lon", "basin"):
        assert f"the coordinate '{name}' is left out" in done.stderr

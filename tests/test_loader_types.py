"""The types that slots come in, against NumPy's own conversions."""

from __future__ import annotations

import numpy as np
import pytest
import seamount
import zarr
from seamount import Slot
from test_loader_slots import put, seed  # noqa: F401

TIMES = 12


@pytest.fixture
def world(tmp_path, seed):  # noqa: F811
    print("seed", seed)
    rng = np.random.default_rng(seed)
    root = zarr.create_group(tmp_path / "t.zarr")
    values = {"a": (rng.normal(size=(TIMES, 5, 7)) * 10.0 ** rng.integers(-8, 6, (TIMES, 5, 7))).astype("f4"),
              "kind": rng.integers(-120, 120, (TIMES, 5, 7)).astype("i1"),
              "big": rng.integers(0, 2**63, (TIMES, 5, 7)).astype("u8")}
    values["a"][rng.random((TIMES, 5, 7)) < 0.05] = np.nan
    for name, array in values.items():
        put(root, name, array, ("time", "y", "x"), (3, 4, 7), {"_FillValue": 5} if name == "kind" else None)
    return f"file://{tmp_path}/t.zarr", values


@pytest.mark.filterwarnings("ignore:a batch of", "ignore:overflow")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_what_numpy_rounds_to(world, dtype):
    url, values = world
    numpy_type = np.float16 if dtype == "float16" else pytest.importorskip("ml_dtypes", reason="no ml_dtypes").bfloat16
    loader = seamount.Loader(url, inputs={"x": Slot(["a"], [-1, 0], dtype=dtype), "filled": Slot(["a"], dtype=dtype, fill=0.5)},
                             normalize={"a": (1.0, 3.0)})
    for batch in loader:
        assert batch["x"].dtype == batch["filled"].dtype == numpy_type
        for k in (0, 1):
            single = ((values["a"][batch.index - 1 + k] - np.float32(1)) * np.float32(1 / 3)).astype(numpy_type)
            np.testing.assert_array_equal(batch["x"][:, k, 0].astype("f4"), single.astype("f4"))
        missing = np.isnan(values["a"][batch.index])
        np.testing.assert_array_equal(batch.inputs_missing["filled"][:, 0, 0], missing)
        np.testing.assert_array_equal(batch["filled"][:, 0, 0][missing].astype("f4"), 0.5)
        assert loader.denormalize(batch["x"], slot="x").dtype == np.float32


def test_integers_are_kept(world):
    url, values = world
    slots = {"kind": Slot(["kind"], [-1, 0], dtype="int8"), "wide": Slot(["kind"], dtype="int64"),
             "big": Slot(["big"], dtype="uint64"), "float": Slot(["kind"], normalize=False, missing="mask")}
    for batch in seamount.Loader(url, inputs=slots, batch_size=5):
        for name, kept in (("kind", "i1"), ("wide", "i8"), ("big", "u8")):
            assert batch[name].dtype == np.dtype(kept)
            np.testing.assert_array_equal(batch[name][:, -1, 0], values["kind" if name != "big" else "big"][batch.index])
        # The mark of missing values is one in floating point only, also where integers were copied first.
        np.testing.assert_array_equal(batch.inputs_missing["float"][:, 0, 0], values["kind"][batch.index] == 5)
    for message, slot in [("'big' is stored as uint64", Slot(["big"], dtype="int32")),
                          ("'a' is stored as float32", Slot(["a"], dtype="int16")),
                          ("an integer's name", Slot(["a"], dtype="int128"))]:
        with pytest.raises(ValueError, match=message):
            seamount.Loader(url, inputs={"x": slot})


def test_torch_has_the_types_too(world):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("ml_dtypes", reason="no ml_dtypes")
    url, values = world
    loader = seamount.Loader(url, inputs={"x": Slot(["a"], dtype="bfloat16"), "k": Slot(["kind"], dtype="int64")}, normalize=False)
    batch = next(iter(loader))
    inputs, _ = batch.to_torch()
    assert inputs["x"].dtype == torch.bfloat16 and inputs["k"].dtype == torch.int64
    assert inputs["x"].data_ptr() == batch["x"].ctypes.data

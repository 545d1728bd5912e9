"""Tensors in the order that layout= names, against NumPy's own transposing and reshaping."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import zarr
from loader_support import LAT, LON, url, values  # noqa: F401

import seamount
from seamount import Encoding, Slot

LEADS, NAMES = [-2, -1, 0], ["u", "v"]
SIZES = {"t": 3, "v": 2, "y": LAT, "x": LON}


def batch_of(url, **options):
    options = {"inputs": LEADS, "targets": [1], "batch_size": 4, "normalize": False, "shuffle": None} | options
    loader = seamount.Loader(url, NAMES, **options)
    return loader, next(iter(loader))


def test_letters_order_and_merge_and_nothing_is_copied(url):
    _, plain = batch_of(url)
    loader, merged = batch_of(url, layout="b(tv)yx")
    assert merged.inputs.shape == (4, 6, LAT, LON) and merged.inputs.flags.c_contiguous and not merged.inputs.flags.owndata
    np.testing.assert_array_equal(merged.inputs, plain.inputs.reshape(4, 6, LAT, LON))
    np.testing.assert_array_equal(merged.targets, plain.targets.reshape(4, 2, LAT, LON))
    _, left_out = batch_of(url, layout="batch variable lat lon", inputs=[0])  # a single lead need not be named
    np.testing.assert_array_equal(left_out.inputs, batch_of(url, inputs=[0])[1].inputs[:, 0])
    _, folded = batch_of(url, layout="(b t) v (lat lon)")
    np.testing.assert_array_equal(folded.inputs, plain.inputs.reshape(12, 2, LAT * LON))


def test_random_layouts_are_what_numpy_makes(url):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    _, plain = batch_of(url, missing="fill")
    memory = ["b", "t", "v", "y", "x"]
    for _ in range(60):
        cuts = [0, *sorted(rng.sample(range(1, 5), rng.randrange(0, 5))), 5]
        groups = [memory[a:b] for a, b in itertools.pairwise(cuts)]  # neighbours in memory
        rng.shuffle(groups)
        text = "".join(f"({''.join(group)})" if len(group) > 1 else group[0] for group in groups)
        loader, batch = batch_of(url, layout=text, missing="fill")
        order = [memory.index(name) for group in groups for name in group]
        sizes = {"b": 4, **SIZES}
        shape = [np.prod([sizes[name] for name in group]) for group in groups]
        for given, made in ((plain.inputs, batch.inputs), (plain.inputs_missing, batch.inputs_missing)):
            np.testing.assert_array_equal(made, given.transpose(order).reshape(shape), err_msg=text)
            assert np.shares_memory(made, made.base)
        # And the way back, of the whole and of a prediction in the same layout.
        np.testing.assert_array_equal(loader.to_xarray(batch)["inputs"].values, plain.inputs, err_msg=text)
        np.testing.assert_array_equal(loader.denormalize(batch.inputs, slot="inputs"), batch.inputs, err_msg=text)


def test_slots_and_encodings_have_layouts_of_their_own(url):
    lat = np.linspace(-75, 75, LAT)
    root = zarr.open_group(url.removeprefix("file://"), mode="a")
    for name, numbers in (("lat", lat), ("lon", np.arange(LON) * 36.0)):
        root.create_array(name, shape=numbers.shape, dtype="f8", chunks=numbers.shape, dimension_names=(name,))[...] = numbers
    inputs = {"wind": Slot(NAMES, LEADS, layout="bvtyx"), "where": Encoding(["lat", "lon"], like="wind"), "u": Slot(["u"])}
    loader = seamount.Loader(url, inputs=inputs, normalize=False, shuffle=None, batch_size=4, layout="b(tv)yx")
    batch = next(iter(loader))
    assert batch["wind"].shape == (4, 2, 3, LAT, LON) and batch["u"].shape == (4, 1, LAT, LON)
    assert batch["where"].shape == (4, 2, 3, LAT, LON)
    np.testing.assert_array_equal(batch["where"][0, 0, 0, :, 0].astype("f4"), lat.astype("f4"))
    back = loader.to_xarray(batch)
    assert back["wind"].shape == (4, 3, 2, LAT, LON) and back["u"].shape == (4, 1, 1, LAT, LON)


def test_normalised_values_come_back(url):
    plain, expected = batch_of(url, normalize=True)
    loader, batch = batch_of(url, normalize=True, layout="b(tv)yx")
    back = loader.denormalize(batch.inputs, slot="inputs")
    np.testing.assert_array_equal(back, plain.denormalize(expected.inputs, slot="inputs").reshape(back.shape))
    one = loader.denormalize(batch.targets, slot="targets", leads=[1])
    np.testing.assert_array_equal(one, plain.denormalize(expected.targets).reshape(one.shape))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("b(tv)y", "leaves out 'lon', which has 10"),
        ("tvyx", "leaves out 'batch'"),
        ("b(vt)yx", "neighbours in the order.*would be a copy"),
        ("b(ty)vx", "neighbours in the order"),
        ("b(tv)yxx", "'lon' stands there twice"),
        ("b(tv)yxq", "'q' is none of its dimensions: b .batch., t .lead., v .variable., lat, lon"),
        ("b(tv", "parentheses do not match"),
        ("b)tv(yx", "parentheses do not match"),
        ("b()tvyx", "parentheses do not match"),
        ("b((t)v)yx", "parentheses do not match"),
        ("btv-yx", "'-' is no name"),
        (3, "expected a text"),
        ("", "leaves out"),
    ],
)
def test_what_cannot_be_is_said(url, layout, message):
    with pytest.raises(ValueError, match=message):
        batch_of(url, layout=layout)


def test_a_prediction_refuses_a_layout(url, tmp_path):
    loader = seamount.Loader(url, NAMES, targets=[1], normalize=False, layout="b(tv)yx")
    with pytest.raises(ValueError, match=r"'inputs' has a layout.*replace\(layout=None\)"):
        seamount.predict(lambda inputs: inputs, loader, to=tmp_path / "out.zarr")

"""What people get wrong, over the whole public interface: one style of exceptions, which says what was wrong."""

from __future__ import annotations

import os
import pickle
import re

import numpy as np
import pytest
import seamount
import zarr
from seamount import Encoding, Patches, Slot
from seamount.errors import DataLossError, InvalidArgumentError, KeyNotFoundError, NotFoundError, PreconditionFailedError

SECRET = {"type": "service_account", "private_key": "S3CRET"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a group, and with what is none."""
    monkeypatch.chdir(tmp_path)
    group = zarr.create_group("d.zarr", zarr_format=3)
    group.create_array("u", data=np.zeros((20, 4, 6), "f4"), dimension_names=["time", "lat", "lon"], chunks=(5, 4, 6))
    group.create_array("time", data=np.arange(20) * 6.0, dimension_names=["time"],
                       attributes={"units": "hours since 2001-01-01"})
    group.create_array("lat", data=np.linspace(-60, 60, 4), dimension_names=["lat"])
    os.mkdir("empty")
    os.makedirs("texts")
    (tmp_path / "texts/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("x")
    (tmp_path / "key.json").write_text("{bad")
    os.makedirs("broken.zarr")
    (tmp_path / "broken.zarr/zarr.json").write_text('{"zarr_format": 3, "node_type": "gro')


def loader(**options):
    return seamount.Loader(**({"url": "d.zarr", "variables": ["u"], "normalize": False} | options))


def slots(*given, **options):
    return loader(variables=None, inputs={"x": Slot(*given, **options)})


def group(mode="r"):
    return seamount.open_group("d.zarr", mode=mode)


def predicted(**options):
    return seamount.predict(**({"model": lambda x: x, "data": loader(targets=[1]), "to": "p.zarr"} | options))


WRONG = InvalidArgumentError
CASES = [
    # Where it is.
    (NotFoundError, "nope.zarr", lambda: seamount.open("nope.zarr")),
    (NotFoundError, "nothing to open at file:.*empty: it is empty", lambda: seamount.open("empty")),
    (NotFoundError, "'notes.txt' lies there, but no Zarr group", lambda: seamount.open("texts")),
    (WRONG, "file': Not a directory", lambda: seamount.open("file")),
    (DataLossError, "'zarr.json': not valid JSON", lambda: seamount.open("broken.zarr")),
    (WRONG, "url is a NoneType: expected gs://", lambda: seamount.open(None)),
    (WRONG, "url is empty: expected gs://", lambda: seamount.open("")),
    (WRONG, "url is a dict: expected gs://", lambda: seamount.open(SECRET)),
    (WRONG, "'ftp://x/y': unknown scheme", lambda: seamount.open("ftp://x/y")),
    (WRONG, "mode is 'w': expected", lambda: seamount.open("d.zarr", mode="w")),
    (NotFoundError, "no.json", lambda: seamount.open("gs://b/x", key="no.json")),
    (WRONG, "key.json", lambda: seamount.open("gs://b/x", key="key.json")),
    (WRONG, "key is a int: expected", lambda: seamount.open("gs://b/x", key=3)),
    (WRONG, "endpoint is a int: expected a server's address", lambda: seamount.open("gs://b/x", endpoint=3, anonymous=True)),
    (WRONG, "url is a int", lambda: seamount.ls(3)),
    (NotFoundError, "nope", lambda: seamount.ls("nope")),
    # Groups and arrays.
    (KeyNotFoundError, "'x'", lambda: group()["x"]),
    (WRONG, "variable is 3: expected a name", lambda: group()[3]),
    (WRONG, "name is 3: expected a name", lambda: group().open_group(3)),
    (NotFoundError, "d.zarr/x", lambda: group().open_group("x")),
    (NotFoundError, "'x'", lambda: group().times("x")),
    (WRONG, "lat", lambda: group().times("lat")),
    (NotFoundError, "did you mean 'u'", lambda: seamount.read("d.zarr", "uu")),
    (NotFoundError, "'x'", lambda: seamount.attributes("d.zarr", "x")),
    (WRONG, "missing_chunks", lambda: seamount.open_array("d.zarr", "u", missing_chunks="what")),
    (WRONG, "99", lambda: seamount.read("d.zarr", "u", select={"time": (0, 99)})),
    (WRONG, "'foo'", lambda: seamount.read("d.zarr", "u", select={"foo": (0, 9)})),
    (WRONG, "mode", lambda: group()["u"].__setitem__(0, 0)),
    (WRONG, "1", lambda: group("r+")["u"].resize(1)),
    (WRONG, "-1", lambda: group("r+")["u"].resize(-1, 4, 6)),
    (WRONG, "axis", lambda: group("r+")["u"].append(np.zeros((1, 4, 6)), axis=9)),
    # As NumPy's arrays.
    (IndexError, "99 along dimension 0 of 'u'", lambda: group()["u"][99]),
    (IndexError, "'x' along dimension 0 of 'u'", lambda: group()["u"]["x"]),
    (IndexError, "'u' has 3 dimensions", lambda: group()["u"][0, 0, 0, 0]),
    (IndexError, "mask of 3", lambda: group()["u"][np.ones(3, bool)]),
    (ValueError, "zero", lambda: group()["u"][::0]),
    (ValueError, "broadcast", lambda: group("r+")["u"].__setitem__(0, np.zeros(7))),
    (ValueError, "'x'", lambda: group("r+")["u"].__setitem__(0, "x")),
    # Loaders.
    (NotFoundError, "nope", lambda: loader(url="nope")),
    (WRONG, "url is a int", lambda: loader(url=3)),
    (NotFoundError, "'x'", lambda: loader(variables=["x"])),
    (WRONG, r"variables is 'u': expected a list of names, as \['u'\]", lambda: loader(variables="u")),
    (WRONG, "variables is 3: expected a list of names", lambda: loader(variables=3)),
    (WRONG, "inputs is '6h': expected a list of leads", lambda: loader(inputs="6h")),
    (WRONG, "inputs: lead 'x' is no duration", lambda: loader(inputs=["x"])),
    (WRONG, "inputs is 1.5: expected an integer", lambda: loader(inputs=[1.5])),
    (WRONG, "inputs is None: expected a list of leads", lambda: loader(inputs=None)),
    (WRONG, "targets is 3: expected a list of leads", lambda: loader(targets=3)),
    (WRONG, "batch_size", lambda: loader(batch_size=0)),
    (WRONG, "batch_size is 'a': expected an integer", lambda: loader(batch_size="a")),
    (WRONG, "seed is -1: expected 0 or more", lambda: loader(seed=-1)),
    (WRONG, r"seed is \d+: expected less than 2\^64", lambda: loader(seed=2**70)),
    (WRONG, "threads is 'x'", lambda: loader(threads="x")),
    (WRONG, "'lots' is not a size", lambda: loader(memory="lots")),
    (WRONG, "memory of 10 B is too small", lambda: loader(memory=10)),
    (WRONG, "shuffle", lambda: loader(shuffle="x")),
    (WRONG, "select is 3: expected", lambda: loader(select=3)),
    (WRONG, "999", lambda: loader(select=(0, 999))),
    (WRONG, "select", lambda: loader(select=(0, "2001"))),
    (WRONG, "split is 'x'", lambda: loader(split="x")),
    (WRONG, "times is '2001'", lambda: loader(times="2001")),
    (WRONG, "months", lambda: loader(months=13)),
    (WRONG, "hours", lambda: loader(hours=[24])),
    (WRONG, "where gives bool of shape .3", lambda: loader(where=np.ones(3, bool))),
    (ZeroDivisionError, "division", lambda: loader(where=lambda times: 1 / 0)),
    (WRONG, "normalize", lambda: loader(normalize={"u": 3})),
    (WRONG, "missing is 'x': expected one of", lambda: loader(missing="x")),
    (WRONG, "fill is 'x': expected a number", lambda: loader(fill="x")),
    (WRONG, "patches is 3: expected a seamount.Patches", lambda: loader(patches=3)),
    (WRONG, "size of patches", lambda: loader(patches=Patches({"lat": "x"}))),
    (WRONG, "rank", lambda: loader(rank=3, world=2)),
    (WRONG, "sample_dim is 3: expected the name of a dimension", lambda: loader(sample_dim=3)),
    (WRONG, "cache_dir is a int: expected a folder", lambda: loader(cache_dir=3)),
    (WRONG, "group of a slot is 3", lambda: slots(["u"], group=3)),
    (NotFoundError, "nope", lambda: slots(["u"], group="nope")),
    (WRONG, "variables is 3: expected a list of names", lambda: slots(3)),
    (WRONG, "leads", lambda: slots(["u"], leads=3)),
    (WRONG, "dtype of 'x' is 'c8'", lambda: slots(["u"], dtype="c8")),
    (WRONG, "patch of 'x' is 'x'", lambda: slots(["u"], patch="x")),
    (WRONG, "encodings is 3: expected a list of names", lambda: loader(variables=None, inputs={"x": Slot(["u"]), "y": Encoding(3)})),
    (WRONG, "epoch is 'x'", lambda: loader().set_epoch("x")),
    (WRONG, "loader state is None", lambda: loader().load_state_dict(None)),
    (WRONG, "version None", lambda: loader().load_state_dict({})),
    (WRONG, "another order", lambda: loader().load_state_dict(loader(select=(0, 5)).state_dict())),
    (WRONG, "values have shape .3", lambda: loader().denormalize(np.zeros(3))),
    (WRONG, "slot is 'x'", lambda: loader().denormalize(np.zeros((1, 1, 1, 4, 6)), slot="x")),
    (WRONG, "batch is a int", lambda: loader().to_xarray(3)),
    (KeyNotFoundError, "no slot 'x': it has 'inputs'", lambda: next(iter(loader()))["x"]),
    # What Python itself refuses.
    (TypeError, "unexpected keyword argument 'foo'", lambda: loader(foo=1)),
    (TypeError, "no samples by number", lambda: loader()[0]),
    (TypeError, "cannot be pickled", lambda: pickle.dumps(loader())),
    # Prediction, scores, preparing.
    (WRONG, "the model is 3", lambda: predicted(model=3)),
    (WRONG, "data is a str", lambda: predicted(data="d.zarr")),
    (WRONG, "to is a int", lambda: predicted(to=3)),
    (WRONG, "unknown scheme", lambda: predicted(to="ftp://x")),
    (PreconditionFailedError, "file' is a file", lambda: predicted(to="file")),
    (PreconditionFailedError, "lies below one", lambda: predicted(to="file/below")),
    (WRONG, "steps is 'x'", lambda: predicted(steps="x")),
    (WRONG, "attributes is 3: expected a dict", lambda: predicted(attributes=3)),
    (WRONG, "batch_size", lambda: predicted(batch_size=0)),
    (NotFoundError, "nope", lambda: seamount.scores("nope")),
    (WRONG, "prediction is a int", lambda: seamount.scores(3)),
    (WRONG, "holds no prediction", lambda: seamount.scores("d.zarr")),
    (WRONG, "recipe is a int: expected a file, or a dict", lambda: seamount.prepare(3, to="o")),
    (WRONG, "to is a int", lambda: seamount.prepare({}, to=3)),
    (WRONG, "the recipe is empty", lambda: seamount.prepare({}, to="o")),
]


@pytest.mark.filterwarnings("ignore")
def test_what_is_wrong_is_said_in_one_style(place):
    wrong = []
    for kind, message, call in CASES:
        try:
            call()
            wrong.append(f"{message}: nothing was raised")
        except Exception as error:  # noqa: BLE001: which one it is, is what is looked at
            text = str(error)
            try:
                assert type(error) is kind, f"{type(error).__name__}"
                assert re.search(message, text)
                assert not any(part in text for part in ("std::", "incompatible function", "S3CRET", "nanobind", "\n"))
            except AssertionError as unlike:
                wrong.append(f"{message}: {unlike}: {text}"[:300])
    assert not wrong, "\n".join(wrong)


def test_each_is_the_built_in_that_people_expect(place):
    for built_in in (FileNotFoundError, KeyError, LookupError, OSError, seamount.SeamountError):
        with pytest.raises(built_in, match="did you mean 'u'"):
            group()["uu"]
    with pytest.raises(FileNotFoundError) as caught:
        seamount.open("nope.zarr")
    assert "nope.zarr" in str(caught.value) and not isinstance(caught.value, KeyError)
    kinds = {name: kind for name, kind in vars(seamount.errors).items() if isinstance(kind, type)}
    for name, kind in kinds.items():
        assert issubclass(kind, seamount.SeamountError) and kind.__doc__, name
        assert kind is seamount.SeamountError or len(kind.__mro__) > 5, f"{name} is no built-in exception"
        assert str(pickle.loads(pickle.dumps(kind("what was wrong")))) == "what was wrong"

"""Models from Python: saved and loaded as versions, and the file that tensors are written to."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

import seamount
from seamount import safetensors
from seamount.errors import DataLossError, InvalidArgumentError, NotFoundError, SeamountError


def tensors() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    return {
        "layer.weight": draw.normal(size=(300, 7)).astype("f4"),
        "layer.bias": np.arange(7, dtype="i8"),
        "scale": np.array(0.5),
        "mask": np.array([True, False]),
        "none": np.empty((0, 3), "f2"),
        "big endian": np.arange(5, dtype=">i4"),
        "turned": np.arange(6.0).reshape(2, 3).T,
    }


class Module:
    """As torch.nn.Module has it."""

    def state_dict(self):
        return {"w": np.ones(3, "f4")}


@pytest.fixture
def home(seamount_binary, monkeypatch, tmp_path):
    monkeypatch.setenv("SEAMOUNT_BINARY", seamount_binary)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    return f"file://{tmp_path}/models"


def test_a_model_there_and_back(home, tmp_path):
    saved = seamount.save_model(tensors(), f"{home}@v1", message="the first", progress=False)
    assert saved["name"] == "v1" and not saved["existed"]
    for _ in range(2):
        loaded = seamount.load_model(f"{home}@v1", progress=False)
        assert loaded.keys() == tensors().keys()
        for name, array in tensors().items():
            assert loaded[name].shape == array.shape and loaded[name].dtype == array.dtype.newbyteorder("<")
            np.testing.assert_array_equal(loaded[name], array)
    # What lies in the cache is checked each time.
    (kept,) = (tmp_path / "cache").rglob("model.safetensors")
    damaged = bytearray(kept.read_bytes())
    damaged[-1] ^= 1
    kept.write_bytes(damaged)
    np.testing.assert_array_equal(seamount.load_model(f"{home}@v1")["turned"], tensors()["turned"])


def test_modules_folders_and_split_models(home, tmp_path):
    seamount.save_model(Module(), f"{home}@module")
    assert seamount.load_model(f"{home}@module")["w"].tolist() == [1, 1, 1]
    (tmp_path / "folder").mkdir()
    safetensors.write(tmp_path / "folder" / "a.safetensors", {"a": np.ones(1)})
    safetensors.write(tmp_path / "folder" / "b.safetensors", {"b": np.zeros(1)})
    seamount.save_model(tmp_path / "folder", f"{home}@split")
    assert sorted(seamount.load_model(f"{home}@split")) == ["a", "b"]
    assert sorted(seamount.load_model(f"{home}@split", file="b.safetensors")) == ["b"]
    (tmp_path / "folder" / "b.safetensors").unlink()
    safetensors.write(tmp_path / "folder" / "b.safetensors", {"a": np.zeros(1)})
    seamount.save_model(tmp_path / "folder", f"{home}@twice")
    with pytest.raises(InvalidArgumentError, match="'a' is in more than one"):
        seamount.load_model(f"{home}@twice")


def test_what_is_wrong_is_said(home):
    seamount.save_model({"w": np.ones(1)}, f"{home}@v1")
    with pytest.raises(seamount.errors.PreconditionFailedError, match="versions never change"):
        seamount.save_model({"w": np.zeros(1)}, f"{home}@v1")
    with pytest.raises(NotFoundError, match="did you mean 'v1'"):
        seamount.load_model(f"{home}@v11")
    with pytest.raises(InvalidArgumentError, match="names no version"):
        seamount.load_model(home)
    with pytest.raises(InvalidArgumentError, match="tensor 'w' is of type"):
        seamount.save_model({"w": np.array(["text"])}, f"{home}@v2")
    wrong = [
        ("url is a int: expected a place and a version", lambda: seamount.load_model(3)),
        ("url is a dict", lambda: seamount.save_model({}, {"private_key": "S3CRET"})),
        ("file is a list", lambda: seamount.load_model(f"{home}@v1", file=["w"])),
        ("cache is a int: expected a folder", lambda: seamount.load_model(f"{home}@v1", cache=3)),
        ("model is empty: expected a folder", lambda: seamount.save_model("", f"{home}@v2")),
        ("nowhere' is no folder", lambda: seamount.save_model("nowhere", f"{home}@v2")),
        ("a tensor is called 3", lambda: seamount.save_model({3: np.ones(1)}, f"{home}@v2")),
        ("message is a int", lambda: seamount.save_model({"w": np.ones(1)}, f"{home}@v2", message=3)),
    ]
    for message, call in wrong:
        with pytest.raises(InvalidArgumentError, match=message) as caught:
            call()
        assert "S3CRET" not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="the model is a int"):
        seamount.save_model(3, f"{home}@v2")


def test_types_that_numpy_lacks(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.array([1.5, -2], ml_dtypes.bfloat16)
    safetensors.write(tmp_path / "t", {"w": values})
    assert safetensors.read(tmp_path / "t")["w"].tolist() == [1.5, -2]
    assert json.loads((tmp_path / "t").read_bytes()[8:].split(b"\0")[0].partition(b"}}")[0] + b"}}")["w"]["dtype"] == "BF16"


def test_the_layout_is_that_of_the_format(tmp_path):
    """By hand, as https://github.com/huggingface/safetensors describes it."""
    header = b'{"__metadata__":{"by":"hand"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'
    content = len(header).to_bytes(8, "little") + header + np.array([1, 2], "<f4").tobytes()
    (tmp_path / "t").write_bytes(content)
    assert safetensors.read(tmp_path / "t")["w"].tolist() == [[1, 2]]
    safetensors.write(tmp_path / "u", {"w": np.array([[1, 2]], "f4")})
    written = (tmp_path / "u").read_bytes()
    length = int.from_bytes(written[:8], "little")
    assert length % 8 == 0 and written[8 + length :] == content[-8:]
    assert json.loads(written[8 : 8 + length]) == {"w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}


def test_damaged_files_are_refused_and_nothing_else_happens(tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    safetensors.write(tmp_path / "good", tensors())
    good = (tmp_path / "good").read_bytes()
    refused = 0
    for _ in range(500):
        damaged = bytearray(good[: draw.choice([len(good), draw.randrange(len(good))])])
        for _ in range(draw.randrange(1, 4)):
            if damaged:
                damaged[draw.randrange(min(len(damaged), 600))] = draw.randrange(256)
        (tmp_path / "bad").write_bytes(damaged)
        try:
            safetensors.read(tmp_path / "bad")
        except SeamountError:
            refused += 1
    assert refused > 100
    for header in (b"[]", b'{"w":3}', b'{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
                   b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', b"[" * 100000):  # fmt: skip
        (tmp_path / "bad").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
        with pytest.raises(DataLossError, match="bad"):
            safetensors.read(tmp_path / "bad")

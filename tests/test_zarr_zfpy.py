"""Chunks that zfpy encoded (zfpy.npz, made by make_zfpy.py), in formats 2 and 3: read to the bytes that zfpy decodes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_zarr_interop import probe, probe_fails

STORED = np.load(Path(__file__).parent / "zfpy.npz")
NAMES = [name for name in STORED if not name.endswith("decoded")]
CODEC = {"mode": 4, "tolerance": -1, "rate": -1, "precision": -1, "compression_kwargs": {}}


def put(folder: Path, zarr_format: int, values: np.ndarray, chunk: bytes) -> None:
    common = {"zarr_format": zarr_format, "shape": values.shape, "fill_value": 0}
    (folder / "a").mkdir(parents=True, exist_ok=True)
    if zarr_format == 2:
        document = common | {"chunks": values.shape, "dtype": values.dtype.str, "order": "C", "filters": None, "compressor": {"id": "zfpy", **CODEC}}
        (folder / "a/.zarray").write_text(json.dumps(document))
        (folder / "a" / ".".join("0" * values.ndim)).write_bytes(chunk)
        return
    document = common | {"node_type": "array", "data_type": values.dtype.name, "attributes": {}, "chunk_key_encoding": {"name": "v2"},
                         "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": values.shape}},
                         "codecs": [{"name": "numcodecs.zfpy", "configuration": CODEC}, "crc32c"]}
    import google_crc32c

    (folder / "a/zarr.json").write_text(json.dumps(document))
    (folder / "a" / ".".join("0" * values.ndim)).write_bytes(chunk + google_crc32c.value(chunk).to_bytes(4, "little"))


@pytest.mark.parametrize("name", NAMES)
def test_reads_what_zfpy_wrote(tmp_path, name):
    values, chunk = STORED[name + " decoded"], STORED[name].tobytes()
    for zarr_format in (2, 3):
        put(tmp_path / str(zarr_format), zarr_format, values, chunk)
        probe("read", tmp_path / str(zarr_format), "a", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == values.tobytes()


def test_damage_is_refused_or_harmless(tmp_path):
    """libzfp itself reads on behind the end of what it is given."""
    name = "float64 3x4x5 reversible"
    values, chunk = STORED[name + " decoded"], STORED[name].tobytes()
    for length in (0, 3, 11, 12, 16, len(chunk) // 2, len(chunk) - 8):
        put(tmp_path, 2, values, chunk[:length])
        assert "a/0.0.0" in probe_fails("read", tmp_path, "a", tmp_path / "out")
    put(tmp_path, 2, values, STORED["float64 5x6 reversible"].tobytes())
    assert "holds 30 numbers, its chunk 60" in probe_fails("read", tmp_path, "a", tmp_path / "out")
    put(tmp_path, 2, values, STORED["float32 3x4x5 reversible"].tobytes())
    assert "another type" in probe_fails("read", tmp_path, "a", tmp_path / "out")


def test_is_not_written(tmp_path):
    values = STORED["float32 9 reversible decoded"]
    put(tmp_path, 2, values, b"")
    values.tofile(tmp_path / "in")
    message = probe_fails("write", tmp_path / "ours", "a", tmp_path / "a/.zarray", tmp_path / "in")
    assert "read and not written" in message

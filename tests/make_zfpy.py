"""Writes tests/zfpy.npz, chunks that zfpy encoded and what it decodes them to: python tests/make_zfpy.py (pip install zfpy)."""

from pathlib import Path

import numpy as np
import zfpy

MODES = {"reversible": {}, "rate": {"rate": 12}, "precision": {"precision": 19}, "accuracy": {"tolerance": 0.01}}
rng = np.random.default_rng(7)
stored = {}
for dtype in ("int32", "int64", "float32", "float64"):
    for shape in ((9,), (5, 6), (3, 4, 5), (2, 3, 4, 5)):
        values = (np.cumsum(rng.normal(size=shape).ravel()).reshape(shape) * 100).astype(dtype)
        for mode, options in MODES.items():
            if mode == "accuracy" and dtype.startswith("int"):
                continue
            name = f"{dtype} {'x'.join(map(str, shape))} {mode}"
            chunk = zfpy.compress_numpy(values, write_header=True, **options)
            stored[name] = np.frombuffer(chunk, "u1")
            stored[name + " decoded"] = zfpy.decompress_numpy(chunk)
np.savez_compressed(Path(__file__).parent / "zfpy.npz", **stored)

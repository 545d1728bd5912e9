"""Writes tests/rectilinear.zip with a zarr-python that knows rectilinear chunk grids (3.2 or later, Python 3.12):

python tests/make_rectilinear.py
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import zarr

zarr.config.set({"array.rectilinear_chunks": True})
values = np.arange(11 * 18, dtype="int32").reshape(11, 18) * 7 + 3
with tempfile.TemporaryDirectory() as folder:
    root = zarr.create_group(folder, attributes={"made by": f"zarr-python {zarr.__version__}"})
    names = {"dimension_names": ["time", "x"]}
    root.create_array("chunks", shape=(11, 18), dtype="i4", chunks=[[4, 2, 2, 3], [9, 3, 6]], fill_value=-1, **names)[:] = values
    # The second shard is never written.
    shards = root.create_array("shards", shape=(10, 18), dtype="i4", chunks=(2, 3), shards=[[4, 2, 4], [9, 3, 6]], fill_value=-1, **names)
    shards[:4], shards[6:] = values[:4], values[6:10]
    longer = root.create_array("beyond", shape=(12, 3), dtype="i4", chunks=[[3, 3, 6], [1, 1, 1]], fill_value=-1, **names)
    longer[:] = values[:, :3].repeat(2, axis=0)[:12]
    longer.resize((10, 3))  # the last chunk reaches beyond
    text = root.create_array("text", shape=(5,), dtype="string", chunks=[[1, 4]])
    text[:] = np.array(["a", "bb", "", "Nebel über 北", "z"], dtype="T")
    shutil.make_archive(str(Path(__file__).parent / "rectilinear"), "zip", folder)

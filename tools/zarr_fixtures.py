#!/usr/bin/env python3
"""How many of numcodecs' own fixtures are read: encoded chunks of every codec and version, each as an array of one chunk.

pip download --no-deps --no-binary numcodecs numcodecs==0.16.5
tools/zarr_fixtures.py numcodecs-0.16.5.tar.gz

A chunk counts as read where the numbers (texts, times) are those that numcodecs itself decodes it to; where the numcodecs
beside this lacks the codec, those that it was encoded from (zfpy loses some: install it for its oracle). What is refused is listed with the reason.
"""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import numcodecs
import numpy as np
import seamount

FILTERS = {"astype", "bitround", "categorize", "delta", "fixedscaleoffset", "json2", "msgpack2", "packbits", "pickle", "quantize",
           "vlen-array", "vlen-bytes", "vlen-utf8"}


def decoded(codec: dict, chunk: bytes, array: np.ndarray) -> np.ndarray:
    """What numcodecs makes of the chunk, in the array's shape."""
    try:
        values = numcodecs.get_codec(codec).decode(chunk)
    except (numcodecs.errors.UnknownCodecError, RuntimeError):  # or was built without, as with snappy in blosc
        return array
    flat = values.ravel(order="A") if isinstance(values, np.ndarray) and values.dtype == array.dtype else np.frombuffer(values, array.dtype)
    return flat.reshape(array.shape, order=order_of(array))


def order_of(array: np.ndarray) -> str:
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def put(folder: Path, codec: dict, chunk: bytes, array: np.ndarray) -> None:
    kind = codec["id"] in FILTERS
    document = {"zarr_format": 2, "shape": array.shape, "chunks": array.shape, "dtype": array.dtype.str, "fill_value": None,
                "order": order_of(array), "filters": [codec] if kind else None, "compressor": None if kind else codec}
    (folder / "a").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / "a/.zarray").write_text(json.dumps(document))
    (folder / "a" / (".".join("0" * array.ndim) or "0")).write_bytes(chunk)


def trouble(codec: dict, chunk: bytes, array: np.ndarray) -> str:
    """Empty where the chunk is read."""
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), codec, chunk, array)
        try:
            ours = seamount.open_group(folder).open_array("a").read(raw=True)
        except (OSError, ValueError, TypeError) as error:
            return str(error)
    theirs = decoded(codec, chunk, array)
    same = ours.tolist() == theirs.tolist() if theirs.dtype.kind in "OUSV" else ours.tobytes() == np.asarray(theirs, order="C").tobytes()
    return "" if same else "reads other values"


def main() -> int:
    read, total, why = Counter(), Counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sys.argv[1]) as archive:
            wanted = [m for m in archive if m.isfile() and "/fixture/" in m.name and ".." not in m.name and not m.name.startswith("/")]
            archive.extractall(folder, members=wanted)
        for config in sorted(Path(folder).glob("*/fixture/**/config.json")):
            codec = json.loads(config.read_text())
            for encoded in sorted(config.parent.glob("encoded.*.dat")):
                number = encoded.name.split(".")[1]
                source = config.parent.parent / f"array.{number}.npy"
                array = np.load(source, allow_pickle=True)  # numcodecs' own objects
                reason = trouble(codec, encoded.read_bytes(), array)
                total[codec["id"]] += 1
                read[codec["id"]] += not reason
                if reason:
                    why.setdefault(codec["id"], Counter())[reason.split("'a'")[-1][:150]] += 1
    for name in sorted(total):
        print(f"{name:18} {read[name]:5} of {total[name]}")
        for reason, count in why.get(name, Counter()).most_common(3):
            print(f"    {count} ×{reason}")
    print(f"{'all':18} {read.total():5} of {total.total()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

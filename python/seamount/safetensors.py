"""Files of tensors as safetensors lays them out: a header of JSON, then the values, one tensor behind the other."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataLossError, InvalidArgumentError

_TYPES = {"BOOL": "bool", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
          "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}  # fmt: skip
_SMALL_FLOATS = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}  # of ml_dtypes
_MOST_HEADER = 100_000_000  # as the format's own library has it


def _type_of(name: str, where: str) -> np.dtype[Any]:
    if name in _TYPES:
        return np.dtype(_TYPES[name])
    if name not in _SMALL_FLOATS:
        raise InvalidArgumentError(f"{where} is of type {name!r}, which is not known")
    try:
        import ml_dtypes
    except ImportError:
        raise InvalidArgumentError(f"{where} is of type {name}, which NumPy has with ml_dtypes: pip install ml_dtypes") from None
    return np.dtype(getattr(ml_dtypes, _SMALL_FLOATS[name]))


def _name_of(dtype: np.dtype[Any], where: str) -> str:
    for name, text in _TYPES.items():
        if np.dtype(text) == dtype.newbyteorder("<"):
            return name
    for name, text in _SMALL_FLOATS.items():
        if dtype.name == text:
            return name
    raise InvalidArgumentError(f"{where} is of type {dtype}, which a file of tensors cannot hold")


def _header(path: Path, size: int) -> tuple[dict[str, Any], int]:
    """What is said of the tensors, and where their values begin."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(_MOST_HEADER, size - 8):
            raise DataLossError(f"{path} is no safetensors file: a header of {length} bytes in a file of {size}")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            raise DataLossError(f"{path} is no safetensors file: its header is no JSON") from None
    if not isinstance(header, dict):
        raise DataLossError(f"{path} is no safetensors file: its header is no JSON object")
    header.pop("__metadata__", None)
    return header, 8 + length


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a file by name, mapped: values are read when they are looked at."""
    path = Path(path)
    size = path.stat().st_size
    header, begin = _header(path, size)
    values = np.memmap(path, np.uint8, "r", begin) if size > begin else np.empty(0, np.uint8)
    tensors = {}
    for name, said in header.items():
        where = f"{path}, tensor {name!r}"
        shape, offsets, kind = (said.get(key) if isinstance(said, dict) else None for key in ("shape", "data_offsets", "dtype"))
        if not (isinstance(shape, list) and isinstance(offsets, list) and isinstance(kind, str) and len(offsets) == 2
                and all(map(_is_count, [*shape, *offsets]))):  # fmt: skip
            raise DataLossError(f"{where}: its header is malformed")
        dtype = _type_of(kind, where)
        if offsets[0] > offsets[1] or offsets[1] > len(values) or offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
            raise DataLossError(f"{where}: bytes {offsets} of {len(values)} are not what shape {shape} of {kind} takes")
        tensors[name] = values[offsets[0] : offsets[1]].view(dtype).reshape(shape)
    return tensors


def write(path: str | os.PathLike[str], tensors: Mapping[str, Any]) -> None:
    """Tensors by name (anything that NumPy takes for an array) to a new file."""
    header: dict[str, Any] = {}
    arrays, end = [], 0
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise InvalidArgumentError(f"a tensor is called {name!r}: expected a name, and not '__metadata__'")
        where = f"tensor {name!r}"
        try:
            array = np.asarray(tensor)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidArgumentError(f"{where} is no array: {error}") from error
        kind = _name_of(array.dtype, where)
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        arrays.append(array)
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that values are aligned
    with open(path, "xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

"""Models in a bucket, in versions: ``seamount version`` from Python (docs/versions.md)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import safetensors
from .connection import Key, path_of, url_of
from .errors import InternalError, InvalidArgumentError
from .program import ERROR_OF_CODE, credential_flags, run_program


_EXPECTED = "a place and a version behind an @, as gs://lab/models/forecast@v2"


def load_model(
    url: str | os.PathLike[str],
    *,
    file: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    key: Key | None = None,
    endpoint: str | None = None,
    anonymous: bool = False,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """The tensors of a model by name, as read-only NumPy arrays: ``load_model("gs://lab/models/forecast@v2")``.

    Behind the last ``@`` is a version or a tag. ``file`` is one safetensors file of it; without, all that it has are read,
    as large models are split. They are fetched to ``cache`` (``~/.cache/seamount/models``), many chunks at a time, each
    checked; what is there already is checked and not fetched again. The arrays are mapped from there, so that a model may
    be larger than memory. For PyTorch: ``{name: torch.tensor(array) for name, array in tensors.items()}``.
    """
    place, name = _split(url)
    if file is not None and not isinstance(file, str):
        raise InvalidArgumentError(f"file is a {type(file).__name__}: expected the name of one in the version")
    home = _cache() if cache is None else Path(path_of("cache", cache, "a folder"))
    with contextlib.ExitStack() as held:
        flags = _flags(key, endpoint, anonymous, held)
        version = _run(["version", "show", place, name, *flags], held)
        paths = [entry["path"] for entry in version["files"]]
        wanted = [path for path in paths if path.endswith(".safetensors")] if file is None else [file]
        if not wanted:
            raise InvalidArgumentError(f"{place}@{name} has no safetensors file, it has {', '.join(paths[:20]) or 'none'}")
        folder = home / hashlib.sha256(place.encode()).hexdigest()[:16] / version["name"]
        for path in wanted:
            restore = ["version", "restore", place, version["name"], str(folder), f"--path={path}", "--overwrite"]
            _run([*restore, *flags], held, progress)
    return _read_all(folder, wanted)


def save_model(
    model: Any,
    url: str | os.PathLike[str],
    *,
    message: str = "",
    key: Key | None = None,
    endpoint: str | None = None,
    anonymous: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Saves a model as a version: ``save_model(model, "gs://lab/models/forecast@v2")``. Durable when it returns.

    ``model`` is a folder, a dict of arrays by name, or what has such a ``state_dict()`` (a torch.nn.Module); these become
    the file ``model.safetensors``, by way of ``$TMPDIR``. Chunks that the bucket has are not sent again. The result says what
    was saved and sent, as ``seamount version save --json`` does.
    """
    place, name = _split(url)
    if not isinstance(message, str):
        raise InvalidArgumentError(f"message is a {type(message).__name__}: expected a text")
    with contextlib.ExitStack() as held:
        folder = path_of("model", model, "a folder") if isinstance(model, (str, os.PathLike)) else _written(model, held)
        flags = _flags(key, endpoint, anonymous, held)
        save = ["version", "save", os.path.abspath(folder), place, name, *([f"--message={message}"] if message else [])]
        return _run([*save, *flags], held, progress)


def _split(url: str | os.PathLike[str]) -> tuple[str, str]:
    text = path_of("url", url, _EXPECTED)
    place, at, name = text.rpartition("@")
    if not at or not place or not name or "/" in name:
        raise InvalidArgumentError(f"{text!r} names no version: expected {_EXPECTED}")
    return url_of(place).rstrip("/"), name


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "seamount" / "models"


def _read_all(folder: Path, paths: list[str]) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}
    for path in paths:
        found = safetensors.read(folder / path)
        twice = sorted(tensors.keys() & found.keys())
        if twice:
            raise InvalidArgumentError(f"the tensor {twice[0]!r} is in more than one of {', '.join(paths)}: say which file")
        tensors |= found
    return tensors


def _written(model: Any, held: contextlib.ExitStack) -> str:
    tensors = model if isinstance(model, Mapping) else getattr(model, "state_dict", lambda: None)()
    if not isinstance(tensors, Mapping):
        raise InvalidArgumentError(f"the model is a {type(model).__name__}: expected a folder, a dict of arrays or a state_dict()")
    folder = held.enter_context(tempfile.TemporaryDirectory(prefix="seamount-model-"))
    safetensors.write(Path(folder) / "model.safetensors", tensors)
    return folder


def _flags(key: Key | None, endpoint: str | None, anonymous: bool, held: contextlib.ExitStack) -> list[str]:
    return [*credential_flags(key, endpoint, held), *(["--anonymous"] if anonymous else [])]


def _run(arguments: list[str], held: contextlib.ExitStack, progress: bool | None = None) -> dict[str, Any]:
    """What the program reports."""
    more = ["--json"] if progress is None else ["--json", "--progress-json"]
    code, said, told = run_program([*arguments, *more], held, progress=bool(progress))
    if code != 0:
        message = re.sub(r"^seamount version \w+: ", "", said[-1] if said else f"the program ended with {code}")
        raise ERROR_OF_CODE.get(code, InternalError)(message)
    report: dict[str, Any] = json.loads(told)
    return report

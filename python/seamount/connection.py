"""Where data lie and who asks for them: the arguments that everything takes that opens something."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from . import _core
from .errors import InvalidArgumentError

Key = str | os.PathLike[str] | Mapping[str, Any]


def open_store(
    url: str | os.PathLike[str],
    *,
    endpoint: str | None,
    key: Key | None,
    anonymous: bool,
    cache_dir: str | os.PathLike[str] | None = None,
    cache_size: int | str = "4GiB",
) -> _core.Store:
    """Opens the place at ``url``; nothing is asked of a server yet."""
    with _key_file(key) as file:
        return _core.open_store(
            os.fspath(url),
            endpoint=endpoint or _endpoint_of(file),
            key=file,
            anonymous=anonymous,
            cache_dir="" if cache_dir is None else os.fspath(cache_dir),
            cache_size=str(cache_size),
        )


@contextlib.contextmanager
def _key_file(key: Key | None) -> Iterator[str]:
    """The key as a file that can be read once: a file's own name, or memory that no other process sees."""
    text = _key_text(key)
    if text is None:
        yield "" if key is None else os.fspath(key)  # type: ignore[arg-type]
        return
    descriptor = os.memfd_create("seamount-key", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)  # key files that others may read are refused
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _key_text(key: Key | None) -> str | None:
    """The key's content where it was given as such; None where it is a file."""
    if isinstance(key, Mapping):
        return json.dumps(dict(key))
    if isinstance(key, str) and key.lstrip().startswith("{"):
        return key
    if key is None or isinstance(key, (str, os.PathLike)):
        return None
    raise InvalidArgumentError(
        f"key is a {type(key).__name__}: expected the name of a key file, or its content as text or as a dict"
    )


def _endpoint_of(file: str) -> str:
    """The server that made the key, where that is not Google's; empty where it cannot be told."""
    if not file or os.environ.get("STORAGE_EMULATOR_HOST"):
        return ""
    try:
        with open(file, "rb") as opened:
            token_uri = json.loads(opened.read()).get("token_uri", "")
    except (OSError, ValueError, AttributeError):
        return ""  # the engine says what is wrong with it
    parts = urllib.parse.urlsplit(token_uri if isinstance(token_uri, str) else "")
    if not parts.netloc or parts.hostname is None or parts.hostname.endswith("googleapis.com"):
        return ""
    return f"{parts.scheme}://{parts.netloc}"

"""Where data lie and who asks for them: the arguments that everything takes that opens something."""

from __future__ import annotations

import json
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _core
from .errors import InvalidArgumentError

Key = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """What :func:`open_store` takes beside the URL, kept for later and for other processes. Its repr has no key."""

    key: Key | None = field(default=None, repr=False)
    endpoint: str | None = None
    anonymous: bool = False
    cache_dir: str | os.PathLike[str] | None = None
    cache_size: int | str = "4GiB"

    def open(self, url: str) -> _core.Store:
        """The store at ``url``."""
        return open_store(url, **vars(self))


def path_of(name: str, given: Any, expected: str = "gs://bucket/prefix, file:///directory or a folder") -> str:
    """A place as text. Its value is not repeated where it is of another type: it may be a key."""
    text = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{name} is a {type(given).__name__}: expected {expected}")
    if not text:
        raise InvalidArgumentError(f"{name} is empty: expected {expected}")
    return text


def url_of(place: str | os.PathLike[str]) -> str:
    """The URL of a place: a folder's is ``file:///…``, ``seamount://`` is fsspec's name for ``gs://``."""
    text = path_of("url", place)
    if text.startswith("seamount://"):
        return "gs://" + text.removeprefix("seamount://")
    return text if "://" in text else f"file://{os.path.abspath(text)}"


def without_secrets(url: str) -> str:
    """To be shown: without a password, and without a query, which may be a signature."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def open_store(
    url: str | os.PathLike[str],
    *,
    endpoint: str | None,
    key: Key | None,
    anonymous: bool,
    cache_dir: str | os.PathLike[str] | None = None,
    cache_size: int | str = "4GiB",
) -> _core.Store:
    """Opens the place at ``url``, or a folder; nothing is asked of a server yet."""
    if endpoint is not None and not isinstance(endpoint, str):
        raise InvalidArgumentError(f"endpoint is a {type(endpoint).__name__}: expected a server's address, as 'http://127.0.0.1:9000'")
    text = _key_text(key)
    return _core.open_store(
        url_of(url),
        endpoint=endpoint or _endpoint_of(text),
        key="" if key is None or text else os.fspath(key),  # type: ignore[arg-type]
        key_text=text,
        anonymous=anonymous,
        cache_dir="" if cache_dir is None else path_of("cache_dir", cache_dir, "a folder"),
        cache_size=str(cache_size),
    )


def _key_text(key: Key | None) -> str:
    """The key's content where it was given as such; empty where it is a file."""
    if isinstance(key, Mapping):
        return json.dumps(dict(key))
    if isinstance(key, str) and key.lstrip().startswith("{"):
        return key
    if key is None or isinstance(key, (str, os.PathLike)):
        return ""
    raise InvalidArgumentError(
        f"key is a {type(key).__name__}: expected the name of a key file, or its content as text or as a dict"
    )


def _endpoint_of(text: str) -> str:
    """The server that made the key, where that is not Google's; of a file the engine finds it."""
    try:
        token_uri = json.loads(text).get("token_uri", "") if text else ""
    except (ValueError, AttributeError):
        return ""  # the engine says what is wrong with it
    parts = urllib.parse.urlsplit(token_uri if isinstance(token_uri, str) else "")
    if not parts.netloc or parts.hostname is None or parts.hostname.endswith("googleapis.com"):
        return ""
    return f"{parts.scheme}://{parts.netloc}"

"""An fsspec filesystem over the engine: what pandas, xarray, intake and everybody else who takes fsspec URLs reads with.

>>> import fsspec
>>> with fsspec.open("seamount://lab/notes.csv", key="lab-key.json") as file:
...     file.read()

``seamount://bucket/key`` names what ``gs://bucket/key`` does; :func:`register` makes ``gs://`` URLs come here too.
"""

from __future__ import annotations

import datetime
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from . import _core
from .connection import Key, Place
from .errors import InvalidArgumentError, PreconditionFailedError

# As many requests at once as a link of some length needs; they wait, and take no processor.
_AT_ONCE = 32
_ABSENT = ""  # as a generation: "there must be none"


class SeamountFileSystem(AbstractFileSystem):
    """Buckets as fsspec sees them. Thread-safe; nothing is cached but, with ``cache_dir``, blocks of content on disk.

    What is written becomes visible and is durable when its file is closed. There are no folders without files in them:
    ``mkdir`` does nothing.

    Args:
        key: a key file, or its content (default: ``GOOGLE_APPLICATION_CREDENTIALS``).
        endpoint: the server (default: the key's).
        anonymous: ask as nobody.
        cache_dir, cache_size: keep blocks that were read in this folder.
    """

    protocol = ("seamount",)
    root_marker = ""

    def __init__(
        self,
        *,
        key: Key | None = None,
        endpoint: str | None = None,
        anonymous: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_size: int | str = "4GiB",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._place = Place(key, endpoint, anonymous, cache_dir, cache_size)
        self._stores: dict[str, _core.Store] = {}
        self._lock = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path: str | list[str]) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        path = os.fspath(path)
        for protocol in ("seamount://", "gs://", "gcs://"):
            path = path.removeprefix(protocol)
        return path.strip("/")

    def unstrip_protocol(self, name: str) -> str:
        return f"seamount://{self._strip_protocol(name)}"

    def _store(self, bucket: str) -> _core.Store:
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = self._place.open(f"gs://{bucket}")
            return self._stores[bucket]

    def _at(self, path: str) -> tuple[_core.Store, str, str]:
        """The bucket's store, the bucket, and the key."""
        bucket, _, key = self._strip_protocol(path).partition("/")
        if not bucket:
            raise InvalidArgumentError("buckets are not listed: expected seamount://bucket[/key]")
        return self._store(bucket), bucket, key

    def _object(self, path: str) -> tuple[_core.Store, str]:
        store, bucket, key = self._at(path)
        if not key:
            raise IsADirectoryError(f"{bucket!r} is a bucket: expected seamount://{bucket}/key")
        return store, key

    # -- looking

    def _pages(self, store: _core.Store, prefix: str, delimiter: str = "") -> Iterable[tuple[list[dict[str, Any]], list[str]]]:
        token = ""
        while True:
            objects, prefixes, token = store.list(prefix, delimiter, token)
            yield objects, prefixes
            if not token:
                return

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What lies directly in a folder, or the file itself."""
        store, bucket, key = self._at(path)
        prefix = f"{key}/" if key else ""
        entries: list[dict[str, Any]] = []
        for objects, prefixes in self._pages(store, prefix, "/"):
            entries += [_file(bucket, one) for one in objects if one["key"] != prefix]
            entries += [_folder(f"{bucket}/{one.rstrip('/')}") for one in prefixes]
        if not entries and key:
            found = store.stat(key)
            if found is None and store.stat(prefix) is None:
                raise FileNotFoundError(f"seamount://{bucket}/{key}")
            entries = [_file(bucket, found)] if found else []
        entries.sort(key=lambda entry: str(entry["name"]))
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Of a file size, generation, crc32c, metadata and time; of a folder that it is one."""
        store, bucket, key = self._at(path)
        found = store.stat(key) if key else None
        if found is not None:
            return _file(bucket, found)
        objects, prefixes, _token = store.list(f"{key}/" if key else "", "/", max_results=1)
        if key and not objects and not prefixes:
            raise FileNotFoundError(f"seamount://{bucket}/{key}")
        return _folder(f"{bucket}/{key}" if key else bucket)

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> Any:
        """All files below, by one flat listing."""
        if maxdepth is not None or withdirs:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        store, bucket, key = self._at(path)
        below = f"{key}/" if key else ""
        files = {
            entry["name"]: entry
            for objects, _prefixes in self._pages(store, below + options.get("prefix", ""))
            for entry in (_file(bucket, one) for one in objects if not one["key"].endswith("/"))
        }
        if not files and key and (found := store.stat(key)):
            files = {f"{bucket}/{key}": _file(bucket, found)}
        return dict(sorted(files.items())) if detail else sorted(files)

    def created(self, path: str) -> datetime.datetime:
        return self.modified(path)

    def modified(self, path: str) -> datetime.datetime:
        """When this content was written."""
        return self.info(path)["mtime"]

    def ukey(self, path: str) -> str:
        """Changes with every overwrite."""
        return str(self.info(path)["generation"])

    def checksum(self, path: str) -> int:
        return hash(self.ukey(path))

    # -- reading

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes from start to end; negative ones count from the end."""
        store, key = self._object(path)
        if start is not None and start < 0 and end is None:
            read = store.read(key, suffix=-start)
        elif start is None and end is None:
            read = store.read(key)
        else:
            if min(start or 0, end or 0) < 0:
                start, end, _step = slice(start, end).indices(self.info(path)["size"])
            begin = start or 0
            read = store.read(key, offset=begin, length=None if end is None else max(0, end - begin))
        if read is None:
            raise FileNotFoundError(self.unstrip_protocol(path))
        return read[0]

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **options: Any,
    ) -> list[Any]:
        """Many ranges at once."""
        if max_gap is not None:
            raise NotImplementedError("max_gap")
        count = len(paths)
        starts = starts if isinstance(starts, list) else [starts] * count
        ends = ends if isinstance(ends, list) else [ends] * count
        if len(starts) != count or len(ends) != count:
            raise ValueError(f"{count} paths, {len(starts)} starts and {len(ends)} ends: expected as many of each")
        return self._each(lambda at: self.cat_file(paths[at], starts[at], ends[at]), range(count), on_error)

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **options: Any) -> Any:
        """The content of a file, or of many, which are read at once: {path: bytes}."""
        paths = self.expand_path(path, recursive=recursive)
        if len(paths) == 1 and not isinstance(path, list) and paths[0] == self._strip_protocol(path):
            return self.cat_file(paths[0], **options)
        files = [one for one in paths if not recursive or not self.isdir(one)]
        contents = self._each(lambda one: self.cat_file(one, **options), files, on_error)
        return {name: content for name, content in zip(files, contents) if content is not _OMITTED}

    def _each(self, body: Callable[[Any], Any], items: Iterable[Any], on_error: str) -> list[Any]:
        def guarded(item: Any) -> Any:
            try:
                return body(item)
            except Exception as error:
                if on_error == "raise":
                    raise
                return error if on_error == "return" else _OMITTED

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(guarded, items))

    def get_file(self, rpath: str, lpath: Any, callback: Any = DEFAULT_CALLBACK, **options: Any) -> None:
        """Copies a file to this machine, in parts that are fetched at once."""
        if self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        store, key = self._object(rpath)
        info = self.info(rpath)
        callback.set_size(info["size"])
        if not hasattr(lpath, "write"):
            os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)
        part = 8 << 20

        def fetch(offset: int) -> bytes:
            read = store.read(key, offset=offset, length=part, generation=info["generation"])
            if read is None:
                raise PreconditionFailedError(f"{self.unstrip_protocol(rpath)} went away while it was read")
            return read[0]

        with ThreadPoolExecutor(8) as pool:
            file = lpath if hasattr(lpath, "write") else open(lpath, "wb")
            try:
                waiting: deque[Any] = deque()
                for offset in range(0, info["size"], part):
                    if len(waiting) == 16:
                        callback.relative_update(file.write(waiting.popleft().result()))
                    waiting.append(pool.submit(fetch, offset))
                for one in waiting:
                    callback.relative_update(file.write(one.result()))
            finally:
                if file is not lpath:
                    file.close()

    # -- writing

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        """Writes a whole file. mode="create": only if there is none."""
        store, key = self._object(path)
        try:
            store.write(key, value, generation=_ABSENT if mode == "create" else None, **_headers(options))
        except PreconditionFailedError:
            raise FileExistsError(self.unstrip_protocol(path)) from None

    def put_file(
        self, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **options: Any
    ) -> None:
        """Copies a file of this machine there, or makes nothing of a folder."""
        if os.path.isdir(lpath):
            return
        store, key = self._object(rpath)
        size = os.path.getsize(lpath)
        callback.set_size(size)
        try:
            store.write_file(key, os.fspath(lpath), generation=_ABSENT if mode == "create" else None, **_headers(options))
        except PreconditionFailedError:
            raise FileExistsError(self.unstrip_protocol(rpath)) from None
        callback.relative_update(size)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """On the server, without its bytes coming here."""
        store, bucket, key = self._at(path1)
        to_store, to_bucket, to_key = self._at(path2)
        if self.isdir(path1) and store.stat(key) is None:
            return
        if bucket == to_bucket:
            store.copy(key, to_key)
        else:
            self.pipe_file(path2, self.cat_file(path1))

    def rm_file(self, path: str) -> None:
        store, key = self._object(path)
        if not store.delete(key):
            raise FileNotFoundError(self.unstrip_protocol(path))

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Files, with recursive all below; many at once."""
        paths = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)
        files = [one for one in paths if not self._is_folder_alone(one, recursive)]
        self._each(self.rm_file, files, "raise")

    def _is_folder_alone(self, path: str, recursive: bool) -> bool:
        store, bucket, key = self._at(path)
        if key and store.stat(key) is not None:
            return False
        if self.isdir(path):
            if not recursive:
                raise IsADirectoryError(f"{self.unstrip_protocol(path)} is a folder: recursive=True deletes all below")
            return True
        return False

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Nothing: a folder is there when a file is in it."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing, like :meth:`mkdir`."""

    def rmdir(self, path: str) -> None:
        """Nothing; one that holds files is refused."""
        if self.isdir(path) and self.ls(path):
            raise OSError(f"{self.unstrip_protocol(path)} is not empty")

    def invalidate_cache(self, path: str | None = None) -> None:
        """Nothing: listings are not kept."""

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> "SeamountFile":
        return SeamountFile(self, path, mode, block_size or 4 << 20, **options)


_OMITTED = object()


def _headers(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("content_type", "metadata") if options.get(name)}


def _file(bucket: str, info: dict[str, Any]) -> dict[str, Any]:
    name = f"{bucket}/{info['key']}"
    return {
        "name": name, "type": "file", "size": info["size"], "generation": info["generation"], "crc32c": info["crc32c"],
        "content_type": info["content_type"], "metadata": info["metadata"],
        "mtime": datetime.datetime.fromtimestamp(info["updated"], datetime.timezone.utc),
    }  # fmt: skip


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "type": "directory", "size": 0}


class SeamountFile(AbstractBufferedFile):
    """One file. Reading stays on the content that was there when it was opened. What is written is staged on this
    machine and sent when the file is closed; a block left by an exception sends nothing."""

    def __init__(self, fs: SeamountFileSystem, path: str, mode: str, block_size: int, **options: Any) -> None:
        if mode not in ("rb", "wb", "xb", "ab"):
            raise InvalidArgumentError(f"mode is {mode!r}: expected 'rb', 'wb', 'xb' or 'ab'")
        self._headers = _headers(options)
        self._generation: str | None = None
        self._store, self._key = fs._object(path)
        if mode == "xb" and self._store.stat(self._key) is not None:
            raise FileExistsError(fs.unstrip_protocol(path))
        super().__init__(fs, path, mode, block_size, **{k: v for k, v in options.items() if k not in self._headers})
        if mode == "rb":
            self._generation = self.details["generation"]
            return
        self._staged = tempfile.TemporaryFile()
        if mode == "ab" and (found := self._store.read(self._key)):
            self._staged.write(found[0])
            self._generation = found[1]["generation"]
            self.loc = self.offset = found[1]["size"]
        elif mode in ("ab", "xb"):
            self._generation = _ABSENT

    def _fetch_range(self, start: int, end: int) -> bytes:
        read = self._store.read(self._key, offset=start, length=max(0, end - start), generation=self._generation)
        if read is None:
            raise FileNotFoundError(self.fs.unstrip_protocol(self.path))
        return read[0]

    def _initiate_upload(self) -> None:
        pass

    def _upload_chunk(self, final: bool = False) -> bool:
        self._staged.write(self.buffer.getbuffer())
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        """Sends what was written."""
        self._staged.flush()
        try:
            self._store.write_file(self._key, f"/proc/self/fd/{self._staged.fileno()}", generation=self._generation, **self._headers)
        except PreconditionFailedError as error:
            if self.mode == "xb":
                raise FileExistsError(self.fs.unstrip_protocol(self.path)) from None
            raise error
        self._staged.close()

    def discard(self) -> None:
        """Gives up what was written."""
        self._staged.close()

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None and self.mode != "rb":
            self.closed = True
            self.discard()
            return
        self.close()


def register() -> None:
    """Makes fsspec open ``gs://`` and ``gcs://`` URLs through Seamount, in this process."""
    for protocol in ("gs", "gcs"):
        fsspec.register_implementation(protocol, SeamountFileSystem, clobber=True)

"""A store for zarr-python 3 over the engine: connections, retries and disk cache of the loader, for everything that takes
a zarr store.

>>> import zarr
>>> from seamount.zarr_store import ZarrStore
>>> zarr.open_group(ZarrStore("gs://lab/winds.zarr", key="lab-key.json"), mode="r")
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

from zarr.core.buffer import default_buffer_prototype

from . import _core
from .connection import Key, Place, path_of
from .errors import PreconditionFailedError

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype

T = TypeVar("T")

_AT_ONCE = 64  # requests of all stores of the process, which wait and take no processor
_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)


async def _run(call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """A call that blocks, on a thread of its own."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(_AT_ONCE, "seamount-zarr")
    return await asyncio.get_running_loop().run_in_executor(_pool, lambda: call(*arguments, **options))


class ZarrStore(Store):
    """The objects below ``url`` (``gs://bucket/prefix``, ``file:///directory`` or a folder). Thread-safe; can be pickled.

    Args:
        url: where the root of the hierarchy is.
        read_only: refuse to write.
        key, endpoint, anonymous: who asks whom, as for :class:`seamount.Loader`.
        cache_dir, cache_size: keep blocks that were read in this folder.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        read_only: bool = False,
        key: Key | None = None,
        endpoint: str | None = None,
        anonymous: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_size: int | str = "4GiB",
    ) -> None:
        super().__init__(read_only=read_only)
        self._url = path_of("url", url).rstrip("/")
        self._place = Place(key, endpoint, anonymous, cache_dir, cache_size)
        self._core: _core.Store | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    def with_read_only(self, read_only: bool = False) -> ZarrStore:
        other = type(self)(self._url, read_only=read_only, **vars(self._place))
        other._core = self._core
        return other

    def _opened(self) -> _core.Store:
        if self._core is None:
            self._core = self._place.open(self._url)
            self._is_open = True
        return self._core

    async def _store(self) -> _core.Store:
        await self._ensure_open()
        return self._core if self._core is not None else await _run(self._opened)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ZarrStore)
            and (self._url, self._place, self.read_only) == (other._url, other._place, other.read_only)
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_core": None}

    def __repr__(self) -> str:
        return f"ZarrStore({self._url!r})"

    def __str__(self) -> str:
        return self._url

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        read = await _run((await self._store()).read, key, **_range(byte_range))
        return None if read is None else prototype.buffer.from_bytes(read[0])

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        return await _run((await self._store()).stat, key) is not None

    async def getsize(self, key: str) -> int:
        found = await _run((await self._store()).stat, key)
        if found is None:
            raise FileNotFoundError(f"{self._url}/{key}")
        return int(found["size"])

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()
        await _run((await self._store()).write, key, _bytes_of(value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        self._check_writable()
        try:
            await _run((await self._store()).write, key, _bytes_of(value), generation="")
        except PreconditionFailedError:
            pass

    async def delete(self, key: str) -> None:
        self._check_writable()
        await _run((await self._store()).delete, key)

    # What zarr calls where it waits on a thread already.

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        read = self._opened().read(key, **_range(byte_range))
        return None if read is None else (prototype or default_buffer_prototype()).buffer.from_bytes(read[0])

    def set_sync(self, key: str, value: Buffer) -> None:
        self._check_writable()
        self._opened().write(key, _bytes_of(value))

    def delete_sync(self, key: str) -> None:
        self._check_writable()
        self._opened().delete(key)

    async def delete_dir(self, prefix: str) -> None:
        self._check_writable()
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        keys = [key async for key in self.list_prefix(prefix)]
        await asyncio.gather(*(self.delete(key) for key in keys))

    async def list(self) -> AsyncIterator[str]:
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        async for objects, _ in self._pages(prefix, ""):
            for found in objects:
                yield found["key"]

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        async for objects, folders in self._pages(prefix, "/"):
            for found in objects:
                if found["key"] != prefix:
                    yield found["key"].removeprefix(prefix)
            for folder in folders:
                yield folder.removeprefix(prefix).rstrip("/")

    async def _pages(self, prefix: str, delimiter: str) -> AsyncIterator[tuple[Any, Any]]:
        token = ""
        while True:
            objects, prefixes, token = await _run((await self._store()).list, prefix, delimiter, token)
            yield objects, prefixes
            if not token:
                return


def _range(request: ByteRequest | None) -> dict[str, Any]:
    match request:
        case None:
            return {}
        case RangeByteRequest(start, end):
            return {"offset": start, "length": max(0, end - start)}
        case OffsetByteRequest(offset):
            return {"offset": offset}
        case SuffixByteRequest(suffix):
            return {"suffix": suffix}
    raise ValueError(f"Unexpected byte_range, got {request!r}: expected a RangeByteRequest, OffsetByteRequest or SuffixByteRequest")


def _bytes_of(value: Buffer) -> Any:
    # zarr hands over any buffer, of any memory; one that is not contiguous or not bytes is copied here.
    if not hasattr(value, "as_buffer_like"):
        raise TypeError(f"value is a {type(value).__name__}: expected a zarr Buffer")
    return value.as_buffer_like()

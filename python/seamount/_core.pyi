"""The C++ engine, as the Python files beside it call it; use the package's own names instead."""

from typing import Any

from numpy import ndarray

class Store:
    """Objects under one prefix. An object is a dict: key, size, generation, content_type, metadata, updated, crc32c.
    generation as an argument: what must be there, "" for nothing."""

    def read(
        self,
        key: str,
        offset: int | None = None,
        length: int | None = None,
        suffix: int | None = None,
        generation: str | None = None,
    ) -> tuple[bytes, dict[str, Any]] | None: ...
    def stat(self, key: str) -> dict[str, Any] | None: ...
    def write(
        self,
        key: str,
        data: Any,
        content_type: str = "",
        metadata: dict[str, str] = {},
        generation: str | None = None,
    ) -> dict[str, Any]: ...
    def write_file(
        self,
        key: str,
        path: str,
        content_type: str = "",
        metadata: dict[str, str] = {},
        generation: str | None = None,
    ) -> dict[str, Any]: ...
    def delete(self, key: str) -> bool: ...
    def list(
        self, prefix: str, delimiter: str = "", page_token: str = "", max_results: int = 1000
    ) -> tuple[list[dict[str, Any]], list[str], str]: ...
    def copy(self, source: str, to: str) -> dict[str, Any]: ...

class Loader:
    order_id: str
    samples: int
    sample_dim: str
    batches_per_epoch: int
    unmatched: int
    own_steps: list[bool]
    fields: list[tuple[list[str], list[int]]]
    """Of each slot, its field's dimension names and shape."""
    patches: list[tuple[str, int, int]]
    """Of each dimension of the patches: its name, a patch's size, the dimension's length."""
    def next(self, epoch: int) -> dict[str, Any] | None:
        """slots (data and mask of each), other parts of a Batch, and has_missing; None at the end of that epoch."""
    def seek(self, seed: int, epoch: int, position: int) -> None: ...
    def resume(self, seed: int, epoch: int, position: int, order: str) -> None: ...
    def state(self) -> tuple[int, int, int]:
        """(seed, epoch, position)"""
    def stats(self) -> dict[str, Any]: ...
    def explain(self) -> dict[str, Any]:
        """What explanation.py makes an Explanation of: lists have a number for each variable."""

class Array:
    path: str
    shape: list[int]
    chunks: list[int]
    dtype: Any  # str; of elements that are no numbers numpy.dtype
    packed: bool  # reading makes other numbers of those that are stored
    dims: list[str]
    attributes_json: str
    def read(self, origin: list[int], shape: list[int], raw: bool, threads: int = 16) -> ndarray: ...
    def write(self, origin: list[int], shape: list[int], data: ndarray, threads: int = 16) -> None:
        """data: the elements' bytes, flat."""
    def write_strings(self, origin: list[int], shape: list[int], data: list[str] | list[bytes]) -> None: ...
    def resize(self, shape: list[int]) -> None: ...
    def append(self, axis: int, data: ndarray) -> None: ...
    def append_strings(self, axis: int, data: list[str] | list[bytes]) -> None: ...

class Group:
    attributes_json: str
    sample_dim: str
    splits: dict[str, list[tuple[int, int]]]
    segments: list[tuple[int, int]]
    def arrays(self) -> list[str]: ...
    def open_array(self, name: str, missing_chunks: str) -> Array: ...
    def refresh_consolidated(self) -> None: ...
    def time_axis(self, dimension: str) -> TimeAxis: ...
    def check_same(self) -> None: ...

class TimeAxis:
    def find(self, first: str, last: str) -> tuple[int, int]: ...
    def step_microseconds(self, group: Group) -> int: ...
    def unix_microseconds(self) -> ndarray | None: ...
    def texts(self) -> list[str]: ...

def open_store(
    url: str, endpoint: str, key: str, key_text: str, anonymous: bool, cache_dir: str, cache_size: str
) -> Store: ...
def open_loader(groups: list[Group], options: dict[str, Any]) -> Loader:
    """The options are those that bindings/loader.cc takes, all of them; slots name groups by their number."""
def open_group(store: Store, early: list[str] = ...) -> Group:
    """early: arrays that will be opened next, whose documents are read meanwhile."""

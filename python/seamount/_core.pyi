"""The C++ engine, as the Python files beside it call it; use the package's own names instead."""

from typing import Any

from numpy import ndarray

class Store: ...

class Loader:
    order_id: str
    samples: int
    sample_dim: str
    batches_per_epoch: int
    field_shape: list[int]
    field_dims: list[str]
    def next(self, epoch: int) -> dict[str, Any] | None:
        """The parts of a Batch, and has_missing; None at the end of that epoch."""
    def seek(self, seed: int, epoch: int, position: int) -> None: ...
    def resume(self, seed: int, epoch: int, position: int, order: str) -> None: ...
    def state(self) -> tuple[int, int, int]:
        """(seed, epoch, position)"""
    def stats(self) -> dict[str, int | float]: ...

class Array:
    path: str
    shape: list[int]
    chunks: list[int]
    dtype: str
    dims: list[str]
    attributes_json: str
    def read(self, origin: list[int], shape: list[int], raw: bool) -> ndarray: ...

class Group:
    attributes_json: str
    sample_dim: str
    splits: dict[str, tuple[int, int]]
    segments: list[tuple[int, int]]
    def arrays(self) -> list[str]: ...
    def open_array(self, name: str, missing_chunks: str) -> Array: ...
    def time_axis(self, dimension: str) -> TimeAxis: ...
    def check_same(self) -> None: ...

class TimeAxis:
    def find(self, first: str, last: str) -> tuple[int, int]: ...
    def unix_microseconds(self) -> ndarray | None: ...
    def texts(self) -> list[str]: ...

def open_store(
    url: str, endpoint: str, key: str, key_text: str, anonymous: bool, cache_dir: str, cache_size: str
) -> Store: ...
def open_loader(group: Group, options: dict[str, Any]) -> Loader:
    """The options are C++'s OpenArguments, all of them."""
def open_group(store: Store) -> Group: ...

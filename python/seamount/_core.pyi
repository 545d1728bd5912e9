"""The C++ engine, as the Python files beside it call it; use the package's own names instead."""

from numpy import ndarray

class Loader:
    order_id: str
    samples: int
    batches_per_epoch: int
    field_shape: list[int]
    field_dims: list[str]
    def next(self) -> tuple[ndarray, ndarray | None, ndarray] | None:
        """(inputs, targets, index); None at the end of the epoch."""
    def seek(self, seed: int, epoch: int, position: int) -> None: ...
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
    def read(self, start: int, stop: int, raw: bool) -> ndarray: ...

def open_loader(
    url: str,
    *,
    variables: list[str],
    sample_dim: str,
    inputs: list[int],
    targets: list[int],
    batch_size: int,
    shuffle: str,
    seed: int,
    select: tuple[int, int] | None,
    normalize: bool,
    normalization: dict[str, tuple[float, float]],
    drop_last: bool,
    threads: int,
    memory: str,
    rank: int,
    world: int,
    endpoint: str,
    key: str,
    anonymous: bool,
    cache_dir: str,
    cache_size: str,
) -> Loader: ...
def open_array(url: str, variable: str, endpoint: str, key: str, anonymous: bool) -> Array: ...
def group_document(url: str, endpoint: str, key: str, anonymous: bool) -> tuple[int, str] | None: ...

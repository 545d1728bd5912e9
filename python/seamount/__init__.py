"""Seamount: minibatches of Earth-science windows, read in place from Zarr over the network.

>>> import seamount
>>> loader = seamount.Loader("gs://lab/winds.zarr", ["uwnd", "vwnd"], inputs=[-1, 0], targets=[1], split="train")
>>> for inputs, targets in loader:
...     train(inputs, targets)

Importing this package starts no thread, opens no connection and reads no key.
"""

from importlib.metadata import PackageNotFoundError as _PackageNotFoundError
from importlib.metadata import version as _version

from . import errors
from .arrays import Array, Group, open_group
from .batch import Batch
from .encodings import Encoding
from .errors import SeamountError
from .loader import Loader
from .opening import attributes, ls, open, open_array, read
from .patches import Patches
from .prediction import predict
from .preparing import Prepared, prepare
from .scoring import scores
from .slots import Slot
from .versions import load_model, save_model

__all__ = [
    "Array",
    "Batch",
    "Encoding",
    "Group",
    "Loader",
    "Patches",
    "Prepared",
    "SeamountError",
    "Slot",
    "attributes",
    "errors",
    "load_model",
    "ls",
    "open",
    "open_array",
    "open_group",
    "predict",
    "prepare",
    "read",
    "save_model",
    "scores",
]

try:
    __version__ = _version("seamount")
except _PackageNotFoundError:  # run from the source tree
    __version__ = "0.1.0"

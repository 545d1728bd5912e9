"""Seamount: minibatches of Earth-science windows, read in place from Zarr over the network.

>>> import seamount
>>> loader = seamount.Loader("gs://lab/winds.zarr", variables=["uwnd", "vwnd"], inputs=[-1, 0], targets=[1])
>>> for batch in loader:
...     train(batch.inputs, batch.targets)

Importing this package starts no thread, opens no connection and reads no key.
"""

from importlib.metadata import PackageNotFoundError as _PackageNotFoundError
from importlib.metadata import version as _version

from . import errors
from .arrays import Array, attributes, open_array, read
from .errors import SeamountError
from .loader import Batch, Loader

__all__ = ["Array", "Batch", "Loader", "SeamountError", "attributes", "errors", "open_array", "read"]

try:
    __version__ = _version("seamount")
except _PackageNotFoundError:  # run from the source tree
    __version__ = "0.1.0"

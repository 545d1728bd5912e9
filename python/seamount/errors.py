"""What the engine raises: one class for each error code, each also the built-in exception that people expect.

So ``except FileNotFoundError`` works without importing anything, and ``except seamount.SeamountError`` catches all. Beside
them are TypeError for what Python itself refuses (an argument that there is not, pickling what holds threads), IndexError
and whatever NumPy raises where an array is indexed or assigned to as NumPy's, ImportError for a library that is not
installed, and what a user's own function raises.
"""

from __future__ import annotations


class SeamountError(Exception):
    """The base of all of them."""


class NotFoundError(SeamountError, FileNotFoundError):
    """What was named does not exist: a bucket, an object, a variable."""


class KeyNotFoundError(NotFoundError, KeyError):
    """The same, asked for in brackets: ``group["u"]``, ``batch["x"]``."""


class PreconditionFailedError(SeamountError, RuntimeError):
    """The world is not as the call needs it: something exists already, changed meanwhile, or is of another process."""


class PermissionDeniedError(SeamountError, PermissionError):
    """The identity is known, and may not do this."""


class UnauthenticatedError(SeamountError, PermissionError):
    """There is no identity, or it is expired or revoked."""


class UnavailableError(SeamountError, ConnectionError):
    """The network or the server failed for longer than retrying lasts. Trying again later can help."""


class ResourceExhaustedError(SeamountError, OSError):
    """A disk, a quota or a memory budget is full."""


class InvalidArgumentError(SeamountError, ValueError):
    """An argument, an option or an attribute is wrong; the message says what was expected."""


class DataLossError(SeamountError, OSError):
    """Stored data are truncated, malformed or fail their checksum; the message names the chunk."""


class CancelledError(SeamountError, RuntimeError):
    """The call was stopped."""


class InternalError(SeamountError, RuntimeError):
    """A bug in Seamount, or a server that breaks its protocol."""

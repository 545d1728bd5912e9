"""Where the program `seamount` is."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import NotFoundError


def program() -> str:
    """The one that the wheel brings along; SEAMOUNT_BINARY names another one, for a build tree."""
    path = os.environ.get("SEAMOUNT_BINARY") or str(Path(__file__).parent / "bin" / "seamount")
    if not os.access(path, os.X_OK):
        raise NotFoundError(f"there is no program at {path}: install the wheel, or build it and set SEAMOUNT_BINARY")
    return path

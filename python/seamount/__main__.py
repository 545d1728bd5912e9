"""The command `seamount`: becomes the program that the wheel brings along."""

from __future__ import annotations

import os
import sys

from .errors import NotFoundError
from .program import program


def main() -> None:
    """Replaces this process by the program."""
    try:
        path = program()
    except NotFoundError as error:
        sys.exit(f"seamount: {error}")
    os.environ.setdefault("SEAMOUNT_PYTHON", sys.executable)  # the one that has this package, activated or not
    os.execv(path, ["seamount", *sys.argv[1:]])


if __name__ == "__main__":
    main()

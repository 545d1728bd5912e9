"""The command `seamount`: becomes the program that the wheel brings along."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Replaces this process by the program; SEAMOUNT_BINARY names another one, for a build tree."""
    program = os.environ.get("SEAMOUNT_BINARY") or str(Path(__file__).parent / "bin" / "seamount")
    if not os.access(program, os.X_OK):
        sys.exit(f"seamount: there is no program at {program}: install the wheel, or build it and set SEAMOUNT_BINARY")
    os.environ.setdefault("SEAMOUNT_PYTHON", sys.executable)  # the one that has this package, activated or not
    os.execv(program, ["seamount", *sys.argv[1:]])


if __name__ == "__main__":
    main()

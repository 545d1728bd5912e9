#!/usr/bin/env python3
"""Makes the wheel for every Python from 3.12 on out of the one for this Python:

  tools/stable_abi_wheel.py seamount-…-cp311-cp311-linux_x86_64.whl _core.abi3.so

The extension is replaced by the one in the stable ABI, the tags say so; the new wheel lies beside the old one.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from auditwheel.wheeltools import InWheelCtx

STABLE = "cp312-abi3"


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    wheel, extension = (Path(argument).resolve() for argument in sys.argv[1:])
    renamed = re.sub(r"-cp\d+-cp\d+-", f"-{STABLE}-", wheel.name)
    with InWheelCtx(wheel, wheel.with_name(renamed)) as context:  # writes RECORD anew
        folder = Path(context.path)
        for old in folder.glob("seamount/_core.cpython-*.so"):
            old.unlink()
        shutil.copy(extension, folder / "seamount" / "_core.abi3.so")
        (tags,) = folder.glob("*.dist-info/WHEEL")
        tags.write_text(re.sub(r"(?m)^Tag: cp\d+-cp\d+-", f"Tag: {STABLE}-", tags.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

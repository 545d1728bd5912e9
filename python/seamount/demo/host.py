"""This side of the machines: which there are, what is left of demos that were killed, and what an image is made of."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .commands import DemoError, execute
from .interrupts import undisturbed

PREFIX = "demo"  # of machines' names
FOLDER = "seamount-demo-"


def machines_of(binary: str, pid: int) -> list[str]:
    listed = json.loads(execute([binary, "vm", "ls", "--json"]).output)
    return [machine["name"] for machine in listed if machine["name"].startswith(f"{PREFIX}{pid}-")]


def clear_forgotten(binary: str, where: str | None) -> None:
    """Takes away machines and folders of demos that were killed before they could."""
    for machine in json.loads(execute([binary, "vm", "ls", "--json"]).output):
        match = re.match(rf"{PREFIX}(\d+)-", machine["name"])
        if match and not Path(f"/proc/{match[1]}").exists():
            subprocess.run([binary, "vm", "kill", machine["name"]], capture_output=True, check=False)
    for old in Path(where or tempfile.gettempdir()).glob(f"{FOLDER}*"):
        match = re.match(rf"{FOLDER}(\d+)-", old.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            wait_for_server(old / "lab")
            remove(old)


def wait_for_server(data: Path) -> None:
    """A server dies with its demo, but may be in its last system call: it holds the lock until it is no more."""
    with contextlib.suppress(FileNotFoundError), open(data / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def remove(folder: Path) -> None:
    """With all that is in it; what cannot be removed is said."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        if folder.exists():  # not taken away by another demo meanwhile
            print(f"seamount demo: {folder} is left: {error}", file=sys.stderr)


def work_folder(where: str | None, keep: bool, cleanup: contextlib.ExitStack) -> Path:
    """A folder of its own, named after this process so that a later demo knows whether it is still in use."""
    if where:
        Path(where).mkdir(parents=True, exist_ok=True)
    if keep:
        return Path(tempfile.mkdtemp(prefix=f"{FOLDER}kept-", dir=where))
    with undisturbed():
        folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=where))
        cleanup.callback(remove, folder)
    return folder


def image(examples: Path) -> tuple[list[str], str]:
    """What a machine's image has besides the system, as options of `vm up`; and the path of its Python."""
    package = Path(__file__).resolve().parent.parent
    shares = {package: "/opt/seamount/python/seamount", examples: "/opt/seamount/winds"}
    libraries = package.parent / "seamount.libs"  # a wheel's
    if libraries.exists():
        shares[libraries] = "/opt/seamount/python/seamount.libs"
    python = sys.executable
    if sys.prefix != sys.base_prefix:
        shares[Path(sys.prefix).resolve()] = "/opt/seamount/venv"
        python = f"/opt/seamount/venv/bin/{Path(sys.executable).name}"
    if not sys.base_prefix.startswith("/usr"):
        shares[Path(sys.base_prefix)] = sys.base_prefix
    return [option for source, target in shares.items() for option in ("--share", f"{source}:{target}")], python


def find_examples() -> Path:
    """In the source tree, or in the wheel."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent.parent / "examples" / "winds", package / "examples" / "winds"):
        if (folder / "train.py").exists():
            return folder
    raise DemoError(f"examples/winds is neither beside {package.parent} nor in {package}")

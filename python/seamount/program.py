"""The program `seamount`: where it is, and how it is run from here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from . import errors
from .connection import Key, _endpoint_of, _key_text

# docs/exit-codes.md: one for each class.
ERROR_OF_CODE: dict[int, type[errors.SeamountError]] = {
    1: errors.InternalError,
    2: errors.InvalidArgumentError,
    3: errors.NotFoundError,
    4: errors.PreconditionFailedError,
    5: errors.PermissionDeniedError,
    6: errors.UnauthenticatedError,
    7: errors.UnavailableError,
    8: errors.ResourceExhaustedError,
    9: errors.DataLossError,
    130: errors.CancelledError,
}


def program() -> str:
    """The one that the wheel brings along; SEAMOUNT_BINARY names another one, for a build tree."""
    path = os.environ.get("SEAMOUNT_BINARY") or str(Path(__file__).parent / "bin" / "seamount")
    if not os.access(path, os.X_OK):
        raise errors.NotFoundError(f"there is no program at {path}: install the wheel, or build it and set SEAMOUNT_BINARY")
    return path


def credential_flags(key: Key | None, endpoint: str | None, held: contextlib.ExitStack) -> list[str]:
    """Flags; a key's content goes by way of memory that only the two processes share, never by the command line."""
    text = _key_text(key)
    endpoint = endpoint or _endpoint_of(text)
    flags = [f"--endpoint={endpoint}"] if endpoint else []
    if text:
        descriptor = os.memfd_create("seamount-key")
        held.callback(os.close, descriptor)
        os.fchmod(descriptor, 0o600)  # what a key file must have
        os.write(descriptor, text.encode())
        return [*flags, f"--key=/dev/fd/{descriptor}"]
    return flags if key is None else [*flags, f"--key={os.fspath(key)}"]  # type: ignore[arg-type]

def run_program(
    arguments: list[str], held: contextlib.ExitStack, *, progress: bool, given: str = ""
) -> tuple[int, list[str], bytes]:
    """Its exit code, the lines that it said but for those of progress, and its output. ``given`` is its standard input."""
    output = held.enter_context(tempfile.TemporaryFile())
    source = held.enter_context(tempfile.TemporaryFile())
    source.write(given.encode())
    source.seek(0)
    keys = [int(flag.rpartition("/")[2]) for flag in arguments if flag.startswith("--key=/dev/fd/")]
    # In a session of its own: a terminal's Ctrl-C comes here, and is passed on once. Twice would end it at once.
    process = subprocess.Popen(
        [program(), *arguments],
        stdin=source,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        pass_fds=keys,
        start_new_session=True,
    )
    held.callback(_end, process)
    assert process.stderr is not None
    said = list(_progress_drawn(process.stderr, progress))
    code = process.wait()
    output.seek(0)
    return code, said, output.read()


def _end(process: subprocess.Popen[str]) -> None:
    """Whatever happened here, no process is left behind."""
    assert process.stderr is not None
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.stderr.read()
            process.wait()
        except KeyboardInterrupt:  # a second one: the record of the last second is lost, and no data
            process.kill()
            process.wait()
            raise
    process.stderr.close()


def _progress_drawn(lines: IO[str], wanted: bool) -> Iterator[str]:
    """Lines other than those of progress, which are drawn."""
    tqdm = None
    if wanted:
        with contextlib.suppress(ImportError):
            from tqdm.auto import tqdm  # type: ignore[import-not-found, import-untyped, no-redef]
    bar = None
    try:
        for line in lines:
            if not line.startswith('{"progress"'):
                yield line.rstrip("\n")
                continue
            if tqdm is None:
                continue
            state = json.loads(line)
            if bar is None:
                bar = tqdm(total=state["total"], desc=state["progress"], unit="B", unit_scale=True)
            bar.update(state["done"] - bar.n)
    finally:
        if bar is not None:
            bar.close()

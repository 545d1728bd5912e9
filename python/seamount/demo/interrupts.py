"""Signals that end the demo, and the moments in which they have to wait."""

from __future__ import annotations

import contextlib
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_depth = 0  # of undisturbed()
_came = False  # a signal, meanwhile


def listen() -> None:
    """From here on the first signal is a KeyboardInterrupt; the ones after it are out of impatience and count nothing."""
    for number in SIGNALS:
        signal.signal(number, _interrupted)


def _interrupted(*_) -> None:
    global _came
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if not _depth:
        raise KeyboardInterrupt
    _came = True


@contextlib.contextmanager
def undisturbed():
    """A signal is heard at the end: what is made inside and the note that it is to be cleared away belong together."""
    global _depth, _came
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth and _came:
            _came = False
            raise KeyboardInterrupt


def close_undisturbed(cleanup: contextlib.ExitStack) -> None:
    """A Ctrl-C here would cut the clearing away short, and in the commands that do it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    cleanup.close()
    for number, handler in before.items():
        signal.signal(number, handler)

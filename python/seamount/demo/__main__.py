"""The command `seamount demo`: arguments, a network namespace, signals, the exit code."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys

from seamount.errors import SeamountError

from . import steps
from .commands import DemoError
from .demo import Demo
from .interrupts import close_undisturbed, listen

IN_NAMESPACE = "SEAMOUNT_DEMO_NAMESPACE"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="seamount demo", description="The whole way on real data.")
    parser.add_argument("--output", default="winds.png", help="where the picture goes")
    parser.add_argument("--work-dir", help="where the folder for the server's data and logs is made")
    parser.add_argument("--keep", action="store_true", help="leave that folder")
    parser.add_argument("--quick", action="store_true", help="train for a few epochs only")
    parser.add_argument("--json", action="store_true", help="print the closing table as JSON on the last line")
    return parser.parse_args()


def enter_namespace() -> None:
    """Becomes this program again in a network namespace of its own, so that the host's network is not touched."""
    if os.environ.get(IN_NAMESPACE) == str(os.getpid()):
        return
    os.environ[IN_NAMESPACE] = str(os.getpid())  # exec keeps the process id
    os.execvp("unshare", ["unshare", "--net", sys.executable, "-m", "seamount.demo", *sys.argv[1:]])


def main() -> int:
    args = parse_arguments()
    if os.geteuid() != 0:
        print("seamount demo: machines and mounts need root: sudo seamount demo", file=sys.stderr)
        return 5
    enter_namespace()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no ✓ is no reason to fail
    listen()
    cleanup = contextlib.ExitStack()
    try:
        steps.run(Demo(args, cleanup))
        return 0
    except BrokenPipeError:  # whoever read along has gone
        sys.stdout = open(os.devnull, "w")
        return 1
    except (DemoError, OSError, SeamountError) as error:
        print(f"seamount demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("seamount demo: interrupted; ending everything that it started", file=sys.stderr)
        return 130
    finally:
        close_undisturbed(cleanup)


if __name__ == "__main__":
    sys.exit(main())

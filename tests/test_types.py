"""The package's types, by mypy's strict rules (pyproject.toml), and its reference, by its docstrings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import seamount

ROOT = Path(__file__).resolve().parent.parent


def run(*command, **options):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=280, **options)


def test_types_are_right(tmp_path):
    done = run("-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path), "seamount",
               cwd=ROOT / "python")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_users_program_is_checked(tmp_path):
    """The package is typed for those who use it (py.typed): a wrong call is seen, a right one is not."""
    program = tmp_path / "program.py"
    program.write_text('import seamount\nloader = seamount.Loader("x", ["u"])\nn: int = len(loader)\nloader.set_epoch("1")\n')
    done = run("-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program), env={"MYPYPATH": str(ROOT / "python")})
    ours = [line for line in done.stdout.splitlines() if line.startswith(str(program))]
    assert len(ours) == 1 and "set_epoch" in ours[0], done.stdout


def test_the_reference_is_what_the_docstrings_say():
    done = run(str(ROOT / "tools" / "api_reference.py"), "--check")
    assert done.returncode == 0, done.stderr
    text = (ROOT / "docs" / "api.md").read_text()
    for name in set(seamount.__all__) - {"errors"}:
        assert f"\n## seamount.{name}\n" in text
    for name in vars(seamount.errors).values():
        if isinstance(name, type) and issubclass(name, seamount.SeamountError):
            assert f"\n## seamount.errors.{name.__name__}\n" in text


@pytest.mark.parametrize("source", ["def bad(a): pass", 'def bad(a):\n    "Bad."'])
def test_a_name_that_says_nothing_is_found(tmp_path, source):
    program = f"""
import sys; sys.path.insert(0, {str(ROOT / "tools")!r})
import ast, api_reference
api_reference.described("bad", ast.parse({source!r}).body[0])
"""
    done = run("-c", program)
    assert done.returncode == 1 and "bad has no docstring" in done.stderr

"""Every test that docs/SEMANTICS.md names exists, and every promise names one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def known_tests() -> set[str]:
    known = set()
    for source in (ROOT / "src/vfs").glob("*_test.cc"):
        known.update(f"{a}.{b}" for a, b in re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", source.read_text(), re.M))
    for source in (*(ROOT / "tests").glob("test_mount*.py"), ROOT / "tests/test_share.py"):
        known.update(re.findall(r"^def (test_\w+)\(", source.read_text(), re.M))
    return known


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / "docs/SEMANTICS.md").read_text()
    promises = re.split(r"^(?=\d+\. )", text, flags=re.M)[1:]
    assert len(promises) > 30
    known = known_tests()
    for number, promise in enumerate(promises, start=1):
        assert promise.startswith(f"{number}. "), f"promise {number} is numbered otherwise: {promise[:40]}"
        named = re.findall(r"`(test_\w+|[A-Z]\w+\.[A-Z]\w+)`", promise)
        assert named, f"promise {number} names no test"
        for name in named:
            assert name in known, f"promise {number} names {name}, which does not exist"

"""Runs what the documentation tells people to type.

A fenced block is run when the line before its fence is `<!-- run -->`; the blocks of one page run in order, in one shell,
in an empty home directory, with `seamount` and `python` on PATH. Ports 9000 in the text become a free one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^<!-- run -->\n```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in candidates if BLOCK.search(page.read_text())]


def script(page: Path) -> str:
    """The page's blocks as one shell script; Python blocks become here-documents."""
    parts = []
    for language, text in BLOCK.findall(page.read_text()):
        parts.append(f"python - <<'PYTHON'\n{text}PYTHON\n" if language == "python" else text)
    return "\n".join(parts)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_snippets_run(page, seamount_binary, tmp_path, free_port):
    home = tmp_path / "home"
    home.mkdir()
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "seamount").symlink_to(seamount_binary)
    environment = {
        "HOME": str(home),
        "PATH": f"{tools}:{ROOT}/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(ROOT / "python"),
        "LANG": "C.UTF-8",
    }
    text = script(page).replace("9000", str(free_port))
    try:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{text}"],
                              cwd=home, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{page.name}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    finally:
        for line in Path("/proc/self/mounts").read_text().splitlines():
            folder = line.split()[1]
            if folder.startswith(str(home)):
                subprocess.run(["umount", "-l", folder], check=False)
        shutil.rmtree(home, ignore_errors=True)

"""Runs what the documentation tells people to type.

A fenced block is run when the line before its fence is `<!-- run -->`; the blocks of one page run in order, in one shell,
in an empty home directory, with `seamount` and `python` on PATH. Ports 9000 in the text become a free one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
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


def all_pages() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split()]


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Relative links, as GitHub follows them: the file is there and, where the link names one, the heading."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name} links to {target}"
        assert file.is_relative_to(ROOT), f"{page.name} links out of the project: {target}"
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings]
            assert heading in anchors, f"{page.name} links to {target}"


def test_the_modules_of_the_architecture_are_those_that_are_checked():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from check_layers import ALLOWED
    finally:
        sys.path.pop(0)
    rows = re.findall(r"^\| (\w+) \| ([^|]*) \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    told = {name: may for name, may in rows if name in ALLOWED}
    assert list(told) == list(ALLOWED)
    assert told.pop("cli") == "all"
    assert {name: [] if may == "–" else may.split(", ") for name, may in told.items()} == {
        name: may for name, may in ALLOWED.items() if name != "cli"
    }
    assert {path.name for path in (ROOT / "src").iterdir() if path.is_dir()} == set(ALLOWED)


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
        "SEAMOUNT_BINARY": seamount_binary,
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

"""How things show themselves in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping


def table(title: str, rows: Mapping[str, str]) -> str:
    """A small table of what something is; every text is escaped."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption><b>{html.escape(title)}</b></caption>{lines}</table>"

"""What the demo says: a line and a time for each step, its claims, and the closing table."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass

from .commands import DemoError

STEPS = 6


@dataclass
class Row:
    """One step in the closing table. None: there can be no such number."""

    title: str
    seconds: float = 0.0
    bytes: int | None = None
    cache_hits: int | None = None
    peak_memory: int | None = None

    def add(self, bytes: int, cache_hits: int | None = None) -> None:
        self.bytes = (self.bytes or 0) + bytes
        if cache_hits is not None:
            self.cache_hits = (self.cache_hits or 0) + cache_hits

    def peak(self, value: int) -> None:
        self.peak_memory = max(self.peak_memory or 0, value)


def readable(count: int | None) -> str:
    if count is None:
        return "–"
    size, units = float(count), ["B", "KiB", "MiB", "GiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"


class Report:
    def __init__(self):
        self.rows: list[Row] = []
        self.begin = time.monotonic()

    @contextlib.contextmanager
    def step(self, title: str):
        print(f"{len(self.rows) + 1}/{STEPS}  {title}", flush=True)
        row, begin = Row(title), time.monotonic()
        self.rows.append(row)
        yield row
        row.seconds = time.monotonic() - begin
        print(f"      {row.seconds:.1f} s", flush=True)

    def say(self, words: str) -> None:
        print(f"      {words}", flush=True)

    def check(self, holds: bool, claim: str) -> None:
        """Every claim of the demo goes through here."""
        if not holds:
            raise DemoError(f"this does not hold: {claim}")
        self.say(f"✓ {claim}")

    def table(self) -> None:
        width = max(len(row.title) for row in self.rows)
        print(f"\n{'step':{width}}  {'seconds':>7}  {'network':>10}  {'cache hits':>10}  {'peak memory':>11}")
        for row in self.rows:
            hits = "–" if row.cache_hits is None else str(row.cache_hits)
            print(f"{row.title:{width}}  {row.seconds:7.1f}  {readable(row.bytes):>10}  {hits:>10}  "
                  f"{readable(row.peak_memory):>11}")  # fmt: skip
        print(f"{'total':{width}}  {time.monotonic() - self.begin:7.1f}", flush=True)

    def json(self, **more) -> None:
        seconds = time.monotonic() - self.begin
        print(json.dumps({"seconds": seconds, **more, "steps": [vars(row) for row in self.rows]}), flush=True)

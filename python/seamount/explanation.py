"""What an epoch of a loader takes, told before it is read."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from .errors import InvalidArgumentError
from .html import table

# As the engine's fetch policy has it: so many requests at once over a network, and so many where there is none.
_MOST_CONNECTIONS, _FEWEST_CONNECTIONS, _REMOTE_SECONDS = 64, 8, 0.001

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True)
class Reads:
    """What one epoch reads, of this rank."""

    chunks: int
    """That it touches, each counted once."""
    chunks_fetched: int
    """Each is decoded once."""
    bytes_fetched: int
    """As they are stored, by the share that a few chunks of each variable were smaller than decoded."""
    bytes_decoded: int
    requests: int
    """At least: one for each chunk, or for chunks of a shard that follow each other."""

    @property
    def reread(self) -> float:
        """How often each chunk is fetched, on average: 1.0 is best, and 0.0 where all are in memory already."""
        return self.chunks_fetched / self.chunks if self.chunks else 0.0


@dataclass(frozen=True)
class Explanation:
    """What :meth:`Loader.explain` tells; it shows itself as text, and in a notebook as a picture."""

    samples: int
    """In an epoch, of this rank."""
    batches: int
    epoch: Reads
    """With nothing in memory before."""
    next_epoch: Reads
    """With what the epoch before has left there."""
    memory: dict[str, int]
    """Bytes for ``batches`` in the making, ``plan``, ``chunks`` that are kept decoded, and for fetching ``ahead``."""
    latency: float
    """Seconds that a small request takes."""
    bandwidth: float
    """Bytes a second, of all connections together."""
    connections: int
    """Requests at once that the loader makes at most."""
    threads: int
    """That decode."""
    network_samples_per_second: float
    """What latency and bandwidth allow."""
    decode_samples_per_second: float
    """What decoding allows; copying into batches comes on top."""

    @property
    def samples_per_second(self) -> float:
        """At most, in the first epoch; the trainer may take fewer."""
        return min(self.network_samples_per_second, self.decode_samples_per_second)

    @property
    def bottleneck(self) -> str:
        """``"network"`` or ``"decode"``: which allows less."""
        return "network" if self.network_samples_per_second <= self.decode_samples_per_second else "decode"

    def _rows(self) -> dict[str, str]:
        first, later = self.epoch, self.next_epoch
        parts = ", ".join(f"{name} {_bytes(size)}" for name, size in self.memory.items())
        return {
            "an epoch": f"{self.samples} samples in {self.batches} batches",
            "fetches": f"{_bytes(first.bytes_fetched)} in {first.chunks_fetched} chunks, {first.requests} requests",
            "decodes": _bytes(first.bytes_decoded),
            "each chunk": f"{first.reread:.2f} times, of {first.chunks}",
            "later epochs": f"{_bytes(later.bytes_fetched)} in {later.chunks_fetched} chunks",
            "memory": f"{_bytes(sum(self.memory.values()))}: {parts}",
            "the way": f"{1000 * self.latency:.3g} ms, {_bytes(self.bandwidth)}/s over up to {self.connections} connections",
            "at most": f"{self.samples_per_second:.0f} samples/s: network {self.network_samples_per_second:.0f}, "
            f"decode {self.decode_samples_per_second:.0f} by {self.threads} threads",
        }

    def __repr__(self) -> str:
        rows = self._rows()
        width = max(map(len, rows))
        return "\n".join(["<seamount.Explanation>", *(f"  {name:{width}}  {value}" for name, value in rows.items())])

    def _repr_html_(self) -> str:
        return table("seamount.Loader.explain()", self._rows()) + self._picture()

    def _picture(self) -> str:
        """How memory is divided, and what network and decoding allow, to scale."""
        colors = {"batches": "#4c78a8", "plan": "#b279a2", "chunks": "#59a14f", "ahead": "#f28e2b"}
        total = sum(self.memory.values()) or 1
        marks, left = [], 0.0
        for name, size in self.memory.items():
            width = _WIDTH * size / total
            marks.append(_bar(left, 0, width, colors[name], f"{name} {_bytes(size)}"))
            left += width
        rates = {"network": self.network_samples_per_second, "decode": self.decode_samples_per_second}
        most = max(min(rate, 1e12) for rate in rates.values()) or 1
        for row, (name, rate) in enumerate(rates.items(), 1):
            color = "#e15759" if name == self.bottleneck else "#9c9c9c"
            marks.append(_bar(0, row * _ROW, _WIDTH * min(rate, 1e12) / most, color, f"{name} {rate:.0f} samples/s"))
        return f"<svg width='{_WIDTH}' height='{3 * _ROW}' font-size='11' font-family='sans-serif'>{''.join(marks)}</svg>"


_WIDTH, _ROW = 480, 24


def _bar(x: float, y: float, width: float, color: str, label: str) -> str:
    """A bar with its label, which stands in it as far as it fits; all of it is said when one points there."""
    text = html.escape(label)
    shown = f"<text x='{x + 4:.1f}' y='{y + 15}'>{text}</text>" if width > 6 * len(label) or x == 0 else ""
    return f"<g><title>{text}</title><rect x='{x:.1f}' y='{y}' width='{max(width, 1):.1f}' height='{_ROW - 4}' fill='{color}'/>{shown}</g>"


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"


def _rate(given: Any) -> float:
    """Bytes a second, as a number or a text such as "100MiB"."""
    if isinstance(given, str):
        text = given.strip().lower().removesuffix("/s").strip()
        number = text.rstrip("kmgtib ")
        unit = text[len(number) :].strip().removesuffix("ib").removesuffix("b")
        try:
            given = float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            raise InvalidArgumentError(f"bandwidth is {given!r}: expected bytes a second, as 1e8 or '100MiB'") from None
    if not isinstance(given, (int, float)) or not given > 0:
        raise InvalidArgumentError(f"bandwidth is {given!r}: expected bytes a second, as 1e8 or '100MiB'")
    return float(given)


def _reads(told: dict[str, Any], epoch: dict[str, Any]) -> Reads:
    decoded = [count * size for count, size in zip(epoch["fetches"], told["chunk_bytes"])]
    return Reads(
        chunks=sum(epoch["chunks"]),
        chunks_fetched=sum(epoch["fetches"]),
        bytes_fetched=round(sum(size * ratio for size, ratio in zip(decoded, told["encoded_ratio"]))),
        bytes_decoded=sum(decoded),
        requests=sum(epoch["requests"]),
    )


def explain(told: dict[str, Any], samples: int, latency: float | None, bandwidth: float | str | None) -> Explanation:
    """From what the engine tells of a loader."""
    if latency is not None and not (isinstance(latency, (int, float)) and latency >= 0):
        raise InvalidArgumentError(f"latency is {latency!r}: expected seconds, as 0.01")
    first, later = (_reads(told, epoch) for epoch in told["epochs"])
    wait = told["latency"] if latency is None else float(latency)
    line = float("inf") if bandwidth is None else _rate(bandwidth)
    one = line if bandwidth is not None else told["connection_bandwidth"] or float("inf")  # of one connection
    size = first.bytes_fetched / first.requests if first.requests else 0.0
    took = wait + size / one
    connections = _MOST_CONNECTIONS if took > _REMOTE_SECONDS else _FEWEST_CONNECTIONS
    if size:
        connections = max(1, min(connections, int(told["memory"]["ahead"] // size)))
    bytes_per_second = min(line, connections * size / took) if took else line
    seconds_network = first.bytes_fetched / bytes_per_second if bytes_per_second else 0.0
    seconds_decode = first.bytes_decoded / (told["decode_bandwidth"] * told["threads"]) if told["decode_bandwidth"] else 0.0
    return Explanation(
        samples=samples,
        batches=told["epochs"][0]["batches"],
        epoch=first,
        next_epoch=later,
        memory=told["memory"],
        latency=wait,
        bandwidth=bytes_per_second,
        connections=connections,
        threads=told["threads"],
        network_samples_per_second=samples / seconds_network if seconds_network else float("inf"),
        decode_samples_per_second=samples / seconds_decode if seconds_decode else float("inf"),
    )

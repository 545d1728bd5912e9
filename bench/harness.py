"""What every race shares: a server, a delay line in front of it, cold caches, and a record of the run.

A run is one JSON file under bench/runs/DATE/, with the host, the commit, and how much CPU others used meanwhile: below
20 % difference nothing is proven by one run.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RIVALS = ROOT / ".rivals"  # where tools/rivals.sh puts them
BUILD = ROOT / "build" / "release"
SEAMOUNT = BUILD / "src/cli/seamount"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args[0]} does not listen on port {port}")
            time.sleep(0.02)


def wait_for_file(path: Path) -> None:
    """The server's key holds its address, so it is written once the server listens."""
    deadline = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"there is no {path}")
        time.sleep(0.02)


@contextlib.contextmanager
def running(command: list, port: int | None = None, **kwargs):
    """A program that runs for the block, then is ended; with `port`, entered once it listens there."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)
    try:
        if port is not None:
            wait_for_port(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def scratch(where: str | None = None):
    directory = Path(tempfile.mkdtemp(prefix="seamount-bench-", dir=where))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def served(directory: Path, buckets: list[str]):
    """`seamount serve` on `directory` with public buckets; yields its port."""
    port = free_port()
    with running([SEAMOUNT, "serve", directory, "--port", port], port):
        wait_for_file(directory / "admin-key.json")
        make_public_buckets(f"http://127.0.0.1:{port}", directory / "admin-key.json", buckets)
        yield port


def storage_client(endpoint: str, key: Path):
    from google.cloud import storage
    from google.oauth2 import service_account

    credentials = service_account.Credentials.from_service_account_file(
        str(key), scopes=["https://www.googleapis.com/auth/devstorage.full_control"])
    return storage.Client(project="bench", credentials=credentials, client_options={"api_endpoint": endpoint})


def make_public_buckets(endpoint: str, key: Path, buckets: list[str]) -> None:
    client = storage_client(endpoint, key)
    for name in buckets:
        bucket = client.bucket(name)
        if not bucket.exists():
            bucket = client.create_bucket(name)
        policy = bucket.get_iam_policy(requested_policy_version=3)
        policy.bindings.append({"role": "roles/storage.objectAdmin", "members": {"allUsers"}})
        bucket.set_iam_policy(policy)


@contextlib.contextmanager
def delayed(to_port: int, round_trip_ms: float, bytes_per_second: int):
    """A line in front of `to_port`: half the round trip each way, a rate for each connection; yields its port."""
    port = free_port()
    line = [BUILD / "bench/delay_line", "--listen", port, "--to", f"127.0.0.1:{to_port}", "--delay-ms",
            round_trip_ms / 2, "--rate", bytes_per_second]
    with running(line, port):
        yield port


def rival(program: str) -> str | None:
    """A rival's program: built for the bench, or on PATH."""
    return shutil.which(program, path=f"{RIVALS}{os.pathsep}{os.environ['PATH']}")


def drop_page_cache() -> None:
    subprocess.run(["sync"], check=True)
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except PermissionError:
        raise SystemExit("bench: dropping the page cache needs root (sudo make bench)") from None


def warm(folder: Path) -> None:
    """Reads what the server serves into the page cache again: its disk is no part of the race."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def wait_quiet(limit: float = 0.10, patience_s: float = 60) -> None:
    """Waits until the machine does less than `limit` of its CPU for others."""
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        before = cpu_seconds()
        time.sleep(1)
        if (cpu_seconds() - before) / os.cpu_count() < limit:
            return


def cpu_seconds() -> float:
    """CPU seconds used on the whole machine since boot."""
    fields = Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def process_cpu(pid: int) -> float:
    """CPU seconds of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu_seconds() -> float:
    """CPU seconds of this program, of what it started, and of what those started, ended or not."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            parents[int(stat.parent.name)] = int(fields[1])
            used[int(stat.parent.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    me = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = me.ru_utime + me.ru_stime + ended.ru_utime + ended.ru_stime
    for pid in parents:
        ancestor = parents[pid]
        while ancestor not in (0, os.getpid()):
            ancestor = parents.get(ancestor, 0)
        if ancestor:
            total += used[pid]
    return total


class Meter:
    """Around a stretch of work: its wall seconds, the machine's CPU seconds, and how much of the machine others used."""

    def __enter__(self):
        self._own, self._machine, self._start = own_cpu_seconds(), cpu_seconds(), time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self._start
        self.machine_cpu_s = cpu_seconds() - self._machine
        others = max(0.0, self.machine_cpu_s - (own_cpu_seconds() - self._own))
        self.others_cpu_percent = 100 * others / max(self.seconds * os.cpu_count(), 1e-9)

    def figures(self) -> dict[str, float]:
        return {"machine_cpu_s": self.machine_cpu_s, "others_cpu_percent": self.others_cpu_percent}


def peak_memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def host() -> dict:
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit.stdout.strip(),
            "python": platform.python_version(), "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


MEANING = {
    "mb_per_s": "10^6 bytes of the object per second of wall time; more is better",
    "seconds": "wall time",
    "files_per_s": "files written until their close returned, or read whole, per second",
    "first_s": "wall time of the first time, with a fresh mount",
    "again_s": "wall time of the same once more",
    "machine_cpu_s": "CPU seconds of the whole machine meanwhile: reader, server and line too",
    "process_cpu_s": "CPU seconds of the process that is measured",
    "others_cpu_percent": "how much of the machine was used by others and by the kernel's own threads",
    "peak_memory_mib": "most resident memory of the process that is measured",
    "median_ms": "milliseconds of one read; less is better",
    "p90_ms": "nine of ten reads took no longer",
}


def number(value) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Run:
    """Rows of one race, printed as they come, summed up in tables and written to bench/runs/ at the end."""

    def __init__(self, race: str, conditions: dict):
        self.race, self.conditions, self.rows, self.host = race, conditions, [], host()
        print(f"{race}: {conditions}")

    def row(self, name: str, **figures) -> None:
        self.rows.append({"name": name, **figures})
        print(f"  {name:42} " + "  ".join(f"{k} {number(v)}" for k, v in figures.items()), flush=True)

    def tables(self) -> str:
        """The median of the runs of each name; one table for all rows that have the same figures."""
        groups: dict[tuple, dict[str, list]] = {}
        for row in self.rows:
            columns = tuple(key for key in row if key != "name")
            groups.setdefault(columns, {}).setdefault(row["name"], []).append(row)
        lines = []
        for columns, names in groups.items():
            table = [["", *columns, "runs"]]
            for name, rows in names.items():
                values = [[row[column] for row in rows] for column in columns]
                middle = [statistics.median(v) if all(isinstance(x, (int, float)) for x in v) else v[-1] for v in values]
                table.append([name, *map(number, middle), str(len(rows))])
            widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
            for line in table:
                lines.append("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                                       for i, (cell, w) in enumerate(zip(line, widths))))
            lines.append("")
        named = {column for columns in groups for column in columns}
        lines += [f"{column}: {meaning}" for column, meaning in MEANING.items() if column in named]
        return "\n".join(lines)

    def write(self) -> Path:
        folder = ROOT / "bench" / "runs" / time.strftime("%Y-%m-%d")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.race}-{time.strftime('%H%M%S')}.json"
        path.write_text(json.dumps({"race": self.race, "host": self.host, "conditions": self.conditions,
                                    "rows": self.rows, "command": sys.argv}, indent=1) + "\n")
        print(f"\n{self.tables()}\nwritten to {path.relative_to(ROOT)}")
        return path

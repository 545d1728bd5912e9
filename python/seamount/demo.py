"""The whole way on real data, as a person would go it with the command line; `seamount demo` runs this.

How it works: everything happens in a network namespace of its own, where this side has the address 10.83.0.1 alone,
and in a folder of its own. Each step is a method of Demo that runs commands, checks what they claim (`Demo.check`) and
fills in a row of the closing table. Whatever was started is ended when the demo ends, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

RAW = Path("/usr/share/ferret-vis/data/monthly_navy_winds.cdf")
BUCKET = "winds"
ZARR = f"gs://{BUCKET}/winds.zarr"
EPOCHS, QUICK_EPOCHS = 15, 3
MODEL = "the model"
IN_NAMESPACE = "SEAMOUNT_DEMO_NAMESPACE"
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """A claim that does not hold, or a command that failed: for people, without a trace."""


@dataclass
class Row:
    """One step in the closing table."""

    title: str
    seconds: float = 0.0
    bytes: int | None = None
    cache_hits: int | None = None
    peak_memory: int | None = None

    def peak(self, value: int | None) -> None:
        if value:
            self.peak_memory = max(self.peak_memory or 0, value)


@dataclass
class Finished:
    """A command that has ended."""

    code: int
    output: str
    errors: str
    peak_memory: int


@dataclass
class Training:
    """What a training run said."""

    start: int = -1
    last_step: int = 0
    last_batch: int = 0
    checkpoints: list[int] = field(default_factory=list)
    done: dict | None = None


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def readable(count: int | None) -> str:
    if count is None:
        return "-"
    size, units = float(count), ["B", "KiB", "MiB", "GiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"


def peak_of(process: Path) -> int:
    """The most memory that a process, named by its directory in /proc, has held."""
    for line in (process / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, label: str):
        self.label, self.shown = label, sys.stderr.isatty()

    def show(self, done: int, total: int) -> None:
        if self.shown:
            filled = 30 * done // max(total, 1)
            print(f"\r      {self.label} [{'#' * filled}{' ' * (30 - filled)}] {done}/{total}", end="", file=sys.stderr)

    def end(self) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr)


class Machine:
    """A throw-away machine and what is done in it."""

    KEY = "/root/key.json"
    MOUNT = "/mnt/lab"
    STATS = "/root/mount.json"

    def __init__(self, demo: Demo, name: str):
        self.demo, self.name = demo, f"demo{os.getpid()}-{name}"
        self.alive = True
        demo.cleanup.callback(self.clear)  # before it starts: an interrupt may come at any moment
        started = demo.seamount("vm", "up", self.name, "--server", demo.server_address, "--json", *demo.shares)
        self.device = f"seamount{json.loads(started.output)['address'].split('.')[2]}"

    def argv(self, *command: str) -> list[str]:
        environment = ["--env", "PYTHONPATH=/opt/seamount/python", "--env", "PYTHONUNBUFFERED=1"]
        return [self.demo.binary, "vm", "run", *environment, self.name, "--", *command]

    def run(self, *command: str, **options) -> Finished:
        return self.demo.command(self.argv(*command), **options)

    def connect(self) -> None:
        """Gets the key as a notebook would, and mounts the bucket."""
        key = self.demo.key.read_text()
        self.run("sh", "-c", f"umask 077; cat > {self.KEY}", input=key)
        self.run("mkdir", "-p", self.MOUNT)
        self.run("seamount", "mount", f"gs://{BUCKET}", self.MOUNT, "--endpoint", self.demo.endpoint, "--key", self.KEY,
                 "--cache-dir", "/var/cache/seamount", "--stats-file", self.STATS)

    def script(self, name: str, *options: str) -> list[str]:
        return self.argv(self.demo.machine_python, f"/opt/seamount/winds/{name}", ZARR,
                         "--endpoint", self.demo.endpoint, "--key", self.KEY, *options)

    def network_bytes(self) -> int:
        """What went over the machine's wire, both ways."""
        for line in Path("/proc/net/dev").read_text().splitlines():
            name, _, counts = line.partition(":")
            if name.strip() == self.device:
                numbers = counts.split()
                return int(numbers[0]) + int(numbers[8])
        return 0

    def peak_memory(self) -> int:
        """The largest peak among its processes, as this side sees them."""
        init = json.loads(Path(f"/run/seamount/vm/{self.name}/state.json").read_text())["init_pid"]
        own, peak = os.readlink(f"/proc/{init}/ns/pid"), 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may end meanwhile
                if os.readlink(process / "ns/pid") == own:
                    peak = max(peak, peak_of(process))
        return peak

    def unmount(self) -> dict:
        """Waits until everything is in the bucket; returns the mount's statistics."""
        self.run("seamount", "umount", self.MOUNT)
        return json.loads(self.run("cat", self.STATS).output)

    def end(self, how: str) -> None:
        self.demo.seamount("vm", how, self.name)
        self.alive = False

    def clear(self) -> None:
        """Takes it away if it is there, in whatever state."""
        if self.alive:
            subprocess.run([self.demo.binary, "vm", "kill", self.name], capture_output=True, check=False)


class Demo:
    def __init__(self, args: argparse.Namespace, cleanup: contextlib.ExitStack):
        self.args, self.cleanup = args, cleanup
        self.binary = os.environ.get("SEAMOUNT_BINARY") or shutil.which("seamount") or "seamount"
        if args.work_dir:
            Path(args.work_dir).mkdir(parents=True, exist_ok=True)
        self.work = Path(tempfile.mkdtemp(prefix="seamount-demo-", dir=args.work_dir))
        if not args.keep:
            cleanup.callback(shutil.rmtree, self.work, ignore_errors=True)
        self.data, self.key = self.work / "lab", self.work / "winds-key.json"
        self.rows: list[Row] = []
        self.started = time.monotonic()
        self.epochs = QUICK_EPOCHS if args.quick else EPOCHS
        self.examples = find_examples()
        self.shares, self.machine_python = image(self.examples)
        self.skill: dict[str, float] = {}

    # Running and checking.

    def command(self, argv: list[str], input: str | None = None, expect: int = 0) -> Finished:
        """Runs a command; DemoError with its own words unless it exits with `expect`."""
        with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as out, \
                tempfile.TemporaryFile("w+") as errors:  # fmt: skip
            given.write(input or "")
            given.seek(0)
            process = subprocess.Popen(argv, stdin=given, stdout=out, stderr=errors)
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                process.wait()
                raise
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            errors.seek(0)
            finished = Finished(process.returncode, out.read(), errors.read(), usage.ru_maxrss * 1024)
        if finished.code != expect:
            raise DemoError(
                f"`{' '.join(argv)}` ended with {finished.code}, expected {expect}:\n{finished.errors}{finished.output}"
            )
        return finished

    def seamount(self, *arguments: str, expect: int = 0) -> Finished:
        return self.command([self.binary, *arguments], expect=expect)

    def check(self, holds: bool, claim: str) -> None:
        """Every claim of the demo goes through here."""
        if not holds:
            raise DemoError(f"this does not hold: {claim}")
        print(f"      ✓ {claim}", flush=True)

    @contextlib.contextmanager
    def step(self, title: str):
        number = len(self.rows) + 1
        print(f"{number}/6  {title}", flush=True)
        row, begin = Row(title), time.monotonic()
        self.rows.append(row)
        yield row
        row.seconds = time.monotonic() - begin
        print(f"      {row.seconds:.1f} s", flush=True)

    # The steps.

    def serve(self) -> None:
        with self.step("A lab machine serves a bucket") as row:
            address = self.seamount("vm", "address").output.strip()
            port_file = self.work / "port"
            port_file.unlink(missing_ok=True)
            log = self.cleanup.enter_context(open(self.work / "server.log", "w"))
            self.server = subprocess.Popen(
                [self.binary, "serve", str(self.data), "--address", address, "--port", "0", "--port-file",
                 str(port_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)  # fmt: skip
            self.cleanup.callback(self.stop_server)
            admin_key, deadline = self.data / "admin-key.json", time.monotonic() + 20
            while not (admin_key.exists() and port_file.exists() and port_file.read_text().strip()):
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise DemoError(f"the server does not start:\n{(self.work / 'server.log').read_text()}")
                time.sleep(0.01)
            self.server_address = f"{address}:{port_file.read_text().strip()}"
            self.endpoint = f"http://{self.server_address}"
            where = ["--endpoint", self.endpoint, "--admin-key", str(admin_key)]
            row.peak(self.seamount("setup", f"gs://{BUCKET}", *where, "--key", str(self.key)).peak_memory)
            mode = stat.S_IMODE(self.key.stat().st_mode)
            self.check(mode == 0o600, f"the key file has mode 0600: {self.key.name}")
            # Another bucket with its own account shows where the rights of this one end.
            self.seamount("setup", "gs://other", *where, "--key", str(self.work / "other-key.json"))
            mine = ["--endpoint", self.endpoint, "--key", str(self.key)]
            self.seamount("ls", f"gs://{BUCKET}", *mine)
            self.seamount("ls", "gs://other", *mine, expect=5)
            self.check(True, f"it opens gs://{BUCKET} and no other bucket")

    def stop_server(self) -> None:
        if self.server.poll() is None:
            self.server.terminate()
            try:
                self.server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()

    def prepare(self) -> None:
        with self.step(f"{RAW.name} becomes {ZARR}") as row:
            if not RAW.exists():
                raise DemoError(f"{RAW} is missing: apt-get install ferret-datasets")
            where = ["--endpoint", self.endpoint, "--key", str(self.key)]
            done = self.seamount("prepare", str(self.examples / "winds.yaml"), "--to", ZARR, *where)
            row.peak(done.peak_memory)
            listed = json.loads(self.seamount("ls", ZARR, "-r", "--json", *where).output)
            row.bytes = sum(entry["size"] for entry in listed)
            self.check_zarr(len(listed))

    def check_zarr(self, objects: int) -> None:
        import numpy as np

        import seamount

        where = {"endpoint": self.endpoint, "key": str(self.key)}
        for name in ("UWND", "VWND"):
            anomaly = seamount.read(ZARR, name, **where).astype(float)
            scale = seamount.attributes(ZARR, name, **where)["seamount"]["normalize"]
            if anomaly.shape != (132, 73, 144):
                raise DemoError(f"this does not hold: {name} has 132 months on 73 × 144 points: {anomaly.shape}")
            train, held_out = anomaly[:108], anomaly[108:]
            if abs(train.mean(0)).max() > 1e-3 or abs(held_out.mean(0)).max() < 0.1:
                raise DemoError(f"this does not hold: the mean year of {name} is that of the training months")
            if not np.isclose(scale["std"], train.std(), rtol=1e-3) or abs(scale["mean"] - train.mean()) > 1e-3:
                raise DemoError(f"this does not hold: the scale of {name} is that of the training months: {scale}")
        self.check(True, f"{objects} objects; mean year and scale are those of the 108 training months alone")

    def train_until_killed(self) -> None:
        with self.step("Machine 1 boots bare, trains, and is killed in mid-epoch") as row:
            machine = Machine(self, "1")
            for hidden in (RAW, self.data, self.work):
                if machine.run("sh", "-c", f"test ! -e '{hidden}'").code != 0:
                    raise DemoError(f"this does not hold: machine 1 does not see {hidden}")
            self.check(True, f"it sees neither {RAW.name} nor the server's folder")
            machine.connect()
            self.check(machine.run("ls", machine.MOUNT).output.split() == ["winds.zarr"],
                       f"the bucket is mounted on {machine.MOUNT}")
            said = self.train(machine, f"{machine.MOUNT}/model.npz", "training", kill=True)
            self.check(said.done is None and said.last_batch < self.per_epoch,
                       f"it was killed at batch {said.last_batch} of {self.per_epoch}, step {said.last_step}")
            row.bytes, row.peak_memory = self.before_kill
            self.killed = said

    def resume(self) -> None:
        with self.step("Machine 2 boots bare and goes on at the exact batch") as row:
            machine = Machine(self, "2")
            machine.connect()
            said = self.train(machine, f"{machine.MOUNT}/model.npz", "resuming")
            last = self.killed.checkpoints[-1]
            # The checkpoint after the last one reported may have become durable just before the kill.
            self.check(last <= said.start <= self.killed.last_step and said.start % self.per_epoch != 0,
                       f"it resumed after step {said.start}: batch {said.start % self.per_epoch} of {self.per_epoch}")
            self.finish_training(machine, said, row)
            whole = Machine(self, "whole")
            whole.connect()
            reference = self.train(whole, f"{whole.MOUNT}/uninterrupted.npz", "uninterrupted run")
            self.check(reference.start == 0 and reference.done["digest"] == said.done["digest"],
                       f"its weights equal those of an uninterrupted run, bit for bit ({said.done['digest'][:12]}…)")
            whole.end("down")

    def finish_training(self, machine: Machine, said: Training, row: Row) -> None:
        if said.done is None:
            raise DemoError("the training did not end")
        statistics = machine.unmount()
        row.bytes = machine.network_bytes()
        row.cache_hits = said.done["loader"].get("cache_hits", 0) + statistics.get("cache_hits", 0)
        row.peak(said.done["peak_bytes"])
        row.peak(statistics.get("peak_memory_bytes"))
        machine.end("down")

    def train(self, machine: Machine, checkpoint: str, label: str, kill: bool = False) -> Training:
        """Runs train.py in a machine; with `kill`, kills the machine after a checkpoint in the middle of an epoch."""
        said, progress, log = Training(), Progress(label), []
        argv = machine.script("train.py", "--checkpoint", checkpoint, "--epochs", str(self.epochs))
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as process:  # fmt: skip
            for line in process.stdout:
                log.append(line)
                self.hear(line, said, progress)
                if kill and machine.alive and line.startswith("checkpoint") and self.is_mid_epoch(said):
                    self.before_kill = machine.network_bytes(), machine.peak_memory()
                    machine.end("kill")
            progress.end()
            code = process.wait()
        (self.work / f"{machine.name}.log").write_text("".join(log))
        if code != (137 if kill else 0):
            raise DemoError(f"training in {machine.name} ended with {code}:\n{''.join(log[-20:])}")
        return said

    def hear(self, line: str, said: Training, progress: Progress) -> None:
        if match := re.match(r"start step (\d+) of (\d+)", line):
            said.start, self.steps = int(match[1]), int(match[2])
            self.per_epoch = self.steps // self.epochs
        elif match := re.match(r"step (\d+) epoch \d+ batch (\d+)", line):
            said.last_step, said.last_batch = int(match[1]), int(match[2])
            progress.show(said.last_step, self.steps)
        elif match := re.match(r"checkpoint step (\d+)", line):
            said.checkpoints.append(int(match[1]))
        elif line.startswith("done "):
            said.done = json.loads(line[5:])

    def is_mid_epoch(self, said: Training) -> bool:
        """Half of the run is over, and the epoch has enough batches left for the kill to fall into it."""
        batch = said.checkpoints[-1] % self.per_epoch
        return said.checkpoints[-1] >= self.steps // 2 and 0 < batch <= self.per_epoch // 2

    def forecast(self) -> None:
        with self.step("Machine 3 boots bare and forecasts the 24 held-out months") as row:
            machine = Machine(self, "3")
            machine.connect()
            outputs = ["--png", f"{machine.MOUNT}/winds.png", "--json", f"{machine.MOUNT}/skill.json"]
            checkpoint = ["--checkpoint", f"{machine.MOUNT}/model.npz"]
            self.command(machine.script("forward.py", *checkpoint, *outputs))
            said = json.loads(machine.run("cat", f"{machine.MOUNT}/skill.json").output)
            self.fetch_picture(machine)
            statistics = machine.unmount()
            row.bytes = machine.network_bytes()
            row.cache_hits = said["loader"].get("cache_hits", 0) + statistics.get("cache_hits", 0)
            row.peak(said["peak_bytes"])
            row.peak(statistics.get("peak_memory_bytes"))
            machine.end("down")
            self.show_skill(said["rmse"])

    def fetch_picture(self, machine: Machine) -> None:
        output = Path(self.args.output)
        fresh = output.with_name(output.name + ".new")
        with open(fresh, "wb") as file:
            subprocess.run(machine.argv("cat", f"{machine.MOUNT}/winds.png"), stdout=file, check=True)
        picture = fresh.read_bytes()
        self.check(picture.startswith(b"\x89PNG") and picture.rstrip()[-8:-4] == b"IEND", f"the picture is {output}")
        os.replace(fresh, output)

    def show_skill(self, rmse: dict[str, float]) -> None:
        self.skill = rmse
        for name, error in rmse.items():
            print(f"      {name:36} {error:.3f} m/s")
        best = min((error, name) for name, error in rmse.items() if name != MODEL)
        self.check(len(rmse) == 6, "five baselines were computed")
        if self.args.quick:
            print("      (a quick run: too few epochs for the model to be judged)")
        else:
            self.check(rmse[MODEL] < best[0], f"the model beats every baseline, the best being {best[1]}")

    def close(self) -> None:
        with self.step("Everything is cleared away") as row:
            row.peak(peak_of(Path(f"/proc/{self.server.pid}")))  # the server's, of the whole demo
            self.cleanup.close()
            self.check(self.server.returncode == 0, "the server ended cleanly")
            mine = f"demo{os.getpid()}-"
            left = [m for m in json.loads(self.seamount("vm", "ls", "--json").output) if m["name"].startswith(mine)]
            self.check(left == [], "no machine is left")
        self.table()

    def table(self) -> None:
        print(f"\n{'step':62} {'seconds':>7}  {'bytes':>10}  {'cache hits':>10}  {'peak memory':>11}")
        for row in self.rows:
            hits = "-" if row.cache_hits is None else str(row.cache_hits)
            print(f"{row.title:62} {row.seconds:7.1f}  {readable(row.bytes):>10}  {hits:>10}  "
                  f"{readable(row.peak_memory):>11}")  # fmt: skip
        total = time.monotonic() - self.started
        print(f"{'total':62} {total:7.1f}")
        if self.args.json:
            rows = [vars(row) for row in self.rows]
            print(json.dumps({"seconds": total, "rmse": self.skill, "steps": rows}), flush=True)

    def run(self) -> None:
        self.serve()
        self.prepare()
        self.train_until_killed()
        self.resume()
        self.forecast()
        self.close()


def find_examples() -> Path:
    """In the source tree, or in the wheel."""
    package = Path(__file__).resolve().parent
    for folder in (package.parent.parent / "examples" / "winds", package / "examples" / "winds"):
        if (folder / "train.py").exists():
            return folder
    raise DemoError(f"examples/winds is neither beside {package.parent} nor in {package}")


def image(examples: Path) -> tuple[list[str], str]:
    """What a machine's image has besides the system, as options of `vm up`; and the path of its Python."""
    shares = {Path(__file__).resolve().parent: "/opt/seamount/python/seamount", examples: "/opt/seamount/winds"}
    python = sys.executable
    if sys.prefix != sys.base_prefix:
        shares[Path(sys.prefix).resolve()] = "/opt/seamount/venv"
        python = f"/opt/seamount/venv/bin/{Path(sys.executable).name}"
    if not sys.base_prefix.startswith("/usr"):
        shares[Path(sys.base_prefix)] = sys.base_prefix
    return [option for source, target in shares.items() for option in ("--share", f"{source}:{target}")], python


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="seamount demo", description=__doc__.splitlines()[0])
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


def interrupted(*_) -> None:
    raise KeyboardInterrupt


def main() -> int:
    args = parse_arguments()
    if os.geteuid() != 0:
        print("seamount demo: machines and mounts need root: sudo seamount demo", file=sys.stderr)
        return 5
    enter_namespace()
    signal.signal(signal.SIGTERM, interrupted)
    try:
        with contextlib.ExitStack() as cleanup:
            Demo(args, cleanup).run()
        return 0
    except DemoError as error:
        print(f"seamount demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("seamount demo: interrupted; everything that it started is ended", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

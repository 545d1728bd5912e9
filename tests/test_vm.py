"""Throw-away machines on this host: what they see, what they reach, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

SERVE = """
import http.server, sys, threading
for port in (8080, 8081):
    server = http.server.ThreadingHTTPServer((sys.argv[1], port), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("listening", flush=True)
sys.stdin.read()
"""


def reaches(address: str, port: int) -> str:
    """A command for a machine that exits 0 when a connection is accepted within two seconds, else 9."""
    return (
        "import socket, sys\n"
        f"try: socket.create_connection(('{address}', {port}), timeout=2)\n"
        "except OSError: sys.exit(9)\n"
    )


class Lab:
    """A host of its own for machines: a network namespace, in which every command here runs."""

    def __init__(self, binary: str):
        self.binary = binary
        self.prefix = f"t{os.getpid()}"
        # A shell that holds the namespace; commands enter it.
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == own:
            assert self.holder.poll() is None, "unshare made no network namespace"
            time.sleep(0.01)

    def argv(self, *arguments: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--", *arguments]

    def seamount(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.argv(self.binary, *arguments), capture_output=True, text=True, timeout=60, **options
        )

    def up(self, name: str, *options: str) -> str:
        started = self.seamount("vm", "up", f"{self.prefix}{name}", *options)
        assert started.returncode == 0, started.stderr
        return f"{self.prefix}{name}"

    def run(self, name: str, *command: str, **options) -> subprocess.CompletedProcess:
        return self.seamount("vm", "run", name, "--", *command, **options)

    def machines(self) -> list[dict]:
        listed = self.seamount("vm", "ls", "--json")
        assert listed.returncode == 0, listed.stderr
        return [machine for machine in json.loads(listed.stdout) if machine["name"].startswith(self.prefix)]

    def inits(self) -> list[int]:
        """First processes of machines that this one started, as the host sees them."""
        return [int(process.name) for process in Path("/proc").glob("[0-9]*") if self.is_init(process)]

    def is_init(self, process: Path) -> bool:
        try:
            named = (process / "comm").read_text() == "seamount-init\n"
            return named and self.prefix in (process / "cmdline").read_text()
        except OSError:  # it ended meanwhile
            return False

    def close(self) -> None:
        for machine in self.machines():
            self.seamount("vm", "kill", machine["name"])
        self.holder.kill()
        self.holder.wait()


@pytest.fixture
def lab(seamount_binary):
    if os.geteuid() != 0:
        pytest.skip("machines are made by root")
    lab = Lab(seamount_binary)
    yield lab
    lab.close()


@pytest.fixture
def server(lab, tmp_path):
    """Two HTTP servers on the host's address for machines, ports 8080 and 8081."""
    address = lab.seamount("vm", "address").stdout.strip()
    process = subprocess.Popen(
        lab.argv(sys.executable, "-c", SERVE, address),
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "listening\n"
    yield address
    process.kill()
    process.wait()


def test_sees_the_system_and_its_shares_and_nothing_else(lab, tmp_path):
    (tmp_path / "shared.txt").write_text("hello")
    Path("/root/.seamount-test").write_text("secret")
    try:
        machine = lab.up("see", "--share", f"{tmp_path}:/opt/data")
        assert lab.run(machine, "hostname").stdout.strip() == machine
        assert lab.run(machine, "cat", "/opt/data/shared.txt").stdout == "hello"
        assert lab.run(machine, "touch", "/opt/data/x").returncode != 0
        listed = set(lab.run(machine, "ls", "/").stdout.split())
        assert listed <= {*"bin boot content dev etc home lib lib32 lib64 libx32 mnt opt proc root".split(),
                          *"run sbin srv sys tmp usr var".split()}  # fmt: skip
        for empty in ("/root", "/home", "/srv", "/tmp", "/var/tmp", "/mnt", "/run"):
            assert lab.run(machine, "ls", "-A", empty).stdout == "", empty
        for hidden in ("/usr/share/ferret-vis", "/etc/shadow", str(tmp_path), str(Path(__file__).parent)):
            assert lab.run(machine, "test", "-e", hidden).returncode == 1, hidden
        assert lab.run(machine, "seamount", "--version").stdout.startswith("seamount ")
        # Its own processes alone, and no way to the host's disks.
        assert lab.run(machine, "sh", "-c", "ls -d /proc/[0-9]* | wc -l").stdout.strip() in ("2", "3", "4")
        assert lab.run(machine, "sh", "-c", "echo x > /dev/shm/y && test -c /dev/null").returncode == 0
        assert lab.run(machine, "mknod", "/tmp/disk", "b", "254", "0").returncode != 0
    finally:
        Path("/root/.seamount-test").unlink()


def test_reaches_the_server_and_nothing_else(lab, server):
    machine = lab.up("net", "--server", f"{server}:8080")
    other = lab.up("other", "--server", f"{server}:8080")
    try_it = lambda address, port: lab.run(machine, "python3", "-c", reaches(address, port)).returncode  # noqa: E731
    assert try_it(server, 8080) == 0
    # Even with a route for everything, which root in the machine can add.
    own = next(m["address"] for m in lab.machines() if m["name"] == machine)
    network = own.rsplit(".", 1)[0]
    assert lab.run(machine, "ip", "route", "replace", "default", "via", f"{network}.1").returncode == 0
    others = next(m["address"] for m in lab.machines() if m["name"] == other)
    for address in (server, f"{network}.1", f"{network}.5", f"{network}.6", others, "192.0.2.1"):
        assert try_it(address, 8081) == 9, address
    for address in (f"{network}.5", f"{network}.6"):
        assert try_it(address, 8080) == 9, address
    assert try_it(server, 8080) == 0


def test_without_server_there_is_no_network(lab, server):
    machine = lab.up("alone")
    assert lab.run(machine, "python3", "-c", reaches(server, 8080)).returncode == 9


def test_a_server_that_machines_cannot_reach_is_refused(lab):
    for bad in ("127.0.0.1:80", "192.0.2.1:80", "nonsense"):
        refused = lab.seamount("vm", "up", f"{lab.prefix}bad", "--server", bad)
        assert refused.returncode == 2
        assert bad in refused.stderr and refused.stderr.startswith("seamount vm up: ")
    assert lab.machines() == []


def test_run_passes_streams_signals_and_exit_codes(lab):
    machine = lab.up("run")
    assert lab.run(machine, "cat", input="through").stdout == "through"
    assert lab.run(machine, "sh", "-c", "echo out; echo err >&2; exit 7").returncode == 7
    assert lab.run(machine, "no-such-command").returncode == 127
    assert lab.run(machine, "sh", "-c", "kill -KILL $$").returncode == 137
    told = lab.seamount("vm", "run", "--env", "COLOUR=blue", machine, "--", "sh", "-c", "echo $COLOUR")
    assert told.stdout == "blue\n"
    with subprocess.Popen(
        lab.argv(lab.binary, "vm", "run", machine, "--", "sh", "-c", "trap 'exit 42' INT; echo ready; sleep 60 & wait"),
        stdout=subprocess.PIPE, text=True,
    ) as waiting:  # fmt: skip
        assert waiting.stdout.readline() == "ready\n"
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=20) == 42


def test_kill_ends_everything_at_once_and_leaves_nothing(lab, server):
    mounts = Path("/proc/self/mountinfo").read_text()
    machine = lab.up("kill", "--server", f"{server}:8080")
    with subprocess.Popen(
        lab.argv(lab.binary, "vm", "run", machine, "--", "sh", "-c", "trap '' TERM INT; echo ready; sleep 600"),
        stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout.readline() == "ready\n"
        assert lab.seamount("vm", "kill", machine).returncode == 0
        assert running.wait(timeout=20) == 137
    assert lab.machines() == []
    assert not Path(f"/run/seamount/vm/{machine}").exists()
    links = subprocess.run(lab.argv("ip", "-o", "link"), capture_output=True, text=True, check=True).stdout
    assert "seamount" not in links
    assert Path("/proc/self/mountinfo").read_text() == mounts
    again = lab.seamount("vm", "kill", machine)
    assert again.returncode == 3 and machine in again.stderr


def test_down_lets_processes_finish(lab):
    machine = lab.up("down")
    with subprocess.Popen(
        lab.argv(lab.binary, "vm", "run", machine, "--", "sh", "-c",
                 "trap 'echo finished; exit 0' TERM; echo ready; while :; do sleep 0.05; done"),
        stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout.readline() == "ready\n"
        assert lab.seamount("vm", "down", machine).returncode == 0
        assert running.stdout.read() == "finished\n"
        assert running.wait(timeout=20) == 0


def test_a_crashed_machine_is_seen_and_cleared(lab):
    machine = lab.up("crash")
    state = json.loads(Path(f"/run/seamount/vm/{machine}/state.json").read_text())
    os.kill(state["init_pid"], signal.SIGKILL)
    while lab.machines()[0]["state"] != "dead":
        time.sleep(0.02)
    gone = lab.run(machine, "true")
    assert gone.returncode == 3 and "has died" in gone.stderr
    assert lab.seamount("vm", "down", machine).returncode == 0
    assert lab.machines() == []


def test_machines_start_side_by_side(lab, server):
    failures = []

    def start(i: int) -> None:
        started = lab.seamount("vm", "up", f"{lab.prefix}n{i}", "--server", f"{server}:8080")
        if started.returncode != 0:
            failures.append(started.stderr)

    threads = [threading.Thread(target=start, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({machine["address"] for machine in lab.machines()}) == 4


def test_root_in_a_machine_reads_no_secret_of_the_caller(lab):
    name = f"{lab.prefix}secret"
    started = lab.seamount("vm", "up", name, env=os.environ | {"LAB_PASSWORD": "hunter2"})
    assert started.returncode == 0, started.stderr
    inside = lab.run(name, "sh", "-c", "cat /proc/*/environ; env", env=os.environ | {"LAB_PASSWORD": "hunter2"})
    assert "PATH=" in inside.stdout  # of the command itself
    assert "hunter2" not in inside.stdout and "LAB_PASSWORD" not in inside.stdout


def test_a_variable_is_passed_on_by_name_alone(lab):
    machine = lab.up("env")
    passed = lab.seamount("vm", "run", "--env", "LAB_PASSWORD", machine, "--", "printenv", "LAB_PASSWORD",
                          env=os.environ | {"LAB_PASSWORD": "hunter2"})  # fmt: skip
    assert passed.stdout == "hunter2\n"
    missing = lab.seamount("vm", "run", "--env", "NO_SUCH", machine, "--", "true")
    assert missing.returncode == 2 and "NO_SUCH" in missing.stderr


def test_what_is_mounted_below_a_share_is_read_only_too(lab, tmp_path):
    below = tmp_path / "share" / "below"
    below.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "below", str(below)], check=True)
    try:
        machine = lab.up("share", "--share", f"{tmp_path}/share:/opt/data")
        assert lab.run(machine, "touch", "/opt/data/below/x").returncode != 0
        lab.seamount("vm", "kill", machine)
    finally:
        subprocess.run(["umount", str(below)], check=True)


def test_the_hosts_kernel_is_not_set_from_a_machine(lab):
    machine = lab.up("sysctl")
    before = Path("/proc/sys/vm/swappiness").read_text()
    assert lab.run(machine, "sh", "-c", "echo 1 > /proc/sys/vm/swappiness").returncode != 0
    assert Path("/proc/sys/vm/swappiness").read_text() == before


def test_the_disk_is_limited(lab):
    machine = lab.up("disk", "--disk", "4MiB")
    for folder in ("/root", "/dev/shm"):
        full = lab.run(machine, "dd", "if=/dev/zero", f"of={folder}/x", "bs=1M", "count=8")
        assert full.returncode != 0 and "No space left" in full.stderr, folder


def test_memory_is_limited_or_the_machine_says_that_it_cannot_be(lab):
    machine = f"{lab.prefix}memory"
    started = lab.seamount("vm", "up", machine, "--memory", "64MiB")
    if started.returncode != 0:
        assert started.returncode == 4 and "memory cannot be limited" in started.stderr
        assert lab.machines() == []
        return
    group = Path(json.loads(Path(f"/run/seamount/vm/{machine}/state.json").read_text())["control_group"])
    assert lab.run(machine, "python3", "-c", "b'x' * (16 << 20)").returncode == 0
    assert lab.run(machine, "python3", "-c", "b'x' * (256 << 20)").returncode == 137
    assert lab.run(machine, "true").returncode == 0  # the machine itself lives on
    assert lab.seamount("vm", "down", machine).returncode == 0
    assert not group.exists()


def test_a_forgotten_machine_ends_by_itself(lab, server):
    said, seconds = "", 1
    while not said:  # longer, where the machine ended before anything could be run in it
        machine = lab.up(f"forgotten{seconds}", "--lifetime", f"{seconds}s", "--server", f"{server}:8080")
        run = lab.run(machine, "sh", "-c", "trap 'echo finished; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
        said, seconds = run.stdout, seconds * 2
    assert said == "ready\nfinished\n"
    while next(m for m in lab.machines() if m["name"] == machine)["state"] != "expired":
        time.sleep(0.02)
    assert "expired" in lab.seamount("vm", "ls").stdout
    over = lab.run(machine, "true")
    assert over.returncode == 3 and "its lifetime is over" in over.stderr
    while "seamount" in subprocess.run(lab.argv("ip", "-o", "link"), capture_output=True, text=True).stdout:
        time.sleep(0.02)
    assert lab.seamount("vm", "down", machine).returncode == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_start_that_is_broken_off_leaves_nothing_that_cannot_be_ended(lab, server, how):
    for delay in range(8):
        machine = f"{lab.prefix}broken{delay}"
        starting = subprocess.Popen(lab.argv(lab.binary, "vm", "up", machine, "--server", f"{server}:8080"),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        time.sleep(delay * 0.012)
        starting.send_signal(how)
        starting.wait(timeout=20)
        # Waits for what is still being made; there may be nothing to end.
        assert lab.seamount("vm", "kill", machine).returncode in (0, 3)
    assert lab.machines() == []
    assert not lab.inits()


def test_without_the_programs_and_rights_that_it_needs_it_says_so(lab, server, tmp_path):
    def up_with_path(path: str) -> subprocess.CompletedProcess:
        argv = lab.argv("env", f"PATH={path}", lab.binary, "vm", "up", f"{lab.prefix}poor", "--server", f"{server}:8080")
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    empty = up_with_path(str(tmp_path))
    assert empty.returncode == 3 and "apt-get install iproute2" in empty.stderr
    refuses = tmp_path / "ip"
    refuses.write_text("#!/bin/sh\necho 'Error: Unknown device type.' >&2\nexit 2\n")
    refuses.chmod(0o755)
    noveth = up_with_path(f"{tmp_path}:{os.environ['PATH']}")
    assert noveth.returncode == 1 and "modprobe veth" in noveth.stderr
    assert lab.machines() == []
    other = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", lab.binary, "vm", "ls"],
                           capture_output=True, text=True)  # fmt: skip
    assert other.returncode == 5 and "sudo" in other.stderr


def test_names_are_checked(lab):
    for bad in ("Upper", "../up", "a b", "x" * 31):
        refused = lab.seamount("vm", "up", bad)
        assert refused.returncode == 2 and "machine name" in refused.stderr
    machine = lab.up("twice")
    again = lab.seamount("vm", "up", machine)
    assert again.returncode == 4 and "runs already" in again.stderr

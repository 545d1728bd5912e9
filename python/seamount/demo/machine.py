"""A throw-away machine and what is done in it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

from .commands import Finished, execute, peak_of
from .demo import Demo
from .host import PREFIX

LIFETIME = "1h"  # should this demo be killed before it can clear away; it takes a minute or two


class Machine:
    KEY = "/root/key.json"
    MOUNT = "/mnt/lab"
    CACHE = "/var/cache/seamount"
    STATS = "/root/mount.json"

    def __init__(self, demo: Demo, name: str):
        self.demo, self.label = demo, name
        self.name = f"{PREFIX}{os.getpid()}-{name}"
        self.alive = True
        demo.cleanup.callback(self.clear)  # before it starts: an interrupt may come at any moment
        started = demo.seamount("vm", "up", self.name, "--server", demo.server_address, "--lifetime", LIFETIME,
                                "--json", *demo.shares)  # fmt: skip
        self.device = f"seamount{json.loads(started.output)['address'].split('.')[2]}"
        self.check_bare()

    def check_bare(self) -> None:
        for hidden in (self.demo.raw, self.demo.data, self.demo.work):
            self.run("test", "!", "-e", str(hidden))
        # Not in what it is given as its image, should that lie there.
        found = self.run("find", "/root", "/home", "/mnt", "/tmp", "/var/cache", "-xdev", "!", "-type", "d").output
        self.demo.report.check(
            found == "", f"machine {self.label} is bare: it sees neither {self.demo.raw.name} nor the server's folder"
        )

    def argv(self, *command: str) -> list[str]:
        environment = ["--env", "PYTHONPATH=/opt/seamount/python", "--env", "PYTHONUNBUFFERED=1"]
        return [self.demo.binary, "vm", "run", *environment, self.name, "--", *command]

    def run(self, *command: str, **options) -> Finished:
        return execute(self.argv(*command), **options)

    def connect(self) -> None:
        """Gets the key as a notebook would, and mounts the bucket."""
        key = self.demo.key.read_text()
        self.run("sh", "-c", f"umask 077; cat > {self.KEY}", input=key)
        self.run("mkdir", "-p", self.MOUNT)
        self.run("seamount", "mount", self.demo.bucket, self.MOUNT, "--endpoint", self.demo.endpoint,
                 "--key", self.KEY, "--cache-dir", self.CACHE, "--stats-file", self.STATS)  # fmt: skip
        mounts = self.run("cat", "/proc/mounts").output
        self.demo.report.check(f" {self.MOUNT} fuse.seamount " in mounts, f"the bucket is mounted on {self.MOUNT}")

    def script(self, name: str, *options: str) -> list[str]:
        return self.argv(self.demo.machine_python, f"/opt/seamount/winds/{name}", self.demo.zarr,
                         "--endpoint", self.demo.endpoint, "--key", self.KEY, *options)  # fmt: skip

    def network_bytes(self) -> int:
        """What went over the machine's wire, both ways."""
        return device_bytes(self.device)

    def peak_memory(self) -> int:
        """The largest peak among its processes, as this side sees them."""
        init = json.loads(Path(f"/run/seamount/vm/{self.name}/state.json").read_text())["init_pid"]
        own, peak = os.readlink(f"/proc/{init}/ns/pid"), 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may end meanwhile
                if os.readlink(process / "ns/pid") == own:
                    peak = max(peak, peak_of(process))
        return peak

    def mount_statistics(self) -> dict:
        """As the mount wrote them last, a few seconds ago; after unmount, the whole."""
        return json.loads(self.run("cat", self.STATS).output)

    def unmount(self) -> dict:
        """Waits until everything is in the bucket; returns the mount's statistics."""
        self.run("seamount", "umount", self.MOUNT)
        return self.mount_statistics()

    def end(self, how: str) -> None:
        self.demo.seamount("vm", how, self.name)
        self.alive = False

    def clear(self) -> None:
        """Takes it away if it is there, in whatever state."""
        if self.alive:
            subprocess.run([self.demo.binary, "vm", "kill", self.name], capture_output=True, check=False)


def device_bytes(device: str) -> int:
    """What a network device has received and sent."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == device:
            numbers = counts.split()
            return int(numbers[0]) + int(numbers[8])
    return 0

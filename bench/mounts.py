"""What is mounted in the races: this project's own program (one build, or several side by side) and its rivals."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import harness


def seamount_command(program: Path, bucket: str, port: int, folder: Path, *options) -> list:
    return [program, "mount", f"gs://{bucket}", folder, "--foreground", "--anonymous", "--endpoint",
            f"http://127.0.0.1:{port}", *options]


def rival_commands(bucket: str, port: int, cache: Path, folder: Path) -> dict[str, list]:
    """Each rival that is here with its defaults, and with what makes it fastest on this line."""
    endpoint = f"http://127.0.0.1:{port}"
    commands = {}
    if rclone := harness.rival("rclone"):
        commands["rclone, 16 streams"] = [
            rclone, "mount", f":gcs:{bucket}", folder, "--gcs-anonymous", f"--gcs-endpoint={endpoint}/storage/v1/",
            "--gcs-bucket-policy-only", "--cache-dir", cache, "--config", "/dev/null", "--vfs-cache-mode", "full",
            "--vfs-read-chunk-streams", "16", "--vfs-read-chunk-size", "4M"]
    if gcsfuse := harness.rival("gcsfuse"):
        base = [gcsfuse, "--foreground", "--anonymous-access", "--enable-hns=false",
                f"--custom-endpoint={endpoint}/storage/v1/"]
        commands["gcsfuse"] = base + [bucket, folder]
        commands["gcsfuse, parallel downloads"] = base + [
            "--cache-dir", cache, "--file-cache-max-size-mb", "4096", "--file-cache-enable-parallel-downloads",
            "--file-cache-download-chunk-size-mb", "4", bucket, folder]
    return commands


class NotMounted(RuntimeError):
    pass


@contextlib.contextmanager
def mounted(command: list, folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not os.path.ismount(folder):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = process.stderr.read().decode(errors="replace").strip()
                raise NotMounted(f"{Path(command[0]).name} did not mount: {said[-300:]}")
            time.sleep(0.05)
        yield process
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()

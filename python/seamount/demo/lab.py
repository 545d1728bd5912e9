"""Steps 1 and 2, on the lab machine: a server, a bucket with its key, and raw data that become Zarr."""

from __future__ import annotations

import json
import stat
import subprocess
import time

from .commands import DemoError, Progress, die_with_parent, peak_of
from .demo import Demo
from .interrupts import undisturbed
from .machine import device_bytes
from .report import Row

START_SECONDS = 20


def serve(demo: Demo, row: Row) -> None:
    address = demo.seamount("vm", "address").output.strip()
    start_server(demo, address)
    admin_key = demo.data / "admin-key.json"
    where = ["--endpoint", demo.endpoint, "--admin-key", str(admin_key)]
    row.peak(demo.seamount("setup", demo.bucket, *where, "--key", str(demo.key)).peak_memory)
    mode = stat.S_IMODE(demo.key.stat().st_mode)
    demo.report.check(mode == 0o600, f"the key file has mode 0600: {demo.key.name}")
    # Another bucket with its own account shows where the rights of this one end.
    demo.seamount("setup", "gs://other", *where, "--key", str(demo.work / "other-key.json"))
    demo.seamount("ls", demo.bucket, *demo.where)
    demo.seamount("ls", "gs://other", *demo.where, expect=5)
    demo.report.check(True, f"it opens {demo.bucket} and no other bucket")
    row.peak(peak_of(demo.server_process))
    row.add(bytes=device_bytes("lo") // 2)  # what is sent there is received there


def start_server(demo: Demo, address: str) -> None:
    port_file, log_file = demo.work / "port", demo.work / "server.log"
    log = demo.cleanup.enter_context(open(log_file, "w"))
    argv = [demo.binary, "serve", str(demo.data), "--address", address, "--port", "0", "--port-file", str(port_file)]
    # In a session of its own, so that Ctrl-C leaves it to the demo to end it last.
    with undisturbed():
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                  preexec_fn=die_with_parent)  # fmt: skip
        demo.cleanup.callback(stop_server, server)
    demo.server = server
    deadline = time.monotonic() + START_SECONDS
    while not port_file.exists():  # the last thing that it does before it serves
        if server.poll() is not None or time.monotonic() > deadline:
            raise DemoError(f"the server does not start:\n{log_file.read_text()}")
        time.sleep(0.01)
    demo.server_address = f"{address}:{port_file.read_text().strip()}"
    demo.endpoint = f"http://{demo.server_address}"


def stop_server(server: subprocess.Popen) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def prepare(demo: Demo, row: Row) -> None:
    before = device_bytes("lo")
    if not demo.raw.exists():
        raise DemoError(f"{demo.raw} is missing: apt-get install ferret-datasets")
    with Progress("preparing"):
        row.peak(demo.seamount("prepare", str(demo.recipe), "--to", demo.zarr, *demo.where).peak_memory)
    listed = json.loads(demo.seamount("ls", demo.zarr, "-r", "--json", *demo.where).output)
    check_zarr(demo)
    row.add(bytes=(device_bytes("lo") - before) // 2)
    stored = sum(entry["size"] for entry in listed)
    demo.report.say(f"{stored / 2**20:.1f} MiB in {len(listed)} objects, from {demo.raw.stat().st_size / 2**20:.1f} MiB")


def check_zarr(demo: Demo) -> None:
    """The mean year and the scale are those of the training months, computed here once more."""
    import seamount

    where = {"endpoint": demo.endpoint, "key": str(demo.key)}
    check = demo.report.check
    fields = {name: seamount.read(demo.zarr, name, **where).astype(float) for name in ("UWND", "VWND")}
    shapes = {field.shape for field in fields.values()}
    check(shapes == {(132, 73, 144)}, "two components of wind, 132 months on 73 × 144 points, anomalies from a mean year")
    # A mean year that knew the held-out months would leave them without a mean too.
    check(all(abs(field[:108].mean(0)).max() < 1e-3 < 0.1 < abs(field[108:].mean(0)).max() for field in fields.values()),
          "the mean year is that of the 108 training months alone")  # fmt: skip
    scales = {name: seamount.attributes(demo.zarr, name, **where)["seamount"]["normalize"] for name in fields}
    check(all(abs(scales[name]["std"] / field[:108].std() - 1) < 1e-3 and abs(scales[name]["mean"]) < 1e-3
              for name, field in fields.items()),
          "so is the scale")  # fmt: skip

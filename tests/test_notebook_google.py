"""`seamount notebook connect`: a Jupyter server on a machine at Google, reached from here. `gcloud` is one that runs on this
host what it would run on the machine, and forwards ports as ssh does."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fakes.google import FakeGoogle
from gce_support import L4, Lab, idle_watch_module, wait_for

GCLOUD = f"""#!{sys.executable}
import os, socket, sys, threading
home = os.environ["MACHINE_HOME"]
with open(home + "/gcloud.log", "a") as log:
    log.write(repr(sys.argv[1:]) + "\\n")
commands = [text for text in sys.argv if text.startswith("--command=")]
if commands:
    os.execvpe("sh", ["sh", "-c", commands[0].partition("=")[2]], {{**os.environ, "HOME": home}})
with open(home + "/tunnel.pid", "w") as file:
    file.write(str(os.getpid()))
_, here, _, there = sys.argv[sys.argv.index("-L") + 1].split(":")
listener = socket.create_server(("127.0.0.1", int(here)))
def pump(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", int(there)))
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""

# As much of Jupyter as the commands look at; it keeps the token that its environment says.
JUPYTER = f"""#!{sys.executable}
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
home, token = Path(os.environ["HOME"]), os.environ["JUPYTER_TOKEN"]
options = dict(text.removeprefix("--ServerApp.").split("=", 1) for text in sys.argv if text.startswith("--ServerApp."))
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "token " + token or self.path.endswith("?token=" + token)
        answers = {{"/api/status": {{"kernels": 1}}, "/api/kernels": [{{"execution_state": (home / "kernel").read_text()}}]}}
        body = json.dumps(answers.get(self.path, "lab")).encode() if known else b""
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer((options["ip"], int(options["port"])), Handler)
(home / "argv.json").write_text(json.dumps(sys.argv[1:]))
(home / "jupyter.pid").write_text(str(os.getpid()))
runtime = home / ".local/share/jupyter/runtime"
runtime.mkdir(parents=True, exist_ok=True)
url = "http://127.0.0.1:" + options["port"] + "/"
(runtime / "jpserver-1.json").write_text(json.dumps({{"url": url, "token": token}}))
(runtime / "jpserver-0.json").write_text("no longer")
server.serve_forever()
"""


class Desk:
    """A laptop with gcloud, and the home of the machine that it reaches."""

    def __init__(self, lab: Lab, folder: Path):
        self.lab, self.machine = lab, folder / "machine"
        self.machine.mkdir()
        (self.machine / "kernel").write_text("idle")
        tools = folder / "tools"
        tools.mkdir()
        for name, text in (("gcloud", GCLOUD), ("jupyter", JUPYTER)):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        lab.environment |= {"PATH": f"{tools}:{os.environ['PATH']}", "MACHINE_HOME": str(self.machine)}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        lab.ok("up", "train", *L4)

    def connect(self, *flags: str) -> subprocess.Popen:
        return self.lab.start("connect", "train", "--port", self.port, *flags, group="notebook")

    def pid(self, name: str) -> int:
        return int((self.machine / f"{name}.pid").read_text())

    def close(self) -> None:
        if (self.machine / "jupyter.pid").exists():
            os.kill(self.pid("jupyter"), signal.SIGKILL)


@pytest.fixture
def desk(seamount_binary, tmp_path):
    with FakeGoogle() as google:
        desk = Desk(Lab(google, seamount_binary, tmp_path), tmp_path)
        yield desk
        desk.close()


def get(url: str) -> int:
    try:
        return urllib.request.urlopen(url, timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code


def end(client: subprocess.Popen) -> str:
    client.send_signal(signal.SIGINT)
    _, told = client.communicate(timeout=120)
    assert client.returncode == 0, told
    return told


def test_colab_connects_and_finds_its_kernels_again(desk):
    client = desk.connect()
    url = client.stdout.readline().strip()
    assert re.fullmatch(rf"http://localhost:{desk.port}/\?token=[0-9a-f]{{48}}", url), client.stderr.read()
    assert get(url) == 200 and get(url[:-1]) == 403
    arguments = json.loads((desk.machine / "argv.json").read_text())
    assert "--ServerApp.allow_origin=https://colab.research.google.com" in arguments and "--ServerApp.ip=127.0.0.1" in arguments
    assert "--ServerApp.allow_credentials=True" in arguments
    token = url.partition("token=")[2]
    assert token not in " ".join(arguments) and token not in (desk.machine / "gcloud.log").read_text()
    (note,) = (desk.machine / ".seamount").glob("*.json")
    assert note.stat().st_mode & 0o777 == 0o600
    # A tunnel that breaks comes back; nothing else is said.
    before = desk.pid("tunnel")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: (desk.machine / "tunnel.pid").read_text() not in ("", str(before)))
    wait_for(lambda: not connecting(url))
    assert get(url) == 200
    told = end(client)
    assert "paste this" in told and "connecting again" in told and token not in told
    # The server is still there, and is found.
    server = desk.pid("jupyter")
    again = desk.connect()
    assert again.stdout.readline().strip() == url and desk.pid("jupyter") == server
    end(again)


def connecting(url: str) -> bool:
    try:
        return get(url) != 200
    except OSError:
        return True


def test_jupyter_opens_in_the_browser(desk):
    client = desk.connect("--jupyter")
    url = client.stdout.readline().strip()
    assert re.fullmatch(rf"http://localhost:{desk.port}/lab\?token=[0-9a-f]{{48}}", url), client.stderr.read()
    assert get(url) == 200
    arguments = json.loads((desk.machine / "argv.json").read_text())
    assert arguments[0] == "lab" and not any("allow_origin" in text for text in arguments)
    taken = desk.connect()
    _, told = taken.communicate(timeout=120)
    assert taken.returncode == 4 and f"port {desk.port} of this host is in use" in told
    end(client)


def test_a_notebook_that_computes_is_use(desk, monkeypatch):
    client = desk.connect()
    assert client.stdout.readline()
    idle_watch = idle_watch_module(monkeypatch)
    monkeypatch.setattr(idle_watch, "HOMES", [str(desk.machine)])
    assert not idle_watch.a_kernel_computes()
    (desk.machine / "kernel").write_text("busy")
    assert idle_watch.a_kernel_computes()
    end(client)


def test_the_lease_is_renewed_and_a_machine_that_is_gone_is_said(desk):
    before = desk.lab.google.storage.buckets["lab-bucket"][".seamount/vm/train.lease"].generation
    client = desk.connect("--lease", "3h")
    assert client.stdout.readline()
    lease = desk.lab.google.storage.buckets["lab-bucket"][".seamount/vm/train.lease"]
    assert lease.generation != before and lease.resource["metadata"]["seconds"] == "10800"
    desk.lab.google.compute.preempt("seamount-train")
    os.kill(desk.pid("tunnel"), signal.SIGKILL)
    _, told = client.communicate(timeout=120)
    assert client.returncode == 3 and "has ended" in told


def test_code_opens_it_by_ssh(desk):
    done = desk.connect("--ssh")
    out, told = done.communicate(timeout=120)
    assert done.returncode == 0 and "Remote-SSH" in told
    config = desk.machine / "config"
    config.write_text(out)
    # OpenSSH itself reads it.
    read = subprocess.run(["ssh", "-G", "-F", str(config), "seamount-train"], capture_output=True, text=True, check=True).stdout
    zone = desk.lab.google.compute.inserted[0][0]
    assert f"proxycommand gcloud compute start-iap-tunnel seamount-train %p --listen-on-stdin --project lab --zone {zone}" in read


def test_where_gcloud_is_missing_or_fails_that_is_said(desk, tmp_path):
    (tmp_path / "tools/gcloud").write_text("#!/bin/sh\necho no such firewall rule >&2; exit 1\n")
    client = desk.connect()
    _, told = client.communicate(timeout=120)
    assert client.returncode == 1 and "no such firewall rule" in told
    desk.lab.environment["PATH"] = str(tmp_path)
    client = desk.connect()
    _, told = client.communicate(timeout=120)
    assert client.returncode == 3 and "'gcloud' is not installed" in told

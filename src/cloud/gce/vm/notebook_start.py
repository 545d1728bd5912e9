"""Starts a Jupyter server on this machine, for whoever comes by ssh, or finds the one that was started before: its kernels
outlive a connection that breaks. Comes over ssh itself, as `python3 - colab` or `python3 - jupyter`, and prints where the
server is and its token, in JSON. The server takes connections from this machine only."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HOME = Path.home() / ".seamount"
COLAB = "https://colab.research.google.com"


def say(text):
    print(f"seamount: {text}", file=sys.stderr, flush=True)


def answers(server):
    request = urllib.request.Request(f"http://127.0.0.1:{server['port']}/api/status",
                                     headers={"Authorization": f"token {server['token']}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return "kernels" in json.load(answer)
    except (OSError, ValueError):
        return False


def jupyter():
    found = shutil.which("jupyter")
    if found:
        return found
    program = HOME / "jupyter/bin/jupyter"
    if not program.exists():
        say("installing Jupyter")
        make = [sys.executable, "-m", "venv", str(HOME / "jupyter")]
        if subprocess.run(make, stdout=sys.stderr).returncode != 0:  # Debian has its venv in a package
            subprocess.run(["sudo", "apt-get", "install", "-y", "python3-venv"], stdout=sys.stderr, check=True)
            subprocess.run(make, stdout=sys.stderr, check=True)
        subprocess.run([str(HOME / "jupyter/bin/pip"), "install", "-q", "jupyterlab"], stdout=sys.stderr, check=True)
    return str(program)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(kind, note):
    server = {"port": free_port(), "token": secrets.token_hex(24)}
    command = [jupyter(), "lab" if kind == "jupyter" else "server", "--no-browser", "--ServerApp.ip=127.0.0.1",
               f"--ServerApp.port={server['port']}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={Path.home()}"]
    if os.geteuid() == 0:  # who comes as root means it
        command.append("--allow-root")
    if kind == "colab":
        command += [f"--ServerApp.allow_origin={COLAB}", "--ServerApp.allow_credentials=True"]
    log = (HOME / f"notebook-{kind}.log").open("wb")
    process = subprocess.Popen(command, cwd=Path.home(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               start_new_session=True, env={**os.environ, "JUPYTER_TOKEN": server["token"]})
    while not answers(server):
        if process.poll() is not None:
            sys.exit(f"seamount: Jupyter ended at once: {Path(log.name).read_text()[-2000:]}")
        time.sleep(0.2)
    descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        json.dump(server, file)
    return server


def main(kind):
    HOME.mkdir(mode=0o700, exist_ok=True)
    note = HOME / f"notebook-{kind}.json"
    server = json.loads(note.read_text()) if note.exists() else None
    if server is None or not answers(server):
        server = start(kind, note)
    print(json.dumps(server), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

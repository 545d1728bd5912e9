"""`seamount serve` as a service: readiness, reload, the log."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess

import pytest
import requests


def certificate(folder, name: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def service(seamount_binary, tmp_path):
    """The process, its port, and the socket of the service manager that started it."""
    certificate(tmp_path, "first")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(60)
    command = [seamount_binary, "serve", str(tmp_path / "served"), "--port", "0", "--port-file", str(tmp_path / "port"),
               "--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"),
               "--log-file", str(tmp_path / "log"), "--log-format", "json"]
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert manager.recv(4096).decode().startswith("READY=1")
        yield process, int((tmp_path / "port").read_text()), manager
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        manager.close()


def subject(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port))


def test_reload_takes_the_new_certificate_and_a_new_log(service, tmp_path):
    process, port, manager = service
    url = f"https://127.0.0.1:{port}"
    assert requests.get(url + "/health", verify=str(tmp_path / "cert.pem"), timeout=60).json() == {"status": "ok"}
    before = subject(port)
    certificate(tmp_path, "second")
    (tmp_path / "log").rename(tmp_path / "log.1")
    process.send_signal(signal.SIGHUP)
    assert manager.recv(4096).startswith(b"RELOADING=1")
    assert manager.recv(4096) == b"READY=1"
    assert subject(port) != before
    assert requests.get(url + "/storage/v1/b", verify=str(tmp_path / "cert.pem"), timeout=60).status_code == 401

    (tmp_path / "cert.pem").write_text("rubbish")  # refused, and the server goes on with what it has
    process.send_signal(signal.SIGHUP)
    assert manager.recv(4096).startswith(b"RELOADING=1")
    assert manager.recv(4096) == b"READY=1"
    assert subject(port) != before

    process.send_signal(signal.SIGTERM)
    assert manager.recv(4096) == b"STOPPING=1"
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Server ended." in out and "cert.pem" in err
    lines = [json.loads(line) for name in ("log.1", "log") for line in (tmp_path / name).read_text().splitlines()]
    assert [(line["path"], line["status"], line["account"]) for line in lines] == [
        ("/health", 200, ""), ("/storage/v1/b", 401, "")
    ]
    assert "credentials" in lines[1]["reason"]

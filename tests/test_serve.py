"""`seamount serve` as a service: readiness, reload, the log."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys

import numpy
import pytest
import requests
from conftest import start_server
from loader_support import url, values  # noqa: F401


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


def test_clients_trust_a_certificate_of_ones_own_where_they_are_told(seamount_binary, tmp_path, url, values):  # noqa: F811
    certificate(tmp_path, "lab")
    share = f"winds={url.removeprefix('file://')}"
    tls = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    server = start_server(seamount_binary, tmp_path / "lab", 0, *tls, "--share", share)
    environment = {name: value for name, value in os.environ.items() if name not in ("SEAMOUNT_CA", "SSL_CERT_FILE")}

    def run(*command: str, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=tmp_path, env=environment | more, capture_output=True, text=True)

    try:
        setup = (seamount_binary, "setup", "gs://winds", "--admin-key", str(server.admin_key), "--key", "reader.json",
                 "--role", "reader", "--endpoint", server.endpoint.replace("http:", "https:"))  # fmt: skip
        stranger = run(*setup)
        assert stranger.returncode == 5 and "--ca FILE" in stranger.stderr and "SEAMOUNT_CA=FILE" in stranger.stderr
        trusting = run(*setup, "--ca", "cert.pem")
        assert trusting.returncode == 0
        assert f" --ca {tmp_path}/cert.pem" in trusting.stdout and f"SEAMOUNT_CA={tmp_path}/cert.pem" in trusting.stdout
        listing = (seamount_binary, "ls", "gs://winds/u/", "--key", "reader.json")
        assert "zarr.json" in run(*listing, "--ca", "cert.pem").stdout
        assert "zarr.json" in run(*listing, SEAMOUNT_CA="cert.pem").stdout
        absent = run(*listing, "--ca", "absent.pem")
        assert absent.returncode == 2 and "absent.pem" in absent.stderr

        load = ("import numpy, seamount; loader = seamount.Loader('gs://winds', ['u'], key='reader.json',"
                " normalize=False, shuffle=None); numpy.save('got.npy', next(iter(loader)).inputs)")  # fmt: skip
        untrusting = run(sys.executable, "-c", load)
        assert untrusting.returncode != 0 and "SEAMOUNT_CA=FILE" in untrusting.stderr
        loaded = run(sys.executable, "-c", load, SEAMOUNT_CA="cert.pem")
        assert loaded.returncode == 0, loaded.stderr
        numpy.testing.assert_array_equal(numpy.load(tmp_path / "got.npy")[:, 0, 0], values["u"][:16])
    finally:
        server.kill()


def test_what_a_lost_catalog_leaves_is_made_objects_by_fsck(seamount_binary, server, tmp_path):
    content = os.urandom(200_000)
    (tmp_path / "content").write_bytes(content)

    def run(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run([seamount_binary, *command], capture_output=True, text=True)

    def admin(command: str, *arguments: str) -> list[str]:
        return [command, *arguments, "--endpoint", server.endpoint, "--key", str(server.admin_key)]

    setup = ["setup", "gs://winds", "--endpoint", server.endpoint, "--admin-key", str(server.admin_key)]
    assert run(*setup, "--key", str(tmp_path / "key.json")).returncode == 0
    assert run(*admin("cp", str(tmp_path / "content"), "gs://winds/x")).returncode == 0
    fsck = ["fsck", str(server.directory)]
    assert run(*fsck, "--repair").returncode == 4  # a server runs
    server.process.terminate()
    server.process.wait(timeout=60)
    assert run(*fsck).stdout == "1 object, 195.3 KiB: 0 damaged\n"
    (server.directory / "catalog.db").rename(tmp_path / "lost.db")
    refused = run(*fsck, "--repair")
    assert refused.returncode == 9 and "--restore-to" in refused.stderr
    assert run(*fsck, "--restore-to", "rescued").returncode == 2  # acts with --repair only
    repaired = run(*fsck, "--repair", "--restore-to", "rescued")
    assert repaired.returncode == 0 and "1 content made objects of bucket 'rescued'" in repaired.stdout, repaired
    again = start_server(seamount_binary, server.directory, int(server.endpoint.rpartition(":")[2]))
    try:
        (name,) = run(*admin("ls", "gs://rescued/")).stdout.split()
        got = subprocess.run([seamount_binary, *admin("cat", f"gs://rescued/{name.rpartition('/')[2]}")], capture_output=True)
        assert got.stdout == content, got.stderr
    finally:
        again.kill()

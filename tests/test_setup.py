"""`seamount setup` and `seamount serve` as a person uses them."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
import requests
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account


@pytest.fixture
def setup(seamount_binary, server, tmp_path):
    def run(bucket="winds", key="key.json", admin_key=None, *more):
        command = [seamount_binary, "setup", f"gs://{bucket}", "--endpoint", server.endpoint]
        command += ["--admin-key", str(admin_key or server.admin_key), "--key", str(tmp_path / key), *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


def session_of(key) -> AuthorizedSession:
    return AuthorizedSession(service_account.Credentials.from_service_account_file(str(key), scopes=["x"]))


def test_makes_a_bucket_an_account_and_a_working_key(setup, server, tmp_path):
    done = setup()
    assert done.returncode == 0, done.stderr
    key = tmp_path / "key.json"
    assert key.stat().st_mode & 0o777 == 0o600
    private = json.loads(key.read_text())["private_key"]
    for line in private.splitlines()[1:-1]:
        assert line not in done.stdout + done.stderr
    user = session_of(key)
    assert user.get(f"{server.endpoint}/storage/v1/b/winds/o").json().get("items") is None  # the probe is gone
    # Rights on this bucket only, and on objects only.
    assert setup("other", "other.json").returncode == 0
    assert user.get(f"{server.endpoint}/storage/v1/b/other/o").status_code == 403
    assert user.delete(f"{server.endpoint}/storage/v1/b/winds").status_code == 403
    assert user.get(f"{server.endpoint}/storage/v1/b/winds/iam").status_code == 403


def test_a_second_run_changes_nothing(setup, server, tmp_path):
    assert setup().returncode == 0
    before = (tmp_path / "key.json").read_bytes()
    policy = session_of(server.admin_key).get(f"{server.endpoint}/storage/v1/b/winds/iam").json()
    again = setup("winds", "key.json", None, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["created"] == {"account": False, "bucket": False, "key": False, "role": False}
    assert (tmp_path / "key.json").read_bytes() == before
    assert session_of(server.admin_key).get(f"{server.endpoint}/storage/v1/b/winds/iam").json() == policy


def test_another_key_of_the_same_account(setup, tmp_path):
    assert setup().returncode == 0
    assert setup("winds", "second.json").returncode == 0
    emails = {json.loads((tmp_path / name).read_text())["client_email"] for name in ("key.json", "second.json")}
    assert len(emails) == 1


def test_never_overwrites_what_is_there(setup, tmp_path):
    (tmp_path / "key.json").write_text("my notes")
    done = setup()
    assert done.returncode != 0 and "key.json" in done.stderr
    assert (tmp_path / "key.json").read_text() == "my notes"


def test_refuses_without_rights(setup, tmp_path):
    assert setup().returncode == 0
    done = setup("other", "other.json", tmp_path / "key.json")
    assert done.returncode == 5, done.stderr
    assert not (tmp_path / "other.json").exists()


def test_bad_bucket_name_and_bad_keys_are_named(setup, server, tmp_path):
    done = setup("Not_A_Bucket")
    assert done.returncode == 2 and "Not_A_Bucket" in done.stderr
    readable = tmp_path / "readable.json"
    readable.write_bytes(server.admin_key.read_bytes())
    readable.chmod(0o644)
    done = setup("winds", "key.json", readable)
    assert done.returncode != 0 and "readable.json" in done.stderr
    done = setup("winds", "key.json", tmp_path / "absent.json")
    assert done.returncode == 3 and "absent.json" in done.stderr


def test_serve_says_where_and_ends_on_ctrl_c(seamount_binary, tmp_path):
    port_file = tmp_path / "port"
    command = [seamount_binary, "serve", str(tmp_path / "d"), "--port", "0", "--port-file", str(port_file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        first, second = process.stdout.readline(), process.stdout.readline()
        port = int(port_file.read_text())
        assert f"http://127.0.0.1:{port}" in first and "admin-key.json" in first
        assert second.startswith("Next: seamount setup")
        assert requests.get(f"http://127.0.0.1:{port}/storage/v1/b").status_code == 401
        rival = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert rival.returncode == 4 and "another server" in rival.stderr
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "GET /storage/v1/b 401" in log
    finally:
        if process.poll() is None:
            process.kill()


def test_serve_warns_without_tls_beyond_this_machine(seamount_binary, tmp_path):
    command = [seamount_binary, "serve", str(tmp_path / "d"), "--address", "0.0.0.0", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
        assert "without TLS" in log
    finally:
        if process.poll() is None:
            process.kill()


def test_serve_names_a_port_that_is_taken(seamount_binary, server, tmp_path):
    port = server.endpoint.rsplit(":", 1)[1]
    command = [seamount_binary, "serve", str(tmp_path / "other"), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and port in done.stderr

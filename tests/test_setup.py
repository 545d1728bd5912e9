"""`seamount setup` and `seamount serve` as a person uses them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import requests
from conftest import start_server
from google.auth.exceptions import RefreshError
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


READS = {"storage.objects.get", "storage.objects.list"}
CHANGES = {"storage.objects.create", "storage.objects.delete", "storage.objects.update"}


@pytest.mark.parametrize(("role", "rights", "words"), [
    ("reader", READS, "may read and list"),
    ("viewer", READS, "may read and list"),
    ("roles/storage.objectViewer", READS, "may read and list"),
    ("creator", {"storage.objects.create"}, "may create, and nothing else"),
    ("writer", READS | CHANGES, "written, read and deleted"),
    ("admin", READS | CHANGES | {"storage.buckets.setIamPolicy"}, "written, read and deleted"),
])  # fmt: skip
def test_each_role_has_a_key_that_can_do_this_and_nothing_else(setup, server, tmp_path, role, rights, words):
    """Also where a key that may write is there already, and the other way round."""
    assert setup().returncode == 0
    done = setup("winds", "other.json", None, "--role", role)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout and "Next" in done.stdout
    asked = {"permissions": sorted(READS | CHANGES | {"storage.buckets.setIamPolicy"})}
    bucket = f"{server.endpoint}/storage/v1/b/winds"
    granted = session_of(tmp_path / "other.json").get(f"{bucket}/iam/testPermissions", params=asked).json()
    assert set(granted.get("permissions", [])) == rights
    assert session_of(server.admin_key).get(f"{bucket}/o").json().get("items") is None  # no probe is left
    assert setup("winds", "again.json").returncode == 0
    assert setup("winds", "other.json", None, "--role", role).returncode == 0  # a second run


def test_an_account_that_may_do_more_gives_no_lesser_key(setup, tmp_path):
    assert setup().returncode == 0
    for arguments in (("reader.json", None, "--role", "reader", "--account", "sm-winds"),
                      ("key.json", None, "--role", "reader")):  # fmt: skip
        refused = setup("winds", *arguments)
        assert refused.returncode == 4, refused.stdout
        assert "roles/storage.objectUser" in refused.stderr and "--account" in refused.stderr
    assert not (tmp_path / "reader.json").exists()


def test_an_unknown_role_is_explained_before_anything_is_made(setup, server, tmp_path):
    refused = setup("winds", "key.json", None, "--role", "read-only")
    assert refused.returncode == 2 and "expected reader, creator, writer, admin" in refused.stderr
    assert session_of(server.admin_key).get(f"{server.endpoint}/storage/v1/b", params={"project": "p"}).json().get("items") is None


def test_where_the_key_goes_is_seen_before_anything_is_made(setup, server, tmp_path):
    (tmp_path / "text.txt").write_text("root:x:0:0\n")
    for key, words in (("nodir/key.json", "there is no folder"), ("text.txt", "is no key")):
        refused = setup("winds", key)
        assert refused.returncode == 2 and words in refused.stderr, refused.stderr
        assert "chmod" not in refused.stderr
    assert session_of(server.admin_key).get(f"{server.endpoint}/storage/v1/b", params={"project": "p"}).json().get("items") is None
    (tmp_path / "empty.json").touch(mode=0o600)  # as a run that was killed leaves it
    assert setup("winds", "empty.json").returncode == 0
    assert json.loads((tmp_path / "empty.json").read_text())["client_email"]


def test_what_is_missing_is_named(seamount_binary, server, tmp_path):
    def run(*arguments: str) -> str:
        command = [seamount_binary, "setup", "gs://winds", "--key", str(tmp_path / "key.json"), *arguments]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode != 0 and not (tmp_path / "key.json").exists()
        return done.stderr

    at = ("--endpoint", server.endpoint)
    assert "--admin-key" in run(*at) and "--project" in run(*at)
    assert "--admin-key" in run(*at, "--project", "p")
    missing = run(*at, "--admin-key", "nope.json")
    assert "nope.json" in missing and "setup'" not in missing


def test_the_address_comes_from_the_key(seamount_binary, server, tmp_path):
    key, folder = str(tmp_path / "key.json"), tmp_path / "home"
    (folder / ".config" / "seamount").mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def run(*arguments: str, **more: str) -> None:
        done = subprocess.run([seamount_binary, *arguments], capture_output=True, text=True, env=environment | more)
        assert done.returncode == 0, done.stderr

    run("setup", "gs://winds", "--admin-key", str(server.admin_key), "--key", key)
    run("ls", "gs://winds", "--key", key)
    run("ls", "gs://winds", GOOGLE_APPLICATION_CREDENTIALS=key)
    run("doctor", "gs://winds", "--key", key)
    (folder / ".config" / "seamount" / "key.json").write_bytes(Path(key).read_bytes())
    (folder / ".config" / "seamount" / "key.json").chmod(0o600)
    run("ls", "gs://winds")


def test_a_key_of_an_address_that_has_changed_says_the_way_out(setup, tmp_path):
    assert setup().returncode == 0
    key = json.loads((tmp_path / "key.json").read_text())
    (tmp_path / "key.json").write_text(json.dumps(key | {"token_uri": "http://127.0.0.1:9/token"}))
    refused = setup()
    assert refused.returncode == 2 and "http://127.0.0.1:9" in refused.stderr and "fixed --port" in refused.stderr


def test_a_key_follows_its_server_to_another_address(seamount_binary, setup, server, tmp_path):
    assert setup().returncode == 0
    key = tmp_path / "key.json"
    before = key.read_bytes()
    server.process.terminate()
    server.process.wait(timeout=20)
    again, other = start_server(seamount_binary, server.directory, 0), start_server(seamount_binary, tmp_path / "other", 0)

    def move(to: str) -> subprocess.CompletedProcess:
        return subprocess.run([seamount_binary, "keys", "move", key, "--to", to], capture_output=True, text=True, timeout=60)

    try:
        refused = move(other.endpoint)
        assert refused.returncode != 0 and key.read_bytes() == before, refused.stderr
        assert f"stays as it is: {other.endpoint} does not take it" in refused.stderr
        assert move("nonsense").returncode == 2 and key.read_bytes() == before
        moved = move(again.endpoint)
        assert moved.returncode == 0, moved.stderr
        assert key.stat().st_mode & 0o777 == 0o600 and sorted(p.name for p in tmp_path.glob("key*")) == ["key.json"]
        listed = subprocess.run([seamount_binary, "ls", "gs://winds", "--key", key], capture_output=True, text=True, timeout=60)
        assert listed.returncode == 0, listed.stderr
        session_of(key)
    finally:
        for running in (again, other):
            running.process.terminate()
            running.process.wait(timeout=20)


def test_a_key_in_a_git_work_tree_is_warned_of(setup, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path / "code")], check=True)
    (tmp_path / "code" / "deep").mkdir()
    assert ".gitignore" in setup("winds", "code/deep/key.json").stderr
    assert setup("winds", "key.json").stderr == ""


def test_keys_are_listed_and_taken_back(seamount_binary, setup, server, tmp_path):
    assert setup().returncode == 0
    assert setup("winds", "guest.json", None, "--role", "reader").returncode == 0

    def keys(*arguments: str) -> subprocess.CompletedProcess:
        command = [seamount_binary, "keys", *arguments, "--admin-key", str(server.admin_key)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    guest = json.loads((tmp_path / "guest.json").read_text())
    listed = {entry["account"]: entry for entry in json.loads(keys("ls", "--json").stdout)}
    assert [key["id"] for key in listed[guest["client_email"]]["keys"]] == [guest["private_key_id"]]
    assert guest["private_key_id"] in keys("ls").stdout
    objects = f"{server.endpoint}/storage/v1/b/winds/o"
    guests = session_of(tmp_path / "guest.json")
    assert guests.get(objects).status_code == 200

    assert keys("disable", guest["client_email"]).returncode == 0
    with pytest.raises(RefreshError):  # the token in use is refused, and so is another
        guests.get(objects)
    assert "(disabled)" in keys("ls").stdout
    assert keys("enable", guest["client_email"]).returncode == 0
    assert session_of(tmp_path / "guest.json").get(objects).status_code == 200

    assert keys("revoke", str(tmp_path / "guest.json")).returncode == 0
    with pytest.raises(RefreshError):
        session_of(tmp_path / "guest.json").get(objects)
    owner = json.loads((tmp_path / "key.json").read_text())
    assert keys("revoke", owner["private_key_id"]).returncode == 0
    gone = keys("revoke", owner["private_key_id"])
    assert gone.returncode == 3 and "keys ls" in gone.stderr


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

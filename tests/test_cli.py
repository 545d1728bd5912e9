"""What every command line promises: help with an example, exit codes, one line of error, the nearest name."""

from __future__ import annotations

import json
import re
import subprocess

import pytest


def seamount(binary: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, **options)


def commands(binary: str, *parents: str) -> list[tuple[str, ...]]:
    """Every command and subcommand there is, from --help."""
    text = seamount(binary, *parents, "--help").stdout
    listed = text.partition("Subcommands:\n")[2].partition("\n\n")[0]
    names = [line.split()[0] for line in listed.splitlines() if re.match(r"  \w", line)]
    return [found for name in names for found in [(*parents, name), *commands(binary, *parents, name)]]


def test_every_help_ends_with_an_example(seamount_binary):
    all_commands = commands(seamount_binary)
    assert ("vm", "up") in all_commands and ("ls",) in all_commands
    for command in all_commands:
        shown = seamount(seamount_binary, *command, "--help")
        assert shown.returncode == 0, command
        example = shown.stdout.rpartition("Example:\n")[2]
        assert f"seamount {command[0]}" in example, command


def test_version_and_exit_codes_are_told(seamount_binary):
    assert re.fullmatch(r"seamount \d+\.\d+\.\d+\n", seamount(seamount_binary, "--version").stdout)
    assert "Exit codes:" in seamount(seamount_binary, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lss"], ["unknown command 'lss'", "did you mean 'ls'"]),
        (["vm", "uppp"], ["unknown command 'uppp'", "up"]),
        (["ls"], ["seamount ls:", "url is required", "seamount ls --help"]),
        (["ls", "gs://b", "--no-such-flag"], ["seamount ls:", "--no-such-flag"]),
        (["ls", "ftp://b"], ["seamount ls:", "gs://"]),
        (["vm", "up", "m", "--memory", "much"], ["seamount vm up:", "much"]),
        (["vm", "run", "m", "--env", "x", "--", "true"], ["seamount vm run:", "NAME=VALUE"]),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(seamount_binary, arguments, words):
    refused = seamount(seamount_binary, *arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    for word in words:
        assert word in refused.stderr


def test_ls_of_a_folder(seamount_binary, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("hello")
    (tmp_path / "y").write_text("1")
    url = f"file://{tmp_path}"
    assert seamount(seamount_binary, "ls", url).stdout.split() == [f"{url}/a/", f"{url}/y"]
    entries = json.loads(seamount(seamount_binary, "ls", "-r", "--json", url).stdout)
    assert [(entry["url"], entry["size"]) for entry in entries] == [(f"{url}/a/x", 5), (f"{url}/y", 1)]
    assert "2 objects, 6 B" in seamount(seamount_binary, "ls", "-l", "-r", url).stdout
    missing = seamount(seamount_binary, "ls", f"{url}/none")
    assert missing.returncode == 3 and f"{tmp_path}/none" in missing.stderr


def test_ls_and_doctor_of_a_bucket(seamount_binary, server, tmp_path):
    key = tmp_path / "key.json"
    where = ["--endpoint", server.endpoint]
    as_admin = [*where, "--admin-key", str(server.admin_key)]
    made = seamount(seamount_binary, "setup", "gs://lab", *as_admin, "--key", str(key))
    assert made.returncode == 0, made.stderr
    where += ["--key", str(key)]
    assert json.loads(seamount(seamount_binary, "ls", "gs://lab", "--json", *where).stdout) == []
    missing = seamount(seamount_binary, "ls", "gs://lab/none", *where)
    assert missing.returncode == 3 and "gs://lab/none" in missing.stderr

    examined = seamount(seamount_binary, "doctor", "gs://lab", "--json", *where)
    findings = {check["check"]: check["finding"] for check in json.loads(examined.stdout)}
    for name in ("key", "endpoint", "clock", "credentials", "bucket", "writing"):
        assert findings[name] == "ok", examined.stdout
    assert json.loads(seamount(seamount_binary, "ls", "gs://lab", "--json", *where).stdout) == []

    key.chmod(0o644)
    examined = seamount(seamount_binary, "doctor", "gs://lab", "--json", *where)
    assert examined.returncode == 1
    checks = {check["check"]: check for check in json.loads(examined.stdout)}
    assert checks["key"]["finding"] == "fail" and "chmod 600" in checks["key"]["advice"]
    refused = seamount(seamount_binary, "ls", "gs://lab", *where)
    assert refused.returncode == 2 and str(key) in refused.stderr


def test_doctor_without_a_server(seamount_binary):
    examined = seamount(seamount_binary, "doctor", "gs://lab", "--endpoint", "http://127.0.0.1:9", "--anonymous")
    assert examined.returncode == 1
    assert re.search(r"^fail  endpoint", examined.stdout, re.MULTILINE)
    assert "→" in examined.stdout

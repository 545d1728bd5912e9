"""What every command line promises: help with an example, exit codes, one line of error, the nearest name."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import start_server
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account

RAW = Path("/usr/share/ferret-vis/data/monthly_navy_winds.cdf")
ROOT = Path(__file__).resolve().parent.parent


def seamount(binary: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, **options)


def commands(binary: str, *parents: str) -> list[tuple[str, ...]]:
    """Every command and subcommand there is, from --help."""
    text = seamount(binary, *parents, "--help").stdout
    listed = text.partition("Subcommands:\n")[2].partition("\n\n")[0]
    names = [line.split()[0] for line in listed.splitlines() if re.match(r"  \w", line)]
    return [found for name in names for found in [(*parents, name), *commands(binary, *parents, name)]]


def test_needs_no_newer_c_library_than_hosted_notebooks_have(seamount_binary):
    """glibc 2.35, as of Ubuntu 22.04: the wheel, which is for those, could not be made otherwise."""
    symbols = subprocess.run(["objdump", "-T", seamount_binary], capture_output=True, text=True, check=True).stdout
    versions = {(int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols)}
    assert (2, 34) in versions
    assert max(versions) <= (2, 35), re.findall(r".*GLIBC_2\.3[6-9].*", symbols)


def test_every_help_ends_with_an_example(seamount_binary):
    all_commands = commands(seamount_binary)
    assert ("vm", "up") in all_commands and ("ls",) in all_commands
    for command in all_commands:
        shown = seamount(seamount_binary, *command, "--help")
        assert shown.returncode == 0, command
        example = shown.stdout.rpartition("Example:\n")[2]
        assert f"seamount {command[0]}" in example, command


def test_without_arguments_and_by_help_it_explains_itself(seamount_binary):
    alone = seamount(seamount_binary)
    assert alone.returncode == 2 and "Subcommands:" in alone.stderr
    assert seamount(seamount_binary, "help", "vm", "up").stdout == seamount(seamount_binary, "vm", "up", "--help").stdout


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_help_fits_the_terminal(seamount_binary, columns):
    """No line is longer, but where one word is; examples can still be pasted."""
    environment = os.environ | {"COLUMNS": str(columns)}
    for command in [(), *commands(seamount_binary)]:
        text = seamount(seamount_binary, *command, "--help", env=environment).stdout
        for line in text.splitlines():
            words = line.removesuffix(" \\").split()
            assert len(line) <= columns or len(words) == 1, f"{command}: {line}"
        wide = seamount(seamount_binary, *command, "--help", env=os.environ | {"COLUMNS": "100"}).stdout
        joined = re.sub(r" \\\n +", " ", text.partition("Example:\n")[2])
        assert joined == re.sub(r" \\\n +", " ", wide.partition("Example:\n")[2])


def test_what_stands_for_a_value_is_in_capitals_everywhere(seamount_binary):
    for command in commands(seamount_binary):
        usage = seamount(seamount_binary, *command, "--help").stdout.partition("Usage: ")[2].partition("\n\n")[0]
        values = usage.replace("\n", " ").split()[1 + len(command) :]
        assert values and all(value == value.upper() for value in values), usage


def test_flags_of_a_command_may_stand_before_it(seamount_binary, tmp_path):
    url = f"file://{tmp_path}"
    assert json.loads(seamount(seamount_binary, "--json", "ls", url).stdout) == []
    assert seamount(seamount_binary, "-v", "--json", "-r", "ls", url).stdout == "[]\n"
    misspelt = seamount(seamount_binary, "--jsn", "ls", url)
    assert misspelt.returncode == 2 and "did you mean --json" in misspelt.stderr


COMPLETE = {
    "bash": """
eval "$(seamount completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _seamount; printf '%s\\n' "${COMPREPLY[@]}"
""",
    # As bashcompinit calls it; zsh itself leaves out what does not begin as what was typed.
    "zsh": """
HOME=$PWD; eval "$(seamount completion zsh)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); words=("$@"); CURRENT=$#
compgen -F _seamount -- "${@[-1]}" | while read -r word; do [[ $word = ${@[-1]}* ]] && print -r -- $word; done
""",
    "fish": """
seamount completion fish | source
complete -C (string join ' ' -- $argv) | string replace -r '\\t.*' ''
""",
}
OPTIONS = {"bash": ["-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}


@pytest.mark.parametrize("shell", COMPLETE)
def test_shells_complete(seamount_binary, tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "seamount").symlink_to(seamount_binary)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    name = [] if shell == "fish" else [shell]  # what is $0 to the others
    for typed, offered in (
        ("m", "mount"),
        ("vm u", "up"),
        ("-v vm up name --sh", "--share"),
        ("ls --anon", "--anonymous"),
        ("--ver", "--version --verbose"),
        ("vm ls --o", "--orphans"),  # which is another ls
    ):
        argv = [shell, *OPTIONS[shell], COMPLETE[shell], *name, "seamount", *typed.split()]
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.stderr == "" and sorted(done.stdout.split()) == sorted(offered.split()), typed


def test_the_manual_and_the_completions_know_every_command_and_flag(seamount_binary):
    manual = seamount(seamount_binary, "help", "--man").stdout
    assert manual.startswith(".TH SEAMOUNT 1")
    plain = manual.replace("\\-", "-")
    scripts = [seamount(seamount_binary, "completion", shell).stdout for shell in ("bash", "zsh", "fish")]
    for command in commands(seamount_binary):
        assert f".SS seamount {' '.join(command)}" in plain
        for flag in re.findall(r"^  (?:-\w,)?--([\w-]+)", seamount(seamount_binary, *command, "--help").stdout, re.MULTILINE):
            assert f"--{flag}" in plain and all(flag in script for script in scripts), (command, flag)


def test_version_and_exit_codes_are_told(seamount_binary):
    for asked in ("--version", "-V", "version"):
        assert re.fullmatch(r"seamount \d+\.\d+\.\d+\n", seamount(seamount_binary, asked).stdout)
    assert "Exit codes:" in seamount(seamount_binary, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lss"], ["unknown command 'lss'", "did you mean 'ls'"]),
        (["vm", "uppp"], ["unknown command 'uppp'", "up"]),
        (["ls"], ["seamount ls:", "URL is required", "seamount ls --help"]),
        (["ls", "gs://b", "--no-such-flag"], ["seamount ls:", "--no-such-flag"]),
        (["ls", "gs://b", "--anonymus"], ["no flag --anonymus", "did you mean --anonymous"]),
        (["ls", "gs://b", "--jsn"], ["no flag --jsn", "did you mean --json"]),
        (["mount", "gs://b", "x", "--readonly"], ["seamount mount:", "did you mean --read-only"]),
        (["vm", "up", "m", "--disc=1G"], ["seamount vm up:", "did you mean --disk"]),
        (["vm", "up", "m", "--lifetime", "long"], ["seamount vm up:", "--lifetime", "long"]),
        (["serve", "d", "--port", "99999"], ["seamount serve:", "--port '99999'", "a whole number"]),
        (["vm", "up", "m", "--disk"], ["seamount vm up:", "--disk needs a SIZE"]),
        (["ls", "gs://b", "stray"], ["seamount ls:", "not expected: stray"]),
        (["serve", "/etc/passwd"], ["seamount serve:", "/etc/passwd", "expected an empty folder"]),
        (["serve", "/proc/nope"], ["seamount serve:", "/proc/nope"]),
        (["completion", "tcsh"], ["seamount completion:", "'tcsh'", "bash, zsh or fish"]),
        (["help", "lss"], ["unknown command 'lss'", "did you mean 'ls'"]),
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
    assert "1 object, 1 B, and what lies in 1 folder" in seamount(seamount_binary, "ls", "-l", url).stdout
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
    for name in ("key", "endpoint", "clock", "credentials", *RIGHTS):
        assert findings[name] == "ok", examined.stdout
    assert json.loads(seamount(seamount_binary, "ls", "gs://lab", "--json", *where).stdout) == []

    key.chmod(0o644)
    examined = seamount(seamount_binary, "doctor", "gs://lab", "--json", *where)
    assert examined.returncode == 1
    checks = {check["check"]: check for check in json.loads(examined.stdout)}
    assert checks["key"]["finding"] == "fail" and "chmod 600" in checks["key"]["advice"]
    refused = seamount(seamount_binary, "ls", "gs://lab", *where)
    assert refused.returncode == 2 and str(key) in refused.stderr


RIGHTS = ("listing", "creating", "reading", "overwriting", "deleting")


@pytest.mark.parametrize(("role", "findings"), [
    ("roles/storage.objectViewer", {"listing": "ok", "creating": "warn"}),
    ("roles/storage.objectCreator", {"listing": "fail"}),
    ("roles/storage.objectUser", dict.fromkeys(RIGHTS, "ok")),
])  # fmt: skip
def test_doctor_tells_each_right_that_a_key_has(seamount_binary, server, tmp_path, role, findings):
    where = ["--endpoint", server.endpoint]
    made = seamount(seamount_binary, "setup", "gs://lab", "--role", role, *where, "--admin-key", str(server.admin_key),
                    "--key", str(tmp_path / "key.json"))  # fmt: skip
    assert (tmp_path / "key.json").exists(), made.stderr
    examined = seamount(seamount_binary, "doctor", "gs://lab", "--json", *where, "--key", str(tmp_path / "key.json"))
    checks = {check["check"]: check for check in json.loads(examined.stdout)}
    assert {name: checks[name]["finding"] for name in RIGHTS if name in checks} == findings
    for check in checks.values():
        assert bool(check["advice"]) == (check["finding"] != "ok"), check
    assert examined.returncode == (1 if "fail" in findings.values() else 0)


def test_doctor_gives_a_next_step_for_every_failure(seamount_binary, server, tmp_path):
    """Whatever is missing: what was found, and what to do."""
    setup = seamount(seamount_binary, "setup", "gs://lab", "--endpoint", server.endpoint, "--admin-key",
                     str(server.admin_key), "--key", str(tmp_path / "key.json"))  # fmt: skip
    assert setup.returncode == 0
    (tmp_path / "broken.json").write_text("{}")
    (tmp_path / "broken.json").chmod(0o600)
    at, key = ["--endpoint", server.endpoint], ["--key", str(tmp_path / "key.json")]
    for arguments, failing in (
        (["gs://lab", *at, "--key", str(tmp_path / "none.json")], "key"),
        (["gs://lab", *at, "--key", str(tmp_path / "broken.json")], "key"),
        (["gs://lab", "--endpoint", "http://127.0.0.1:9", *key], "endpoint"),
        (["gs://lab", "--endpoint", "http://no.such.host.invalid", *key], "endpoint"),
        (["gs://other", *at, *key], "listing"),
        (["gs://lab", *at, "--anonymous"], "listing"),
        (["lab", *at, *key], "bucket"),
        (["--cache-dir", "/proc/none"], "cache"),
    ):
        examined = seamount(seamount_binary, "doctor", "--json", *arguments)
        failures = [check for check in json.loads(examined.stdout) if check["finding"] == "fail"]
        assert [check["check"] for check in failures] == [failing], (arguments, examined.stdout)
        assert failures[0]["detail"] and failures[0]["advice"]
        assert examined.returncode == 1


def test_doctor_knows_a_server_with_a_certificate_of_its_own_and_one_that_is_frozen(seamount_binary, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab", "-days", "2",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "tls.key", "-out", "tls.pem"],
                   cwd=tmp_path, check=True, capture_output=True)  # fmt: skip

    def advice(endpoint: str, **more: str) -> str:
        argv = ["doctor", "--json", "--anonymous", "--endpoint", endpoint]
        checks = json.loads(seamount(seamount_binary, *argv, env=os.environ | more).stdout)
        return next(check for check in checks if check["check"] == "endpoint")["advice"]

    tls = ["--tls-cert", str(tmp_path / "tls.pem"), "--tls-key", str(tmp_path / "tls.key")]
    served = start_server(seamount_binary, tmp_path / "served", 0, *tls)
    plain = start_server(seamount_binary, tmp_path / "plain", 0)
    try:
        secure = served.endpoint.replace("http:", "https:")
        assert "--ca " in advice(secure) and "SEAMOUNT_CA=" in advice(secure)
        for trusted in ("SEAMOUNT_CA", "SSL_CERT_FILE"):
            assert advice(secure, **{trusted: str(tmp_path / "tls.pem")}) == ""
        assert "write https://" in advice(served.endpoint)
        assert "write http://" in advice(plain.endpoint.replace("http:", "https:"))
        plain.process.send_signal(signal.SIGSTOP)
        assert "does not answer" in advice(plain.endpoint)
        plain.process.send_signal(signal.SIGCONT)
    finally:
        served.kill()
        plain.kill()


def test_doctor_says_nothing_after_ctrl_c_but_that(seamount_binary):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"http://127.0.0.1:{silent.getsockname()[1]}"
        examining = subprocess.Popen([seamount_binary, "doctor", "--anonymous", "--endpoint", at],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        connection, _ = silent.accept()
        examining.send_signal(signal.SIGINT)
        said, errors = examining.communicate()
        connection.close()
    assert examining.returncode == 130 and errors == "seamount doctor: interrupted\n"
    assert "endpoint" not in said


def test_ls_of_many_objects_streams_and_ends_quietly_in_a_pipe(seamount_binary, tmp_path):
    for i in range(3000):
        (tmp_path / f"object-{i:05}").touch()
    piped = subprocess.run(["bash", "-c", f"set -o pipefail; {seamount_binary} ls file://{tmp_path} | head -1"],
                           capture_output=True, text=True, timeout=60)  # fmt: skip
    assert piped.stdout == f"file://{tmp_path}/object-00000\n"
    assert piped.stderr == "" and piped.returncode in (0, 141)
    assert len(json.loads(seamount(seamount_binary, "ls", "--json", f"file://{tmp_path}").stdout)) == 3000


def test_a_name_that_is_object_and_folder_is_listed_as_both(seamount_binary, server, tmp_path):
    where = ["--endpoint", server.endpoint, "--key", str(tmp_path / "key.json")]
    seamount(seamount_binary, "setup", "gs://lab", "--endpoint", server.endpoint, "--admin-key", str(server.admin_key),
             "--key", str(tmp_path / "key.json"))  # fmt: skip
    credentials = service_account.Credentials.from_service_account_file(str(tmp_path / "key.json"), scopes=["x"])
    session = AuthorizedSession(credentials)
    for name in ("a", "a/b"):
        session.post(f"{server.endpoint}/upload/storage/v1/b/lab/o", params={"uploadType": "media", "name": name},
                     data=b"x").raise_for_status()  # fmt: skip
    assert seamount(seamount_binary, "ls", "gs://lab/a", *where).stdout.split() == ["gs://lab/a", "gs://lab/a/b"]
    assert seamount(seamount_binary, "ls", "gs://lab/a/", *where).stdout.split() == ["gs://lab/a/b"]
    assert seamount(seamount_binary, "ls", "gs://lab", *where).stdout.split() == ["gs://lab/a/", "gs://lab/a"]


def test_exit_codes_are_those_that_are_documented(seamount_binary, server, tmp_path):
    """docs/exit-codes.md, one command for each code."""
    def run(*arguments: str, **options) -> int:
        return seamount(seamount_binary, *arguments, "--endpoint", server.endpoint, **options).returncode

    admin, key = ["--admin-key", str(server.admin_key)], tmp_path / "key.json"
    codes = {0: run("setup", "gs://lab", *admin, "--key", str(key))}
    run("setup", "gs://other", *admin, "--key", str(tmp_path / "other.json"))
    codes[1] = run("doctor", "gs://none", "--key", str(key))
    codes[2] = run("ls", "lab", "--key", str(key))
    codes[3] = run("ls", "gs://none", "--key", str(key))
    busy = tmp_path / "busy"
    (busy / "x").mkdir(parents=True)
    codes[4] = run("mount", "gs://lab", str(busy), "--key", str(key))
    codes[5] = run("ls", "gs://other", "--key", str(key))
    codes[6] = run("ls", "gs://lab", "--anonymous")
    away = seamount(seamount_binary, "mount", "gs://lab", str(busy / "x"), "--endpoint", "http://127.0.0.1:9",
                    "--anonymous", "--retry-deadline", "0")  # fmt: skip
    codes[7] = away.returncode
    recipe = tmp_path / "winds.yaml"
    recipe.write_text("source: winds.cdf\nvariables: [UWND]\n")
    shutil.copyfile(RAW, tmp_path / "winds.cdf")
    prepare = ["prepare", str(recipe), "--to", f"file://{tmp_path}/winds.zarr"]
    codes[8] = seamount(seamount_binary, *prepare, "--memory", "10K").returncode
    os.truncate(tmp_path / "winds.cdf", 5_000_000)
    codes[9] = seamount(seamount_binary, *prepare, "--overwrite").returncode
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"http://127.0.0.1:{silent.getsockname()[1]}"
        waiting = subprocess.Popen([seamount_binary, "ls", "gs://lab", "--endpoint", at, "--anonymous"],
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        connection, _ = silent.accept()  # it waits for an answer
        waiting.send_signal(signal.SIGINT)
        codes[130] = waiting.wait()
        connection.close()
    assert codes == {code: code for code in codes}
    documented = (ROOT / "docs" / "exit-codes.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", documented, re.MULTILINE)] == list(codes)


def test_doctor_without_a_server(seamount_binary):
    examined = seamount(seamount_binary, "doctor", "gs://lab", "--endpoint", "http://127.0.0.1:9", "--anonymous")
    assert examined.returncode == 1
    assert re.search(r"^fail  endpoint", examined.stdout, re.MULTILINE)
    assert "→" in examined.stdout

"""`seamount vm run` at Google: through the stand-in, with the machine's own program running the job."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from fakes.google import Closed, FakeGoogle
from gce_support import L4, Lab, Runner, wait_for

TRAINING = """
import pathlib, signal, sys, time
state = pathlib.Path(sys.argv[1])
begin = int(state.read_text()) if state.exists() else 0
def save(*_):
    print("saves", i + 1, flush=True)
    state.write_text(str(i + 1))
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
for i in range(begin, 6):
    print("sample", i, flush=True)
    while begin == 0 and i == 2:
        time.sleep(0.02)
"""


@pytest.fixture
def lab(seamount_binary, tmp_path):
    with FakeGoogle() as google:
        yield Lab(google, seamount_binary, tmp_path)


@pytest.fixture
def machine(lab, tmp_path):
    """Makes the program of the machine that is up; ended with the test."""
    runners: list[Runner] = []

    def make() -> Runner:
        runners.append(Runner(lab, tmp_path / f"machine{len(runners)}"))
        return runners[-1]

    yield make
    for runner in runners:
        runner.kill()


def lines_until(process: subprocess.Popen, last: str) -> list[str]:
    lines: list[str] = []
    while not lines or lines[-1] != last:
        line = process.stdout.readline()
        assert line, f"it ended before '{last}': {lines} {process.stderr.read()}"
        lines.append(line.rstrip("\n"))
    return lines


def job_objects(lab: Lab) -> list[str]:
    return [key.rpartition("/")[2] for key in lab.records() if key.startswith(".seamount/jobs/train/")]


def test_a_command_runs_in_its_folder_and_its_exit_code_comes_back(lab, machine, tmp_path):
    folder = tmp_path / "code"
    (folder / ".git").mkdir(parents=True)
    (folder / "hello.txt").write_text("hello\n")
    lab.ok("up", "train", *L4)
    machine().start()
    script = "cat hello.txt; ls -A; echo $COLOUR; echo wrong >&2; exit 7"
    done = lab.run("run", "train", "--folder", str(folder), "--env", "COLOUR=blue", "--", "sh", "-c", script)
    assert done.returncode == 7, done.stderr
    assert done.stdout == "hello\nhello.txt\nblue\nwrong\n"
    assert job_objects(lab) == ["end.json", "00000001"]  # what was copied is gone
    # Another one: a signal, no such program, and one that leaves something running behind.
    assert lab.run("run", "train", "--", "sh", "-c", "kill -9 $$").returncode == 137
    missing = lab.run("run", "train", "--", "no-such-program")
    assert missing.returncode == 127 and "no-such-program" in missing.stdout
    left = lab.run("run", "train", "--", "sh", "-c", "sleep 1000 & echo $!")
    process = Path(f"/proc/{int(left.stdout)}/cmdline")  # of one that is dead and not buried it is empty
    assert left.returncode == 0 and not (process.exists() and process.read_bytes())
    assert "is no folder" in lab.run("run", "train", "--folder", "/no/such", "--", "true").stderr


def test_nothing_said_is_lost_where_the_bucket_fails(lab, machine):
    lab.ok("up", "train", *L4)
    machine().start()
    failures = []

    def fail(request):
        if "/upload/" in request.path and "/log/" in request.query.get("name", [""])[0] and len(failures) < 4:
            failures.append(request.done)
            raise Closed

    lab.google.on_request = fail
    done = lab.run("run", "train", "--", "sh", "-c", "seq 300000")  # two pieces
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(number) for number in range(1, 300001)] and len(failures) == 4


def test_a_preempted_job_goes_on_on_the_next_machine(lab, machine, tmp_path):
    lab.ok("up", "train", *L4, "--spot", "--lifetime", "6h")
    first_id = lab.machine()["id"]
    first = machine()
    first.mounts.write_text("seamount /mnt/data fuse.seamount rw 0 0\n")
    first.start()
    first_zone = lab.google.metadata.machine[0]
    state = tmp_path / "state"
    client = lab.start("run", "train", "--restart-on-preemption", "--", "python3", "-c", TRAINING, str(state))
    said = lines_until(client, "sample 2")
    lab.google.metadata.preempted.set()
    assert first.process.wait() == 0
    assert state.read_text() == "3" and first.unmounted.read_text() == "umount /mnt/data\n"
    lab.google.compute.preempt("seamount-train")
    wait_for(lambda: len(lab.google.compute.inserted) == 2 and lab.google.compute.paid(), lambda: client.poll() is None)
    second = lab.machine()
    run = int(second["scheduling"]["maxRunDuration"]["seconds"])
    assert second["id"] != first_id and 0 < run < 6 * 3600  # what is left of the six hours
    assert second["scheduling"]["provisioningModel"] == "SPOT"
    machine().start()
    out, err = client.communicate(timeout=120)
    assert client.returncode == 0, err
    assert lab.google.metadata.machine[0] != first_zone
    told = [*said, *out.splitlines()]
    assert [line for line in told if line.startswith("sample")] == [f"sample {i}" for i in range(6)]  # none lost, none twice
    assert "saves 3" in told and "was preempted" in err and "goes on in" in err


def test_who_does_not_end_when_asked_is_killed_in_time(lab, machine):
    lab.ok("up", "train", *L4, "--spot")
    runner = machine().start(seconds_to_end=0.3)
    client = lab.start("run", "train", "--", "sh", "-c", "trap 'echo no' TERM; echo begun; while :; do sleep 0.05; done")
    lines_until(client, "begun")
    runner.process.send_signal(signal.SIGTERM)  # as a machine that is switched off does
    assert runner.process.wait() == 0
    lab.google.compute.preempt("seamount-train")
    out, err = client.communicate(timeout=120)
    assert client.returncode == 7 and "no" in out.splitlines()
    assert "was preempted before job" in err and "--restart-on-preemption" in err
    assert "end.json" not in job_objects(lab)


def test_a_machine_that_ends_for_another_reason_is_not_started_again(lab, machine):
    lab.ok("up", "train", *L4, "--spot", "--lifetime", "2h")
    machine().start()
    client = lab.start("run", "train", "--restart-on-preemption", "--", "sh", "-c", "echo begun; sleep 1000")
    lines_until(client, "begun")
    lab.google.clock.advance(3 * 3600)
    _, err = client.communicate(timeout=120)
    assert client.returncode == 7 and "by its lease, its lifetime" in err
    assert len(lab.google.compute.inserted) == 1


def test_a_job_goes_on_without_the_laptop_and_is_found_again(lab, machine, tmp_path):
    lab.ok("up", "train", *L4)
    machine().start()
    gate = tmp_path / "gate"
    script = f"echo one; while [ ! -e {gate} ]; do sleep 0.02; done; echo two; exit 3"
    client = lab.start("run", "train", "--", "sh", "-c", script)
    lines_until(client, "one")
    busy = lab.run("run", "train", "--", "true")
    assert busy.returncode == 4 and "runs job" in busy.stderr and "--attach" in busy.stderr
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=120)
    assert client.returncode == 130 and "the job goes on" in err
    gate.touch()
    again = lab.run("run", "train", "--attach")
    assert (again.returncode, again.stdout) == (3, "one\ntwo\n"), again.stderr
    lab.ok("down", "train")
    gone = lab.run("run", "train", "--", "true")
    assert gone.returncode == 3


def test_a_laptop_that_dies_while_the_next_machine_starts_finds_the_job_again(lab, machine, tmp_path):
    lab.ok("up", "train", *L4, "--spot")
    runner = machine().start()
    state = tmp_path / "state"
    client = lab.start("run", "train", "--restart-on-preemption", "--", "python3", "-c", TRAINING, str(state))
    lines_until(client, "sample 2")
    lab.google.metadata.preempted.set()
    assert runner.process.wait() == 0
    killed = threading.Event()

    def die(request):  # the next machine is up, and the job is not given to it yet
        if request.query.get("name") == [".seamount/jobs/train.json"] or b'"name":".seamount/jobs/train.json"' in request.body:
            client.kill()
            killed.set()
            raise Closed

    lab.google.on_request = die
    lab.google.compute.preempt("seamount-train")
    wait_for(killed.is_set)
    client.communicate(timeout=120)
    lab.google.on_request = lambda request: None
    assert len(lab.google.compute.paid()) == 1
    machine().start()
    again = lab.run("run", "train", "--attach")
    assert again.returncode == 0, again.stderr
    assert [line for line in again.stdout.splitlines() if line.startswith("sample")] == [f"sample {i}" for i in range(6)]


def test_what_makes_no_sense_is_refused(lab):
    for flags, words in ((("--attach", "--", "true"), "takes no command"), ((), "expected a command"),
                         (("--detach", "--restart-on-preemption", "--", "true"), "sees no preemption")):  # fmt: skip
        refused = lab.run("run", "train", *flags)
        assert refused.returncode == 2 and words in refused.stderr
    lab.ok("up", "train", *L4)
    assert lab.run("run", "train", "--attach").returncode == 3
    assert lab.ok("run", "train", "--detach", "--", "true") == ""
    job = json.loads(lab.google.storage.buckets["lab-bucket"][".seamount/jobs/train.json"].content)
    assert job["machine"] == lab.machine()["id"] and job["argv"] == ["true"]


@pytest.mark.parametrize("flag", ["--folder=.", "--restart-on-preemption", "--attach", "--detach"])
def test_what_is_of_google_is_refused_for_a_machine_on_this_host(seamount_binary, flag):
    done = subprocess.run([seamount_binary, "vm", "run", "train", flag, "--", "true"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and f"{flag.split('=')[0]} is of machines at Google" in done.stderr

"""Runs the job that `seamount vm run` has left for this machine in the bucket, and leaves there what it says and how it
ended. When the machine is taken away (preempted, or switched off) the job is asked to end, mounts are emptied into the
bucket, and all of that is over in 25 seconds; how it ends then is written down nowhere, so that another machine goes on.

KEY.json: the job. KEY/ID/files.tar.gz: what it finds around it. KEY/ID/log/00000001, …: what it says, in pieces.
KEY/ID/end.json: its exit code, written last."""

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ending import authorization, metadata

STORAGE = os.environ.get("SEAMOUNT_STORAGE", "https://storage.googleapis.com")
WORK = Path(os.environ.get("SEAMOUNT_WORK", "/var/lib/seamount/jobs"))
RUNS = Path(os.environ.get("SEAMOUNT_RUNS", "/run/seamount/job"))  # there while a job runs: the machine is in use
MOUNTS = os.environ.get("SEAMOUNT_MOUNTS", "/proc/mounts")
EVERY_SECONDS = float(os.environ.get("SEAMOUNT_WATCH_SECONDS", "3"))
SECONDS_TO_END = float(os.environ.get("SEAMOUNT_SECONDS_TO_END", "15"))  # that a job has, of 30 that Google gives
SECONDS_IN_ALL = SECONDS_TO_END + 10
PIECE_BYTES = 1 << 20
FAULTS = (OSError, ValueError, http.client.HTTPException)  # of the network, or a text that is none
SLOWEST_SECONDS = 15  # between pieces of a job that has run for long: a day is 6000 objects, not 86400

leaving = threading.Event()  # the machine goes away


def say(text):
    print(f"seamount: {text}", file=sys.stderr, flush=True)


class Bucket:
    def __init__(self):
        self.objects = f"{STORAGE}/storage/v1/b/{_quoted(metadata('instance/attributes/seamount-bucket'))}/o"
        self.uploads = self.objects.replace("/storage/v1/", "/upload/storage/v1/")

    def get(self, key):
        """None: there is no such object."""
        try:
            return self._send(f"{self.objects}/{_quoted(key)}?alt=media")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def put(self, key, content):
        self._send(f"{self.uploads}?uploadType=media&name={_quoted(key)}", content)

    def keys(self, prefix):
        token, found = "", []
        while token is not None:
            more = f"&pageToken={_quoted(token)}" if token else ""
            page = json.loads(self._send(f"{self.objects}?prefix={_quoted(prefix)}{more}"))
            found += [item["name"] for item in page.get("items", [])]
            token = page.get("nextPageToken")
        return found

    def _send(self, url, content=None):
        headers = {**authorization(), "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(url, data=content, headers=headers, method="GET" if content is None else "POST")
        return urllib.request.urlopen(request, timeout=20).read()


def _quoted(text):
    return urllib.parse.quote(text, safe="")


def insist(what, call, *arguments, until=lambda: False):
    """The bucket's answer, however long it takes; None once nobody can wait any more."""
    pause = min(EVERY_SECONDS, 1)
    while True:
        try:
            return call(*arguments)
        except FAULTS as error:
            say(f"{what}: {error}; trying again")
        if until():
            return None
        time.sleep(pause)
        pause = min(pause * 2, 10)


class Deadline:
    """Begins when the machine is told that it goes away."""

    def __init__(self):
        self.begun = None

    def seconds(self):
        if self.begun is None and leaving.is_set():
            self.begun = time.monotonic()
        return 0.0 if self.begun is None else time.monotonic() - self.begun

    def over(self):
        return self.seconds() >= SECONDS_IN_ALL


class Log:
    """What the job says, in pieces that never change; another machine goes on behind the last one."""

    def __init__(self, bucket, folder, deadline):
        self.bucket, self.folder, self.deadline = bucket, folder, deadline
        said = insist("listing the log", bucket.keys, folder, until=deadline.over) or []
        self.next = 1 + max((int(key.rpartition("/")[2]) for key in said), default=0)
        self.waiting, self.begun = b"", time.monotonic()
        self.sent = self.begun

    def full(self):
        return len(self.waiting) >= PIECE_BYTES

    def due(self):
        now = time.monotonic()
        return self.waiting and now - self.sent >= min(SLOWEST_SECONDS, max(EVERY_SECONDS / 3, (now - self.begun) / 60))

    def send(self):
        while self.waiting:
            piece, self.waiting = self.waiting[:PIECE_BYTES], self.waiting[PIECE_BYTES:]
            insist("writing the log", self.bucket.put, f"{self.folder}{self.next:08}", piece, until=self.deadline.over)
            self.next += 1
        self.sent = time.monotonic()


def end_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def follow(process, log, deadline):
    """Hands on what the job says until it has ended; asks it to end when the machine goes away."""
    pipe, asked = process.stdout.fileno(), 0
    os.set_blocking(pipe, False)
    open_pipe = True
    while True:
        ended = process.poll() is not None
        if open_pipe and not log.full():
            ready, _, _ = select.select([pipe], [], [], 0 if ended else 0.1)
            chunk = os.read(pipe, 65536) if ready else b""
            open_pipe = not ready or bool(chunk)
            log.waiting += chunk
            if chunk and not log.full():
                continue  # all that is there, first
        elif not ended:
            time.sleep(0.05)
        if log.full() or log.due():
            log.send()
            continue
        if ended:
            return end_group(process, signal.SIGKILL)  # what it left behind
        if leaving.is_set() and asked == 0:
            log.waiting += b"seamount: this machine is taken away; the command is asked to end\n"
            asked = end_group(process, signal.SIGTERM) or 1
        if asked == 1 and deadline.seconds() >= SECONDS_TO_END:
            asked = end_group(process, signal.SIGKILL) or 2


def empty_mounts(deadline):
    """What programs wrote through a mount goes to the bucket before the machine does."""
    mounts = [line.split()[1] for line in open(MOUNTS) if line.split()[2] == "fuse.seamount"]
    unmounting = [subprocess.Popen(["seamount", "umount", folder]) for folder in mounts]
    for folder, process in zip(mounts, unmounting):
        try:
            process.wait(timeout=max(0.1, SECONDS_IN_ALL - 2 - deadline.seconds()))
        except subprocess.TimeoutExpired:
            say(f"{folder} could not be emptied in time")


def unpack(bucket, job, folder):
    content = bucket.get(f"{job['folder']}/files.tar.gz")
    if content is None:
        raise LookupError("the job's files are not in the bucket")
    subprocess.run(["tar", "-xz", "-C", str(folder)], input=content, check=True)
    return True


def start(job, folder):
    environment = {**os.environ, "SEAMOUNT_JOB": job["id"], **job["environment"]}
    return subprocess.Popen(job["argv"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def run(bucket, job):
    deadline, folder = Deadline(), WORK / job["id"]
    log = Log(bucket, f"{job['folder']}/log/", deadline)
    folder.mkdir(parents=True, exist_ok=True)
    RUNS.parent.mkdir(parents=True, exist_ok=True)
    RUNS.touch()
    try:
        if job["has_files"] and not insist("reading the job's files", unpack, bucket, job, folder, until=leaving.is_set):
            return
        process = start(job, folder)
        follow(process, log, deadline)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    except OSError as error:  # as a shell has it
        log.waiting += f"seamount: {job['argv'][0]}: {error.strerror or error}\n".encode()
        code = 127
    except (LookupError, subprocess.CalledProcessError) as error:
        log.waiting += f"seamount: the job's files could not be unpacked: {error}\n".encode()
        code = 126
    finally:
        RUNS.unlink(missing_ok=True)
    gone = leaving.is_set()
    if gone:
        empty_mounts(deadline)
    log.send()
    if not gone:
        insist("writing how the job ended", bucket.put, f"{job['folder']}/end.json",
               json.dumps({"exit_code": code}).encode(), until=leaving.is_set)


def next_job(bucket, key, machine, ended):
    """The one that is meant for this machine and has not ended; None: there is none."""
    text = bucket.get(key)
    job = json.loads(text) if text else None
    if job is None or job["machine"] != machine or job["id"] == ended:
        return None
    job["folder"] = f"{key.removesuffix('.json')}/{job['id']}"
    return job if bucket.get(f"{job['folder']}/end.json") is None else None


def watch_for_notice():
    while not leaving.is_set():
        try:
            if metadata("instance/preempted?wait_for_change=true&timeout_sec=10") == "TRUE":
                leaving.set()
        except OSError as error:
            say(f"whether this machine is preempted cannot be asked: {error}")
            time.sleep(1)


def main():
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    threading.Thread(target=watch_for_notice, daemon=True).start()
    RUNS.unlink(missing_ok=True)
    bucket, key = Bucket(), metadata("instance/attributes/seamount-job-key")
    machine, ended = metadata("instance/id"), None
    while not leaving.is_set():
        try:
            job = next_job(bucket, key, machine, ended)
        except (*FAULTS, KeyError) as error:
            say(f"the job cannot be read: {error}")
            job = None
        if job:
            run(bucket, job)
            ended = job["id"]
        leaving.wait(EVERY_SECONDS)


if __name__ == "__main__":
    main()

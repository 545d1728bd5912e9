"""Ends the machine when for a while nobody has used it: no job, no GPU, no CPU, no notebook kernel that computes, nobody
who types in a shell. Each of these can be missing; a sign of use that cannot be read is none."""

import glob
import json
import os
import subprocess
import time
import urllib.request

from ending import end_machine, metadata

EVERY_SECONDS = float(os.environ.get("SEAMOUNT_WATCH_SECONDS", "60"))
JOB_RUNS = os.environ.get("SEAMOUNT_RUNS", "/run/seamount/job")  # there while job_run.py has one
HOMES = ("/root", "/home/*")
BUSY_GPU_PERCENT = 5
BUSY_CPUS = 0.5  # of one


def gpu_percent():
    shown = subprocess.run(["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"],
                           capture_output=True, text=True, timeout=60, check=True).stdout
    return max(float(line) for line in shown.split())


def cpu_seconds():
    fields = [float(field) for field in open("/proc/stat").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # without idle and waiting


def a_kernel_computes():
    """Of anybody's Jupyter server; one that has ended leaves its note behind."""
    return any(tried(lambda note=note: _computes(json.loads(open(note).read())))
               for homes in HOMES for note in glob.glob(f"{homes}/.local/share/jupyter/runtime/jpserver-*.json"))


def _computes(server):
    url = f"{server['url']}api/kernels"
    request = urllib.request.Request(url, headers={"Authorization": f"token {server.get('token', '')}"})
    kernels = json.load(urllib.request.urlopen(request, timeout=20))
    return any(kernel["execution_state"] == "busy" for kernel in kernels)


def typed_seconds_ago():
    """Since somebody last typed in a terminal."""
    return min(time.time() - os.stat(path).st_atime for path in glob.glob("/dev/pts/[0-9]*"))


def tried(sign):
    try:
        return sign()
    except Exception:  # no GPU, no Jupyter, no terminal
        return None


class Use:
    """What was seen since the last look."""

    def __init__(self):
        self.at, self.cpu = time.monotonic(), cpu_seconds()

    def sign(self):
        """What shows that the machine is used, in words; None: nothing."""
        now, cpu = time.monotonic(), cpu_seconds()
        passed, used = max(now - self.at, 0.001), cpu - self.cpu
        self.at, self.cpu = now, cpu
        if os.path.exists(JOB_RUNS):
            return "a job runs"
        if (tried(gpu_percent) or 0) >= BUSY_GPU_PERCENT:
            return "its GPU computes"
        if used / passed >= BUSY_CPUS:
            return "its CPU computes"
        if tried(a_kernel_computes):
            return "a notebook kernel computes"
        typed = tried(typed_seconds_ago)
        if typed is not None and typed <= passed + EVERY_SECONDS:
            return "somebody types"
        return None


def watch(limit_seconds, sign, now=time.monotonic, sleep=time.sleep):
    """Returns once nothing has shown use for so long."""
    used = now()
    while True:
        sleep(EVERY_SECONDS)
        if sign():
            used = now()
        if now() - used >= limit_seconds:
            return


if __name__ == "__main__":
    limit = float(metadata("instance/attributes/seamount-idle-seconds"))
    if limit <= 0:
        while True:
            time.sleep(3600)  # not wanted; a service that ends would be started again
    watch(limit, Use().sign)
    end_machine(f"nobody has used it for {limit / 60:.0f} minutes")
    time.sleep(300)

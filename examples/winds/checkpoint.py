"""Checkpoints: one file, replaced whole, that holds everything a run needs to go on bit for bit."""

import hashlib
import json
import os

import numpy as np


def save(path, arrays, step, loader_state):
    """A reader, or a machine that resumes after this one was killed, finds the old checkpoint or the new one."""
    fresh = f"{path}.new"
    with open(fresh, "wb") as file:
        np.savez(file, state=json.dumps({"step": step, "loader": loader_state}), **arrays)
        file.flush()
        os.fsync(file.fileno())  # on a mount: durable in the bucket
    os.replace(fresh, path)


def load(path):
    """(arrays, step, loader state), or None where there is no checkpoint yet."""
    if not os.path.exists(path):
        return None
    with np.load(path) as file:
        state = json.loads(str(file["state"]))
        return {name: file[name] for name in file.files if name != "state"}, state["step"], state["loader"]


def digest(arrays):
    """A fingerprint of every bit of the arrays."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sha.hexdigest()

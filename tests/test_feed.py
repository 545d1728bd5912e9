"""Delivery ahead of the step: nothing is lost or given twice, whoever leaves a loop early and whenever."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import seamount
from loader_support import url, values  # noqa: F401
from seamount.feed import Feed, arrays_of

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = {"variables": ["u", "v"], "inputs": [-2, 0], "targets": [1], "batch_size": 8, "seed": 3}


def kept(batch):
    """As a device would: a copy of the numbers."""
    return batch.index.tolist(), batch.inputs.copy()


def feed_of(loader, ahead=2):
    return Feed(loader, kept, lambda sent: sent, ahead)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "seamount-feed"]


@pytest.fixture
def whole(url):  # noqa: F811
    """What the loader itself hands out in two epochs."""
    loader = seamount.Loader(url, **OPTIONS)
    return [[kept(batch) for batch in loader] for _ in range(2)]


def assert_same(given, expected):
    assert [index for index, _ in given] == [index for index, _ in expected]
    for (_, a), (_, b) in zip(given, expected):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ahead", [1, 2, 20])
def test_epochs_are_the_loaders_own(url, whole, ahead):  # noqa: F811
    feed = feed_of(seamount.Loader(url, **OPTIONS), ahead)
    assert len(feed) == len(whole[0])
    for epoch in whole:
        assert_same(list(feed), epoch)
    assert not threads()


@pytest.mark.parametrize("leave", range(1, 9))
def test_a_loop_left_early_loses_nothing(url, whole, leave):  # noqa: F811
    loader = seamount.Loader(url, **OPTIONS)
    feed = feed_of(loader, 5)
    seen = []
    for item in feed:
        seen.append(item)
        if len(seen) == leave:
            break
    assert not threads()
    expected = whole[0] + whole[1]
    assert feed.state_dict() == loader.state_dict()
    while len(seen) < len(expected):
        seen += list(feed)
    assert_same(seen, expected)


def test_an_iterator_that_nobody_asks_takes_nothing(url, whole):  # noqa: F811
    feed = feed_of(seamount.Loader(url, **OPTIONS))
    iterator = iter(feed)
    del iterator
    assert_same(list(feed), whole[0])


def test_the_state_is_that_of_what_was_handed_out(url, whole):  # noqa: F811
    feed = feed_of(seamount.Loader(url, **OPTIONS), 20)
    states = [feed.state_dict()]
    for _ in feed:
        states.append(feed.state_dict())
    assert len(states) == len(whole[0]) + 1
    for position, state in enumerate(states):
        again = feed_of(seamount.Loader(url, **OPTIONS))
        again.load_state_dict(state)
        assert_same(list(again), whole[0][position:])


def test_a_state_loaded_in_the_middle_of_a_loop_ends_it(url, whole):  # noqa: F811
    feed = feed_of(seamount.Loader(url, **OPTIONS))
    start = feed.state_dict()
    iterator = iter(feed)
    assert next(iterator)[0] == whole[0][0][0]
    feed.load_state_dict(start)
    assert next(iterator, None) is None
    assert_same(list(feed), whole[0])
    iterator = iter(feed)
    assert next(iterator)[0] == whole[1][0][0]
    feed.set_epoch(0)
    assert_same(list(feed), whole[0])


def test_a_new_iteration_ends_the_one_before(url, whole):  # noqa: F811
    feed = feed_of(seamount.Loader(url, **OPTIONS), 3)
    first = iter(feed)
    seen = [next(first), next(first)]
    second = iter(feed)
    seen.append(next(second))
    assert next(first, None) is None and len(threads()) == 1
    assert_same(seen + list(second), whole[0])


def test_an_error_comes_after_the_batches_before_it_and_costs_none(url, whole):  # noqa: F811
    failing = [True]

    def send(batch):
        if failing[0] and batch.index.tolist() == whole[0][2][0]:
            raise MemoryError("the device is full")
        return kept(batch)

    feed = Feed(seamount.Loader(url, **OPTIONS), send, lambda sent: sent, 4)
    seen = []
    with pytest.raises(MemoryError, match="the device is full"):
        for item in feed:
            seen.append(item)
    assert_same(seen, whole[0][:2])
    failing[0] = False
    assert_same(list(feed), whole[0][2:])


def test_no_more_than_ahead_batches_wait(url):  # noqa: F811
    sent, two = [], threading.Semaphore(0)

    def send(batch):
        sent.append(batch.index)
        two.release()
        return batch.index

    feed = Feed(seamount.Loader(url, **OPTIONS), send, lambda sent: sent, 2)
    iterator = iter(feed)
    next(iterator)
    for _ in range(3):  # the one in use, and two that wait
        two.acquire()
    thread = threads()[0]
    next(iterator)
    two.acquire()
    assert len(sent) == 4 and thread.is_alive()


def test_a_program_ends_with_a_loop_unfinished(url):  # noqa: F811
    program = f"""
import seamount
from seamount.feed import Feed
iterator = iter(Feed(seamount.Loader({url!r}, {OPTIONS["variables"]!r}, batch_size=2), lambda b: b, lambda b: b, 1))
print(next(iterator).inputs.shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                          env={"PYTHONPATH": str(ROOT / "python")})
    assert (done.returncode, done.stdout, done.stderr) == (0, "(2, 1, 2, 6, 10)\n", "")


def test_what_cannot_be_ahead_is_refused(url):  # noqa: F811
    for ahead, message in [(0, "expected 1 or more"), (-1, "0 or more"), ("2", "expected an integer")]:
        with pytest.raises(ValueError, match=message):
            feed_of(seamount.Loader(url, **OPTIONS), ahead)


def test_the_parts_of_a_batch(url):  # noqa: F811
    batch = next(iter(seamount.Loader(url, **OPTIONS, fill=0.0)))
    assert set(arrays_of(batch, True)) == {"inputs", "targets", "inputs_missing", "targets_missing", "index"}
    inputs, targets = arrays_of(batch, False)
    assert inputs is batch.inputs and targets is batch.targets
    alone = next(iter(seamount.Loader(url, ["u"])))
    assert arrays_of(alone, False) is alone.inputs and set(arrays_of(alone, True)) == {"inputs", "index"}

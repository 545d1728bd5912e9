"""Several processes share every step: the samples of a step, changes of how many there are, and resuming anywhere."""

from __future__ import annotations

import json
import random
import sys
import types

import pytest
import seamount
from loader_support import OPTIONS, url, values  # noqa: F401
from seamount import Patches

STEP = 24  # samples, divided by any world below


@pytest.fixture
def seed():
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    return seed


def team(url, world, options, state=None):  # noqa: F811
    loaders = [seamount.Loader(url, **(options | {"batch_size": STEP // world}), rank=r, world=world) for r in range(world)]
    for loader in loaders if state else ():
        loader.load_state_dict(json.loads(json.dumps(state)))
    return loaders


def key(batch, i):
    return (int(batch.index[i]), *(() if batch.patch is None else batch.patch[i].tolist()))


def one_step(loaders, iterators):
    """What all ranks got, without what they repeat, and the state that each has then; None at the epoch's end."""
    batches = [next(iterator, None) for iterator in iterators]
    if batches[0] is None:
        assert all(batch is None for batch in batches), "some ranks make more steps than others"
        return None
    assert all(batch is not None and len(batch.index) > 0 for batch in batches)
    states = [loader.state_dict() for loader in loaders]
    assert all(state == states[0] for state in states)
    return sorted(key(b, i) for b in batches for i in range(len(b.index) - b.padding)), states[0]


def random_options(pick):
    options = OPTIONS | {"shuffle": pick.choice(["block", "global", None]), "seed": pick.randint(0, 99),
                         "select": (0, pick.randint(20, 60)), "drop_last": pick.random() < 0.3}
    if options["select"][1] < STEP + 3:
        options["drop_last"] = False
    if pick.random() < 0.4:
        options["patches"] = Patches({"lat": 3, "lon": 4}, wrap="lon", random=pick.randint(1, 2))
    return options


def test_steps_hold_the_same_samples_however_the_number_of_ranks_changes(url, seed):  # noqa: F811
    pick = random.Random(seed)
    for _ in range(12):
        options = random_options(pick)
        alone, expected = team(url, 1, options), []
        for _ in range(2):
            iterators = [iter(loader) for loader in alone]
            while (step := one_step(alone, iterators)) is not None:
                expected.append(step)
            expected.append(None)
        state, at, loaders = None, 0, []
        while at < len(expected):
            # Another team, which resumes where the last one stopped: in an epoch a second time, or at its very end.
            world = pick.choice([1, 2, 3, 8])
            loaders = team(url, world, options, state)
            iterators = [iter(loader) for loader in loaders]
            for _ in range(pick.randint(1, 4)):
                if at == len(expected):
                    break
                step = one_step(loaders, iterators)
                assert step == expected[at]
                at += 1
                if step is None:
                    iterators = [iter(loader) for loader in loaders]
            state = loaders[0].state_dict()


def test_ranks_are_those_of_torch_or_jax_where_they_run(url, monkeypatch):  # noqa: F811
    jax = types.ModuleType("jax")
    jax.distributed = types.SimpleNamespace(is_initialized=lambda: False)
    jax.process_index, jax.process_count = lambda: 2, lambda: 5
    monkeypatch.setitem(sys.modules, "jax", jax)
    assert seamount.Loader(url, **OPTIONS).world == 1
    jax.distributed.is_initialized = lambda: True
    loader = seamount.Loader(url, **OPTIONS)
    assert (loader.rank, loader.world) == (2, 5)
    torch = types.ModuleType("torch.distributed")
    torch.is_available = torch.is_initialized = lambda: True
    torch.get_rank, torch.get_world_size = lambda: 1, lambda: 3
    monkeypatch.setitem(sys.modules, "torch.distributed", torch)
    loader = seamount.Loader(url, **OPTIONS)
    assert (loader.rank, loader.world) == (1, 3)
    given = seamount.Loader(url, **OPTIONS, rank=0, world=1)
    assert (given.rank, given.world) == (0, 1)

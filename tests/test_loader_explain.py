"""What a loader tells of an epoch before it is read, against what it counts while it is."""

from __future__ import annotations

import html.parser

import numpy as np
import pytest
import zarr
from loader_support import LAT, LON, TIMES, url, values, write  # noqa: F401

import seamount

COUNTED = {"chunks_fetched": "chunks_fetched", "bytes_fetched": "bytes_fetched", "bytes_decoded": "bytes_decoded"}


@pytest.fixture
def plain(tmp_path, values):
    """As large stored as decoded, so that bytes are told exactly."""
    group = zarr.create_group(tmp_path / "plain.zarr", zarr_format=3)
    write(group, "u", values["u"], compressors=None)
    write(group, "v", values["v"], chunks=(5, 3, 5), compressors=None)
    return f"file://{tmp_path}/plain.zarr"


@pytest.mark.parametrize("shuffle", [None, "block", "global"])
@pytest.mark.parametrize("memory", ["24KiB", "256MiB"])
def test_both_epochs_are_read_as_they_were_told(plain, shuffle, memory):
    loader = seamount.Loader(plain, ["u", "v"], inputs=[-3, 0], shuffle=shuffle, memory=memory, normalize=False, batch_size=3)
    told = loader.explain()
    assert told.samples == loader.samples and told.batches == len(loader)
    assert told.epoch.chunks == TIMES // 4 + TIMES // 5 * 4
    before = dict.fromkeys(COUNTED, 0) | {"requests": 0}
    for reads in (told.epoch, told.next_epoch):
        for _ in loader:
            pass
        stats = loader.stats()
        for name in (*COUNTED, "requests"):
            assert stats[name] - before[name] == getattr(reads, name), name
        before = stats
    if memory == "256MiB":
        assert told.epoch.reread == 1 and told.next_epoch.chunks_fetched == 0
    elif shuffle == "global":
        assert told.epoch.reread > 1.5
    assert sum(told.memory.values()) == {"24KiB": 24 << 10, "256MiB": 256 << 20}[memory]


def test_it_is_told_of_the_epoch_the_loader_stands_in_and_changes_nothing(plain):
    options = {"memory": "24KiB", "normalize": False, "batch_size": 3, "seed": 5}
    expected = [batch.index.tolist() for batch in seamount.Loader(plain, ["u", "v"], **options)]
    loader = seamount.Loader(plain, ["u", "v"], **options)
    batches = iter(loader)
    seen = [next(batches).index.tolist() for _ in range(4)]
    assert loader.explain().epoch == seamount.Loader(plain, ["u", "v"], **options).explain().epoch
    assert seen + [batch.index.tolist() for batch in batches] == expected


def test_compressed_shards_are_told_about(tmp_path, values):
    group = zarr.create_group(tmp_path / "sharded.zarr", zarr_format=3)
    write(group, "u", np.round(values["u"]), chunks=(1, LAT, LON), shards=(20, LAT, LON))
    loader = seamount.Loader(f"file://{tmp_path}/sharded.zarr", ["u"], shuffle=None, normalize=False)
    told = loader.explain()
    for _ in loader:
        pass
    stats = loader.stats()
    assert told.epoch.chunks_fetched == stats["chunks_fetched"] == TIMES
    assert told.epoch.bytes_fetched == pytest.approx(stats["bytes_fetched"], rel=0.1)
    assert TIMES // 20 == told.epoch.requests <= stats["requests"]


def test_the_way_that_is_given_says_how_fast(plain):
    loader = seamount.Loader(plain, ["u", "v"], normalize=False, memory="256MiB")
    slow = loader.explain(latency=0.1, bandwidth="10KiB")
    assert slow.bottleneck == "network" and slow.bandwidth == pytest.approx(10 << 10, rel=0.3)
    assert slow.samples_per_second == pytest.approx(slow.samples / (slow.epoch.bytes_fetched / slow.bandwidth))
    fast = loader.explain(latency=0, bandwidth=1e18)
    assert fast.bottleneck == "decode" and fast.samples_per_second > slow.samples_per_second
    # So many chunks at once, each a round trip and its own bytes.
    size = fast.epoch.bytes_fetched / fast.epoch.requests
    far = loader.explain(latency=10, bandwidth=1e18)
    assert far.bandwidth == pytest.approx(far.connections * size / 10)
    for given in ({"latency": -1}, {"latency": "slow"}, {"bandwidth": 0}, {"bandwidth": "fast"}, {"bandwidth": "3 furlongs"}):
        with pytest.raises(ValueError, match=next(iter(given))):
            loader.explain(**given)
    for text, number in (("1MiB", 1 << 20), ("2 kb/s", 2048), ("100", 100), ("0.5G", 1 << 29)):
        assert loader.explain(latency=0, bandwidth=text).bandwidth <= number


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_it_shows_itself(plain):
    told = seamount.Loader(plain, ["u"], normalize=False, memory="1MiB").explain(latency=0.05, bandwidth="1MiB")
    text = repr(told)
    assert f"{told.samples} samples in {told.batches} batches" in text and "later epochs" in text and "1 MiB" in text
    tags = Tags()
    tags.feed(told._repr_html_())
    assert tags.open == [] and tags.seen.count("rect") == len(told.memory) + 2
    assert "network" in told._repr_html_()

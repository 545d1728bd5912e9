"""`seamount cost` and `advise` as a person uses them."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from fakes import storage
from fakes.google import FakeGoogle


@pytest.fixture
def run(seamount_binary, tmp_path):
    def command(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([seamount_binary, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                              env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})  # fmt: skip

    return command


def test_the_lines_add_up(run):
    done = run("cost", "--stored", "100GiB", "--read", "50GiB", "--from", "europe-west4", "--reads", "10000", "--gpu", "t4",
               "--hours", "10", "--json")  # fmt: skip
    told = json.loads(done.stdout)
    assert told["usd"] == pytest.approx(sum(line["usd"] for line in told["lines"]))
    by_hand = 100 * 0.02 + 50 * 0.05 + 0.004 + 10 * (0.35 + 4 * 0.031611 + 15 * 0.004237) + 10 * 100 * 0.1 / 730
    assert told["usd"] == pytest.approx(by_hand)
    assert told["prices_of"] in run("cost", "--stored", "1GiB").stdout


@pytest.mark.parametrize(("arguments", "words"), [
    (("--stored", "1GiB", "--location", "mars"), "no price is known for 'mars'"),
    (("--stored", "1GiB", "--class", "warm"), "standard"),
    (("--gpu", "l4"), "--hours"),
    (("--gpu", "k80", "--hours", "1"), "there is no GPU 'k80'"),
    (("--stored", "lots"), "lots"),
])  # fmt: skip
def test_what_has_no_price_is_refused(run, arguments, words):
    refused = run("cost", *arguments)
    assert refused.returncode == 2 and words in refused.stderr


def test_a_bucket_is_counted(run, tmp_path):
    with FakeGoogle() as google:
        google.storage.make_bucket("lab-bucket")
        key = google.iam.make_key("me@lab.iam.gserviceaccount.com", "lab")
        google.iam.grant(key["client_email"], "buckets/lab-bucket", *storage.OBJECT_USER)
        (tmp_path / "key.json").write_text(json.dumps(key))
        (tmp_path / "key.json").chmod(0o600)
        for name in ("a", "b/c"):
            google.storage.put("lab-bucket", name, bytes(3 << 20))
        done = run("cost", "gs://lab-bucket", "--key", "key.json", "--endpoint", google.url, "--json")
        assert json.loads(done.stdout)["usd"] == pytest.approx(6 / 1024 * 0.02), done.stderr


def test_advice_is_the_cheapest_way_and_is_drawn(run, tmp_path):
    arguments = ("advise", "--model", "8GiB", "--data", "30GiB", "--sessions", "3", "--hours", "2", "--lab-mbit", "50")
    told = json.loads(run(*arguments, "--json").stdout)
    possible = [way["usd_with_waiting"] for way in told["ways"] if "impossible" not in way]
    assert possible == sorted(possible) and len(possible) == 4 and len(told["break_even"]) == 3
    shown = run(*arguments, "--plot", "costs.svg")
    assert f"For you: {told['ways'][0]['way']}" in shown.stdout
    drawing = ElementTree.parse(tmp_path / "costs.svg").getroot()
    lines = drawing.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4 and all(len(line.get("points").split()) > 10 for line in lines)
    refused = run(*arguments, "--plot", "nowhere/costs.svg")
    assert refused.returncode == 2 and "cannot be written" in refused.stderr

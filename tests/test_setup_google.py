"""`seamount setup` and `doctor` at Google, over a stand-in that checks each request and takes its time."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from fakes import accounts
from fakes.google import FakeGoogle

ME = "me@example.org"
WRITER = "sm-winds-data@lab.iam.gserviceaccount.com"


class Setup:
    def __init__(self, google: FakeGoogle, binary: str, home: Path):
        self.google, self.binary, self.home = google, binary, home
        google.iam.logins["1//login"] = ME
        google.iam.grant(ME, "projects/lab", *accounts.ADMIN, "storage.buckets.create")
        login = home / ".config/gcloud/application_default_credentials.json"
        login.parent.mkdir(parents=True)
        login.write_text(json.dumps({"type": "authorized_user", "client_id": "id", "client_secret": "secret",
                                     "refresh_token": "1//login", "token_uri": f"{google.url}/token"}))  # fmt: skip
        login.chmod(0o600)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.binary, *command], cwd=self.home, capture_output=True, text=True, timeout=100,
                              env={"HOME": str(self.home), "PATH": os.environ["PATH"],
                                   "SEAMOUNT_GOOGLE_AT": self.google.url, **environment})  # fmt: skip

    def setup(self, *more: str) -> subprocess.CompletedProcess:
        return self.run("setup", "gs://winds-data", "--project", "lab", "--endpoint", self.google.url, "--key", "key.json",
                        *more)  # fmt: skip

    def check(self, name: str, *flags: str, **environment: str) -> dict:
        """What doctor found on that."""
        told = self.run("doctor", "gs://winds-data", "--endpoint", self.google.url, "--key", "key.json", "--json", *flags,
                        **environment)  # fmt: skip
        (check,) = [check for check in json.loads(told.stdout) if check["check"] == name]
        return check

    def key(self) -> dict:
        assert (self.home / "key.json").stat().st_mode & 0o777 == 0o600
        return json.loads((self.home / "key.json").read_text())


@pytest.fixture
def me(seamount_binary, tmp_path):
    with FakeGoogle() as google:
        yield Setup(google, seamount_binary, tmp_path)


def test_a_bucket_is_private_and_forgives(me):
    done = me.setup("--location", "europe-west4")
    assert done.returncode == 0, done.stderr
    bucket = me.google.storage.bucket_admin.resources["winds-data"]
    assert bucket["iamConfiguration"] == {"uniformBucketLevelAccess": {"enabled": True},
                                          "publicAccessPrevention": "enforced"}  # fmt: skip
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": "604800"}
    assert bucket["versioning"] == {"enabled": True} and bucket["location"] == "europe-west4"
    assert bucket["lifecycle"]["rule"][0]["condition"] == {"daysSinceNoncurrentTime": 7}
    assert me.key()["client_email"] == WRITER
    assert me.google.storage.bucket_admin.policies["winds-data"]["bindings"] == [
        {"role": "roles/storage.objectUser", "members": [f"serviceAccount:{WRITER}"]}]  # fmt: skip
    assert me.google.storage.buckets["winds-data"] == {}  # the probe is gone
    before = dict(me.google.storage.bucket_admin.policies["winds-data"])
    assert me.setup().returncode == 0
    assert me.google.storage.bucket_admin.policies["winds-data"] == before


def test_it_waits_until_google_knows_what_was_just_made(me):
    me.google.storage.bucket_admin.unknown_members = 1
    me.google.accounts.unknown = 1
    done = me.setup()
    assert done.returncode == 0, done.stderr
    assert len(me.google.iam.keys) == 1


@pytest.mark.parametrize("asked_for", [False, True])
def test_where_keys_are_forbidden_it_goes_on_without_one(me, asked_for):
    me.google.accounts.keys_forbidden = not asked_for
    done = me.setup(*(["--keyless"] if asked_for else []), "--role", "reader")
    assert done.returncode == 0, done.stderr
    assert not me.google.iam.keys
    credential = me.key()
    assert credential["type"] == "impersonated_service_account" and "private_key" not in credential
    assert "refresh_token" not in json.dumps(credential) and "1//login" not in done.stdout + done.stderr
    (account,) = me.google.accounts.policies
    assert me.google.accounts.policies[account]["bindings"] == [
        {"role": "roles/iam.serviceAccountTokenCreator", "members": [f"user:{ME}"]}]  # fmt: skip
    assert "no secret" in done.stdout and f"user:{ME}" in done.stdout
    # It lists, as the account; and it reaches no other bucket, though the account itself might.
    me.google.storage.put("winds-data", "a", b"a")
    use = ("--endpoint", me.google.url, "--key", "key.json")
    assert "a" in me.run("ls", "gs://winds-data", *use).stdout
    me.google.storage.make_bucket("other")
    me.google.iam.grant(account, "buckets/other", "storage.objects.list")
    assert me.run("ls", "gs://other", *use).returncode == 5
    again = me.setup("--role", "reader")  # a second run finds all in place
    assert again.returncode == 0, again.stderr
    assert me.key() == credential
    doctor = me.run("doctor", "gs://winds-data", "--read-only", *use)
    assert "holds no secret, and acts as" in doctor.stdout


def test_whose_login_tells_no_name_is_asked_for_it(me):
    me.google.iam.logins["1//login"] = "nameless"
    me.google.iam.grant("nameless", "projects/lab", *accounts.ADMIN, "storage.buckets.create")
    refused = me.setup("--keyless")
    assert refused.returncode == 2 and "--user you@example.org" in refused.stderr
    assert not (me.home / "key.json").exists()


def test_a_missing_right_is_named(me):
    me.google.iam.grants.remove((ME, "iam.serviceAccounts.create", "projects/lab"))
    refused = me.setup()
    assert refused.returncode == 5 and "iam.serviceAccounts.create" in refused.stderr
    assert not (me.home / "key.json").exists()


def test_the_page_on_identity_runs(me):
    page = (Path(__file__).resolve().parent.parent / "docs" / "identity.md").read_text()
    blocks = re.findall(r"^<!-- run: google -->\n```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    tools = me.home / "bin"
    tools.mkdir()
    (tools / "seamount").symlink_to(me.binary)
    environment = {"HOME": str(me.home), "PATH": f"{tools}:{os.environ['PATH']}", "SEAMOUNT_GOOGLE_AT": me.google.url,
                   "STORAGE_EMULATOR_HOST": me.google.url}  # fmt: skip
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(blocks).replace("--read-only", "--read-only || true")],
                          cwd=me.home, env=environment, capture_output=True, text=True, timeout=100)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "key age" in done.stdout and "no secret" in done.stdout


DAY = 86400


@pytest.mark.parametrize(("age", "lasts", "finding", "words"), [
    (3 * DAY, 3650 * DAY, "ok", "made"),
    (200 * DAY, 3650 * DAY, "warn", "leaked"),
    (80 * DAY, 83 * DAY, "warn", "expires in"),
    (20 * DAY, 10 * DAY, "fail", "expired"),
])  # fmt: skip
def test_doctor_tells_the_age_of_a_key_and_when_it_ends(me, age, lasts, finding, words):
    assert me.setup().returncode == 0
    me.google.iam.key_made, me.google.iam.key_seconds = me.google.clock.now() - age, lasts
    told = json.loads(me.run("doctor", "--endpoint", me.google.url, "--key", "key.json", "--json").stdout)
    (check,) = [check for check in told if check["check"] == "key age"]
    assert check["finding"] == finding and words in check["detail"] + check["advice"]
    assert finding == "ok" or "seamount setup" in check["advice"]


def test_doctor_tells_that_a_key_was_taken_back(me):
    assert me.setup().returncode == 0
    me.google.iam.keys.clear()
    told = json.loads(me.run("doctor", "--endpoint", me.google.url, "--key", "key.json", "--json").stdout)
    (check,) = [check for check in told if check["check"] == "key age"]
    assert check["finding"] == "fail" and "not there any more" in check["detail"]


def test_doctor_tells_that_the_clock_is_wrong(me):
    assert me.setup().returncode == 0
    me.google.clock.advance(600)
    told = json.loads(me.run("doctor", "--endpoint", me.google.url, "--key", "key.json", "--json").stdout)
    (check,) = [check for check in told if check["check"] == "clock"]
    assert check["finding"] == "fail" and "timedatectl" in check["advice"]


def test_doctor_tells_what_a_key_may_beyond_its_purpose(me):
    assert me.setup().returncode == 0
    assert me.check("rights there")["finding"] == "ok"
    reading = me.check("rights there", "--read-only")
    assert reading["finding"] == "warn" and "does not need: create, overwrite and delete" in reading["detail"]
    assert "seamount setup gs://winds-data --role reader" in reading["advice"]
    me.google.iam.grant(WRITER, "buckets/winds-data", "storage.buckets.setIamPolicy")
    administrator = me.check("rights there")
    assert administrator["finding"] == "warn" and "does not need: administer" in administrator["detail"]
    assert "--role writer" in administrator["advice"] and "seamount keys rm" in administrator["advice"]


def test_doctor_tells_what_a_key_may_in_the_whole_project(me):
    assert me.setup().returncode == 0
    assert me.check("project")["finding"] == "ok"
    me.google.iam.grant(WRITER, "projects/lab", "compute.instances.create", "storage.buckets.delete")
    found = me.check("project")
    assert found["finding"] == "warn" and "start machines, delete buckets" in found["detail"]
    assert "gcloud projects remove-iam-policy-binding lab" in found["advice"] and WRITER in found["advice"]
    me.google.projects.is_off = True
    untold = me.check("project")
    assert untold["finding"] == "ok" and "are not told" in untold["detail"] and "disabled" in untold["detail"]


@pytest.mark.parametrize(("location", "finding", "words"), [
    ("us-central1", "ok", "reading costs no traffic"),
    ("europe-west4", "warn", "--region europe-west4"),
    ("EU", "warn", "--location us-central1"),
])  # fmt: skip
def test_doctor_tells_that_a_machine_lies_far_from_the_bucket(me, location, finding, words):
    assert me.setup("--location", location).returncode == 0
    me.google.iam.grant(WRITER, "buckets/winds-data", "storage.buckets.get")
    me.google.metadata.machine = ("us-central1-a", "seamount-train")
    host = me.google.url.removeprefix("http://")
    found = me.check("place", GCE_METADATA_HOST=host)
    assert found["finding"] == finding and "this machine is in us-central1" in found["detail"]
    assert words in found["detail"] + found["advice"]


def test_a_key_file_of_another_project_is_named(me):
    elsewhere = me.google.iam.make_key("sm-winds-data@elsewhere.iam.gserviceaccount.com", "elsewhere")
    me.google.iam.accounts.remove("sm-winds-data@elsewhere.iam.gserviceaccount.com")
    (me.home / "key.json").write_text(json.dumps(elsewhere))
    (me.home / "key.json").chmod(0o600)
    refused = me.setup()
    assert refused.returncode != 0 and "does not exist" in refused.stderr
    assert "'key.json' is there already" in refused.stderr and "in project 'elsewhere'" in refused.stderr
    assert json.loads((me.home / "key.json").read_text()) == elsewhere

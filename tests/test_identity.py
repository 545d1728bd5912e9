"""Every kind of credential, against google-auth: the same file asks the same of the same services, and is the same person."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import parse_qs, unquote

import google.auth.downscoped
import google.auth.iam
import pytest
from fakes import storage
from fakes.google import FakeGoogle
from google.auth import identity_pool, impersonated_credentials, pluggable
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials as UserCredentials

ME, ROBOT, BETWEEN = "me@example.org", "sm-lab@lab.iam.gserviceaccount.com", "between@lab.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
SUBJECT = "eyJ.subject-token.of-another-provider"


@pytest.fixture
def fake():
    with FakeGoogle() as running:
        running.storage.make_bucket("lab-bucket")
        running.iam.make_account(ROBOT)
        running.iam.make_account(BETWEEN)
        running.iam.logins["1//refresh-token-of-me"] = ME
        running.iam.federated[POOL, ID_TOKEN, SUBJECT] = "principal://pool/me"
        for member in (ME, ROBOT, "principal://pool/me", "key@lab.iam.gserviceaccount.com"):
            running.iam.grant(member, "buckets/lab-bucket", *storage.OBJECT_USER)
        yield running


@pytest.fixture
def ls(fake, seamount_binary, tmp_path):
    """Lists the bucket by a credential; returns who it was, and what was asked for tokens on the way."""

    def run(credential: dict, url: str = "gs://lab-bucket", **environment) -> tuple[str, list, subprocess.CompletedProcess]:
        path = tmp_path / "credential.json"
        path.write_text(json.dumps(credential))
        path.chmod(0o600)
        first = len(fake.requests)
        done = subprocess.run([seamount_binary, "-vv", "ls", url, "--endpoint", fake.url, "--key", str(path)],
                              env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **environment},
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        asked = fake.requests[first:]
        for secret in (SUBJECT, "1//refresh-token-of-me", "secret-of-client", *fake.iam.tokens):
            assert secret not in done.stdout + done.stderr
        members = [request.member for request in asked if request.path.startswith("/storage/")]
        return (members or [""])[-1], token_requests(asked), done

    return run


def token_requests(requests) -> list:
    """Path and content of each; what differs from run to run (tokens, signatures) by kind."""
    shown = []
    for request in requests:
        if request.path.endswith(":generateAccessToken"):
            body = json.loads(request.body)
            shown.append((request.path, body["scope"], body["lifetime"], body.get("delegates") or []))
        elif request.path in ("/token", "/v1/token"):
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            for secret in ("assertion", "subject_token"):
                if form.get(secret, "").startswith(("ya29.", "ey")) and form[secret] != SUBJECT:
                    form[secret] = "…"
            shown.append((request.path, {name: value for name, value in form.items() if name != "options"},
                          json.loads(unquote(form["options"])) if "options" in form else None))  # fmt: skip
    return shown


def by_google_auth(fake, credentials) -> tuple[str, list]:
    first = len(fake.requests)
    credentials.refresh(Request())
    return fake.iam.tokens[credentials.token][0], token_requests(fake.requests[first:])


def external(fake, source: dict, **more) -> dict:
    return {"type": "external_account", "audience": POOL, "subject_token_type": ID_TOKEN,
            "token_url": f"{fake.url}/v1/token", "credential_source": source, **more}  # fmt: skip


def from_file(tmp_path, content: str, **form) -> dict:
    path = tmp_path / "subject-token"
    path.write_text(content)
    return {"file": str(path), **form}


AS_JSON = {"format": {"type": "json", "subject_token_field_name": "id"}}


@pytest.mark.parametrize("kind", ["text", "json", "url", "executable"])
def test_a_federated_identity(fake, ls, tmp_path, monkeypatch, kind):
    environment = {}
    if kind == "text":
        source = from_file(tmp_path, SUBJECT)
    elif kind == "json":
        source = from_file(tmp_path, json.dumps({"id": SUBJECT}), **AS_JSON)
    elif kind == "url":
        fake.subject_token = json.dumps({"id": SUBJECT})
        source = {"url": f"{fake.url}/subject-token?audience=x", "headers": {"X-Identity": "yes"}, **AS_JSON}
    else:
        program = tmp_path / "program"
        answer = {"version": 1, "success": True, "token_type": ID_TOKEN, "id_token": SUBJECT,
                  "expiration_time": 4102444800}  # fmt: skip
        program.write_text(f"#!{sys.executable}\nimport json, os\n"
                           "assert os.environ['GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE'] == '0'\n"
                           f"assert os.environ['GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE'] == {POOL!r}\n"
                           f"print(json.dumps({answer!r}))\n")  # fmt: skip
        program.chmod(0o700)
        source = {"executable": {"command": f"{program} --now", "timeout_millis": 30000}}
        _, asked, refused = ls(external(fake, source))
        assert refused.returncode == 5 and "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES" in refused.stderr and not asked
        environment = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
        monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    credential = external(fake, source)
    who, asked, done = ls(credential, **environment)
    assert done.returncode == 0, done.stderr
    oracle = (pluggable if kind == "executable" else identity_pool).Credentials.from_info(credential, scopes=SCOPES)
    assert (who, asked) == by_google_auth(fake, oracle)
    assert who == "principal://pool/me"


def test_a_federated_identity_that_acts_as_an_account(fake, ls, tmp_path):
    fake.iam.grant("principal://pool/me", f"accounts/{ROBOT}", "iam.serviceAccounts.getAccessToken")
    url = f"{fake.url}/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"
    credential = external(fake, from_file(tmp_path, SUBJECT), service_account_impersonation_url=url)
    who, asked, done = ls(credential)
    assert done.returncode == 0, done.stderr
    oracle = identity_pool.Credentials.from_info(credential, scopes=SCOPES)
    assert (who, asked) == by_google_auth(fake, oracle) and who == ROBOT


def test_a_login(fake, ls):
    credential = {"type": "authorized_user", "client_id": "id", "client_secret": "secret-of-client",
                  "refresh_token": "1//refresh-token-of-me", "token_uri": f"{fake.url}/token"}  # fmt: skip
    who, asked, done = ls(credential)
    assert done.returncode == 0, done.stderr
    oracle = UserCredentials(None, refresh_token="1//refresh-token-of-me", client_id="id",
                             client_secret="secret-of-client", token_uri=f"{fake.url}/token")  # fmt: skip
    assert (who, asked) == by_google_auth(fake, oracle) and who == ME
    fake.iam.logins.clear()
    _, _, refused = ls(credential)
    assert refused.returncode == 6 and "gcloud auth application-default login" in refused.stderr


@pytest.mark.parametrize("delegates", [[], [f"projects/-/serviceAccounts/{BETWEEN}"]])
def test_acting_as_an_account(fake, ls, monkeypatch, delegates):
    source = fake.iam.make_key("key@lab.iam.gserviceaccount.com", "lab")
    chain = ["key@lab.iam.gserviceaccount.com", *([BETWEEN] if delegates else []), ROBOT]
    for who, whom in zip(chain, chain[1:], strict=False):
        fake.iam.grant(who, f"accounts/{whom}", "iam.serviceAccounts.getAccessToken")
    url = f"{fake.url}/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"
    credential = {"type": "impersonated_service_account", "service_account_impersonation_url": url,
                  "delegates": delegates, "source_credentials": source}  # fmt: skip
    who, asked, done = ls(credential)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(google.auth.iam, "_IAM_ENDPOINT", f"{fake.url}/v1/projects/-/serviceAccounts/{{}}"
                                                          ":generateAccessToken")  # fmt: skip
    oracle = impersonated_credentials.Credentials.from_impersonated_service_account_info(credential, scopes=SCOPES)
    found, wanted = by_google_auth(fake, oracle)
    assert who == found == ROBOT
    assert asked[-1] == wanted[-1] and [request[0] for request in asked] == [request[0] for request in wanted]
    fake.iam.grants = [grant for grant in fake.iam.grants if grant[1] != "iam.serviceAccounts.getAccessToken"]
    _, _, refused = ls(credential)
    assert refused.returncode == 5 and "roles/iam.serviceAccountTokenCreator" in refused.stderr


def boundary(prefix: str) -> dict:
    where = "projects/_/buckets/lab-bucket/objects/" + prefix
    listed = f"api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('{prefix}')"
    return {"accessBoundary": {"accessBoundaryRules": [{
        "availableResource": "//storage.googleapis.com/projects/_/buckets/lab-bucket",
        "availablePermissions": ["inRole:roles/storage.objectViewer"],
        "availabilityCondition": {"expression": f"resource.name.startsWith('{where}') || {listed}"}}]}}  # fmt: skip


def test_a_narrowed_token_reaches_no_further(fake, ls, monkeypatch):
    source = fake.iam.make_key("key@lab.iam.gserviceaccount.com", "lab")
    fake.iam.grant("key@lab.iam.gserviceaccount.com", f"accounts/{ROBOT}", "iam.serviceAccounts.getAccessToken")
    url = f"{fake.url}/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"
    credential = {"type": "impersonated_service_account", "service_account_impersonation_url": url,
                  "source_credentials": source, "access_boundary": boundary("mine/"),
                  "token_url": f"{fake.url}/v1/token"}  # fmt: skip
    fake.storage.put("lab-bucket", "mine/a", b"a")
    who, asked, done = ls(credential, "gs://lab-bucket/mine/")
    assert done.returncode == 0, done.stderr
    assert who == ROBOT and asked[-1][0] == "/v1/token"
    monkeypatch.setattr(google.auth.downscoped, "_STS_TOKEN_URL_PATTERN", f"{fake.url}/v1/token")
    inner = service_account.Credentials.from_service_account_info(source, scopes=SCOPES)
    narrowed = google.auth.downscoped.Credentials(inner, google.auth.downscoped.CredentialAccessBoundary([
        google.auth.downscoped.AccessBoundaryRule(
            available_resource=rule["availableResource"], available_permissions=rule["availablePermissions"],
            availability_condition=google.auth.downscoped.AvailabilityCondition(
                rule["availabilityCondition"]["expression"]))
        for rule in boundary("mine/")["accessBoundary"]["accessBoundaryRules"]]))  # fmt: skip
    _, wanted = by_google_auth(fake, narrowed)
    assert asked[-1] == wanted[-1]
    _, _, refused = ls(credential, "gs://lab-bucket/theirs/")
    assert refused.returncode == 5


@pytest.mark.parametrize(("change", "words"), [
    ({"credential_source": {}}, "none of file, url, executable"),
    ({"credential_source": {"environment_id": "aws1"}}, "AWS"),
    ({"credential_source": {"file": "/nowhere"}}, "/nowhere"),
    ({"credential_source": 3}, "not a JSON object"),
    ({"token_url": "ftp://x"}, "ftp"),
    ({"audience": None}, "audience"),
    ({"subject_token_type": "urn:x"}, "not known to this audience"),
    ({"service_account_impersonation_url": "http://127.0.0.1:1/x"}, "generateAccessToken"),
])  # fmt: skip
def test_what_is_wrong_in_the_file_is_named(fake, ls, tmp_path, change, words):
    credential = external(fake, from_file(tmp_path, SUBJECT))
    credential.update(change)
    _, _, refused = ls({name: value for name, value in credential.items() if value is not None})
    assert refused.returncode in (2, 6) and words in refused.stderr, refused.stderr


def test_a_program_that_hangs_or_fails_is_ended(ls, fake, tmp_path):
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho \'{"version": 1, "success": false, "code": "401", "message": "log in first"}\'\n')
    program.chmod(0o700)
    allowed = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
    _, _, refused = ls(external(fake, {"executable": {"command": str(program)}}), **allowed)
    assert refused.returncode == 6 and "401 log in first" in refused.stderr
    program.write_text("#!/bin/sh\nhead -c 200000 /dev/zero\n")
    _, _, refused = ls(external(fake, {"executable": {"command": str(program)}}), **allowed)
    assert refused.returncode == 2 and "more than 64 KiB" in refused.stderr


def test_no_token_goes_to_a_server_that_it_is_not_for(fake, ls, tmp_path):
    credential = external(fake, from_file(tmp_path, SUBJECT), token_url="https://sts.googleapis.com/v1/token")
    who, asked, refused = ls(credential)
    assert refused.returncode == 5 and not who and not asked

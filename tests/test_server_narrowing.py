"""Rights on a part of a bucket of our server, as Google's own libraries ask for them, and as a credential file of ours."""

from __future__ import annotations

import datetime
import json
import subprocess

import google.auth.downscoped
import google.auth.iam
import pytest
import requests
from google.api_core.exceptions import Forbidden
from google.auth import impersonated_credentials
from google.auth.transport.requests import Request
from google.cloud import storage
from google.oauth2 import service_account

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
BUCKET = "winds"
ON_RAW = (f"resource.name.startsWith('projects/_/buckets/{BUCKET}/objects/raw/') || "
          "api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('raw/')")  # fmt: skip


@pytest.fixture
def lab(server):
    """A bucket with objects in two folders, an account without rights, and the administrator's credentials."""
    admin = service_account.Credentials.from_service_account_file(str(server.admin_key), scopes=SCOPES)
    owner = client(server, admin)
    bucket = owner.create_bucket(BUCKET)
    for name in ("raw/a", "fine/a"):
        bucket.blob(name).upload_from_string(name)
    admin.refresh(Request())
    headers = {"Authorization": f"Bearer {admin.token}"}
    accounts = f"{server.endpoint}/v1/projects/lab/serviceAccounts"
    email = requests.post(accounts, json={"accountId": "reader"}, headers=headers, timeout=30).json()["email"]
    return bucket, admin, email


def client(server, credentials) -> storage.Client:
    return storage.Client(project="lab", credentials=credentials, client_options={"api_endpoint": server.endpoint})


def acting(server, monkeypatch, source, email: str) -> impersonated_credentials.Credentials:
    monkeypatch.setattr(google.auth.iam, "_IAM_ENDPOINT",
                        f"{server.endpoint}/v1/projects/-/serviceAccounts/{{}}:generateAccessToken")  # fmt: skip
    return impersonated_credentials.Credentials(source, email, SCOPES, lifetime=600)


def check_raw_alone(bucket: storage.Bucket) -> None:
    assert bucket.blob("raw/a").download_as_bytes() == b"raw/a"
    assert [blob.name for blob in bucket.list_blobs(prefix="raw/")] == ["raw/a"]
    for forbidden in (lambda: bucket.blob("fine/a").download_as_bytes(), lambda: list(bucket.list_blobs()),
                      lambda: bucket.blob("raw/a").upload_from_string("x")):  # fmt: skip
        with pytest.raises(Forbidden):
            forbidden()


def test_a_condition_that_googles_client_sets(server, lab, monkeypatch):
    bucket, admin, email = lab
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.version = 3
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {f"serviceAccount:{email}"},
                            "condition": {"title": "raw alone", "expression": ON_RAW}})  # fmt: skip
    bucket.set_iam_policy(policy)
    assert bucket.get_iam_policy(requested_policy_version=3).bindings[-1]["condition"]["expression"] == ON_RAW
    reader = client(server, acting(server, monkeypatch, admin, email))
    check_raw_alone(reader.bucket(BUCKET))


def test_googles_narrowed_token(server, lab, monkeypatch):
    _, admin, _ = lab
    monkeypatch.setattr(google.auth.downscoped, "_STS_TOKEN_URL_PATTERN", f"{server.endpoint}/v1/token")
    rule = google.auth.downscoped.AccessBoundaryRule(
        available_resource=f"//storage.googleapis.com/projects/_/buckets/{BUCKET}",
        available_permissions=["inRole:roles/storage.objectViewer"],
        availability_condition=google.auth.downscoped.AvailabilityCondition(ON_RAW))  # fmt: skip
    narrowed = google.auth.downscoped.Credentials(admin, google.auth.downscoped.CredentialAccessBoundary([rule]))
    narrowed.refresh(Request())
    assert narrowed.expiry - datetime.datetime.now(datetime.UTC).replace(tzinfo=None) <= datetime.timedelta(hours=1)
    check_raw_alone(client(server, narrowed).bucket(BUCKET))


def test_a_credential_file_without_a_key_of_the_account(server, lab, seamount_binary, tmp_path):
    bucket, _, email = lab
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {f"serviceAccount:{email}"}})
    bucket.set_iam_policy(policy)
    rule = {"availableResource": f"//storage.googleapis.com/projects/_/buckets/{BUCKET}",
            "availablePermissions": ["inRole:roles/storage.objectViewer"],
            "availabilityCondition": {"expression": ON_RAW}}  # fmt: skip
    credential = {"type": "impersonated_service_account",
                  "service_account_impersonation_url":
                      f"{server.endpoint}/v1/projects/-/serviceAccounts/{email}:generateAccessToken",
                  "source_credentials": json.loads(server.admin_key.read_text()),
                  "access_boundary": {"accessBoundary": {"accessBoundaryRules": [rule]}},
                  "token_url": f"{server.endpoint}/v1/token"}  # fmt: skip
    path = tmp_path / "credential.json"
    path.write_text(json.dumps(credential))
    path.chmod(0o600)

    def ls(folder: str) -> subprocess.CompletedProcess:
        return subprocess.run([seamount_binary, "ls", f"gs://{BUCKET}/{folder}", "--endpoint", server.endpoint, "--key", str(path)],
                              capture_output=True, text=True, timeout=60)  # fmt: skip

    there = ls("raw/")
    assert there.returncode == 0 and "raw/a" in there.stdout, there.stderr
    refused = ls("fine/")
    assert refused.returncode == 5 and "its token is narrowed" in refused.stderr

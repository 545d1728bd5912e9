"""The stand-in for Google, held to Google's own client libraries: what they send is taken, what Google refuses is refused."""

from __future__ import annotations

import copy
import uuid

import pytest
import requests
from fakes import compute
from fakes.google import FakeGoogle
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

INSTANCE = {
    "name": "train",
    "machineType": "zones/us-central1-a/machineTypes/g2-standard-8",
    "labels": {"seamount": "vm"},
    "disks": [{"boot": True, "autoDelete": True, "initializeParams": {
        "sourceImage": "projects/debian-cloud/global/images/family/debian-12", "diskSizeGb": "50"}}],
    "networkInterfaces": [{"network": "global/networks/default"}],
    "scheduling": {"onHostMaintenance": "TERMINATE", "automaticRestart": False, "provisioningModel": "SPOT",
                   "instanceTerminationAction": "DELETE", "maxRunDuration": {"seconds": "3600"}},
}  # fmt: skip
WHERE = {"project": "lab", "zone": "us-central1-a"}


@pytest.fixture
def google():
    with FakeGoogle() as running:
        yield running


@pytest.fixture
def key(google):
    made = google.iam.make_key("me@lab.iam.gserviceaccount.com", "lab")
    google.iam.grant(made["client_email"], "projects/lab", *compute.USER)
    return made


@pytest.fixture
def client(google, key):
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials = service_account.Credentials.from_service_account_info(key, scopes=scopes)
    return build("compute", "v1", credentials=credentials, static_discovery=True,
                 client_options={"api_endpoint": f"{google.url}/compute/v1/"})  # fmt: skip


def changed(**parts) -> dict:
    body = copy.deepcopy(INSTANCE)
    for path, value in parts.items():
        *above, last = path.split("__")
        inner = body
        for name in above:
            inner = inner[name]
        if value is None:
            inner.pop(last)
        else:
            inner[last] = value
    return body


def done(client, operation: dict) -> dict:
    return client.zoneOperations().wait(**WHERE, operation=operation["name"]).execute()


def refusal(client, body: dict, **more) -> HttpError:
    with pytest.raises(HttpError) as caught:
        client.instances().insert(**WHERE, body=body, **more).execute()
    return caught.value


def test_a_machine_is_made_listed_and_deleted(google, client):
    operation = client.instances().insert(**WHERE, body=INSTANCE).execute()
    assert operation["status"] == "RUNNING"
    assert client.instances().get(**WHERE, instance="train").execute()["status"] == "PROVISIONING"
    assert done(client, operation)["status"] == "DONE"
    found = client.instances().aggregatedList(project="lab", filter="labels.seamount=vm").execute()["items"]
    assert [item["status"] for item in found["zones/us-central1-a"]["instances"]] == ["RUNNING"]
    assert google.compute.paid() == [("us-central1-a", "train")]
    done(client, client.instances().delete(**WHERE, instance="train").execute())
    assert google.compute.paid() == []


@pytest.mark.parametrize(("part", "value", "words"), [
    ("machineTyp", "x", "Unknown name"),
    ("disks", "none", "array"),
    ("scheduling__provisioningModel", "CHEAP", "Invalid value"),
    ("name", "Train", "Invalid value"),
    ("name", None, "Required field"),
    ("machineType", "zones/us-central1-a/machineTypes/g9-standard-8", "does not exist"),
    ("disks", [], "Boot disk"),
    ("networkInterfaces", [], "network interface"),
    ("labels", {"Owner": "me"}, "labels"),
    ("serviceAccounts", [{"email": "no@lab.iam.gserviceaccount.com", "scopes": []}], "not found"),
    ("scheduling__onHostMaintenance", "MIGRATE", "live migration"),
    ("scheduling__automaticRestart", True, "automaticRestart"),
    ("scheduling__instanceTerminationAction", None, "instanceTerminationAction must"),
    ("scheduling__maxRunDuration", {"seconds": "5"}, "maxRunDuration"),
    ("scheduling__provisioningModel", "FLEX_START", "NO_RESERVATION"),
    ("guestAccelerators", [{"acceleratorType": "zones/us-central1-a/acceleratorTypes/nvidia-tesla-t4",
                            "acceleratorCount": 1}], "not compatible"),
])  # fmt: skip
def test_what_google_refuses_is_refused_and_nothing_is_made(google, client, part, value, words):
    refused = refusal(client, changed(**{part: value}))
    assert refused.status_code == 400 and words in refused.reason
    assert google.compute.inserted == []


def test_a_small_h100_machine_is_spot_or_flex_start_only(client):
    body = changed(machineType="zones/us-central1-a/machineTypes/a3-highgpu-1g")
    body["scheduling"]["provisioningModel"] = "STANDARD"
    assert "SPOT or FLEX_START" in refusal(client, body).reason


@pytest.mark.parametrize("missing", ["compute.instances.create", "compute.instances.setLabels", "compute.disks.create"])
def test_every_part_of_a_machine_takes_a_right(google, client, key, missing):
    google.iam.grants.remove((key["client_email"], missing, "projects/lab"))
    refused = refusal(client, INSTANCE)
    assert refused.status_code == 403 and missing in refused.reason


def test_the_same_request_id_makes_one_machine(google, client):
    request_id = str(uuid.uuid4())
    first, second = (client.instances().insert(**WHERE, body=INSTANCE, requestId=request_id).execute() for _ in range(2))
    assert first["name"] == second["name"] and google.compute.inserted == [("us-central1-a", "train")]
    assert refusal(client, changed(name="other"), requestId=request_id).status_code == 400
    assert refusal(client, INSTANCE, requestId="again").status_code == 400
    assert refusal(client, INSTANCE, requestId=str(uuid.uuid4())).status_code == 409  # the name is taken
    google.clock.advance(2 * compute.REMEMBERED_SECONDS)  # its time is over, and the requestId forgotten
    again = client.instances().insert(**WHERE, body=INSTANCE, requestId=request_id).execute()
    assert again["name"] != first["name"]


@pytest.mark.parametrize("at_once", [False, True])
def test_quota_names_metric_limit_and_region(google, client, at_once):
    google.compute.limits["us-central1", "PREEMPTIBLE_NVIDIA_L4_GPUS"] = 0
    google.compute.quota_at_once = at_once
    if at_once:
        refused = refusal(client, INSTANCE)
        assert refused.status_code == 403 and "PREEMPTIBLE_NVIDIA_L4_GPUS" in refused.reason
        return
    error = done(client, client.instances().insert(**WHERE, body=INSTANCE).execute())["error"]["errors"][0]
    assert error["code"] == "QUOTA_EXCEEDED" and error["errorDetails"][0]["quotaInfo"]["limit"] == 0
    assert google.compute.paid() == []


def test_a_stock_out_names_zones_that_have_room(google, client):
    google.compute.stock_out.add(("us-central1-a", "nvidia-l4"))
    error = done(client, client.instances().insert(**WHERE, body=INSTANCE).execute())["error"]["errors"][0]
    assert error["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
    zones = error["errorDetails"][0]["errorInfo"]["metadatas"]["zonesAvailable"].split(",")
    assert "us-central1-c" in zones and "us-central1-a" not in zones
    assert google.compute.paid() == []


def test_time_and_preemption_end_a_machine(google, client):
    done(client, client.instances().insert(**WHERE, body=INSTANCE).execute())
    google.clock.advance(3500)
    assert google.compute.paid()
    google.clock.advance(200)
    assert google.compute.paid() == []
    done(client, client.instances().insert(**WHERE, body=INSTANCE).execute())
    google.compute.preempt("train")
    assert google.compute.paid() == []


def test_lists_may_lag_behind(google, client):
    google.compute.list_lag_seconds = 60
    done(client, client.instances().insert(**WHERE, body=INSTANCE).execute())
    listed = client.instances().aggregatedList(project="lab").execute()["items"]
    assert not any(zone["instances"] for zone in listed.values())
    google.clock.advance(60)
    listed = client.instances().aggregatedList(project="lab").execute()["items"]
    assert listed["zones/us-central1-a"]["instances"]


def test_tokens_are_checked_and_expire(google, key):
    credentials = service_account.Credentials.from_service_account_info(key, scopes=["s"])
    credentials.refresh(Request())
    url = f"{google.url}/compute/v1/projects/lab/regions"
    headers = {"Authorization": f"Bearer {credentials.token}"}
    assert requests.get(url, headers=headers).status_code == 200
    assert requests.get(url).status_code == 401
    google.clock.advance(3600)
    assert requests.get(url, headers=headers).status_code == 401
    forged = {**key, "private_key_id": google.iam.make_key("other@lab.iam.gserviceaccount.com", "lab")["private_key_id"]}
    with pytest.raises(RefreshError):
        service_account.Credentials.from_service_account_info(forged, scopes=["s"]).refresh(Request())


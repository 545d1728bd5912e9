"""Every answer against Google's published schema (the discovery document of storage v1, as google-api-python-client
ships it), and every parameter of the methods served: followed or refused, never passed over where that does harm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import googleapiclient
import pytest
import requests
from test_clients import Lab, content

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
DISCOVERY = json.loads((DOCUMENTS / "storage.v1.json").read_text())

# What each parameter of the methods below comes to. A parameter that Google adds fails the test until it is here.
FOLLOWED = {
    "contentEncoding", "delimiter", "endOffset", "generation", "ifGenerationMatch", "ifGenerationNotMatch",
    "ifMetagenerationMatch", "ifMetagenerationNotMatch", "ifSourceGenerationMatch", "ifSourceGenerationNotMatch",
    "ifSourceMetagenerationMatch", "ifSourceMetagenerationNotMatch", "includeTrailingDelimiter", "maxResults", "name",
    "pageToken", "permissions", "prefix", "sourceGeneration", "startOffset",
}  # fmt: skip
REFUSED = {
    "destinationKmsKeyName": "k", "destinationPredefinedAcl": "publicRead", "enableObjectRetention": "true",
    "filter": "x", "kmsKeyName": "k", "matchGlob": "*", "predefinedAcl": "publicRead",
    "predefinedDefaultObjectAcl": "publicRead", "restoreToken": "t", "softDeleted": "true",
}  # fmt: skip
# These ask for what is so anyway (there is one generation, no folder but prefixes, no context), say who pays, or how much
# of the answer is of use.
WITHOUT_EFFECT = {
    "dropContextGroups", "includeFoldersAsPrefixes", "maxBytesRewrittenPerCall", "optionsRequestedPolicyVersion",
    "overrideUnlockedRetention", "project", "projection", "returnPartialSuccess", "rewriteToken", "userProject",
    "versions",
}  # fmt: skip

SERVED = {
    "buckets": ["delete", "get", "getIamPolicy", "insert", "list", "setIamPolicy", "testIamPermissions"],
    "objects": ["compose", "copy", "delete", "get", "insert", "list", "move", "patch", "rewrite", "update"],
}


def check(value, schema: dict, where: str) -> None:
    """Fails unless `value` is what the schema describes, without fields that it does not name."""
    if "$ref" in schema:
        schema = DISCOVERY["schemas"][schema["$ref"]]
    kind = schema["type"]
    if kind == "object":
        assert isinstance(value, dict), where
        named = schema.get("properties", {})
        for key, member in value.items():
            below = named.get(key, schema.get("additionalProperties"))
            assert below is not None, f"{where}.{key} is not in Google's schema"
            check(member, below, f"{where}.{key}")
        if "kind" in named:
            assert value.get("kind") == named["kind"]["default"], f"{where}.kind"
        return
    if kind == "array":
        assert isinstance(value, list), where
        for i, member in enumerate(value):
            check(member, schema["items"], f"{where}[{i}]")
        return
    assert isinstance(value, {"string": str, "integer": int, "boolean": bool, "any": object}[kind]), f"{where}: {value!r}"
    if schema.get("format") in ("int64", "uint64"):
        assert re.fullmatch(r"-?\d+", value), f"{where}: {value!r}"
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), f"{where}: {value!r}"


class Caller:
    def __init__(self, server):
        self.lab = Lab(server)
        self.base = f"{server.endpoint}/storage/v1/"
        self.lab.client.create_bucket("winds")

    def call(self, resource: str, method: str, path: str, body=None, upload: bytes | None = None, **params):
        described = DISCOVERY["resources"][resource]["methods"][method]
        assert described["httpMethod"] in ("GET", "POST", "PUT", "PATCH", "DELETE")
        base = self.base.replace("/storage/", "/upload/storage/") if upload is not None else self.base
        answer = self.lab.session.request(described["httpMethod"], base + path, json=body, data=upload, params=params)
        assert answer.status_code in (200, 204), f"{resource}.{method}: {answer.status_code} {answer.text}"
        if "response" not in described:
            assert answer.content == b""
            return None
        if answer.content:
            check(answer.json(), described["response"], f"{resource}.{method}")
        return answer.json()


@pytest.fixture
def caller(server):
    return Caller(server)


def test_every_answer_fits_the_schema(caller):
    call = caller.call
    call("buckets", "insert", "b", {"name": "other"}, project="lab")
    call("buckets", "get", "b/other")
    assert len(call("buckets", "list", "b", project="lab", maxResults=1)["items"]) == 1
    policy = call("buckets", "getIamPolicy", "b/other/iam")
    policy["bindings"].append({"role": "roles/storage.objectViewer", "members": ["allUsers"]})
    call("buckets", "setIamPolicy", "b/other/iam", policy)
    call("buckets", "testIamPermissions", "b/other/iam/testPermissions", permissions="storage.objects.get")
    call("objects", "insert", "b/winds/o", upload=content(1000), uploadType="media", name="dir/x")
    full = {"cacheControl": "no-store", "contentDisposition": "inline", "contentEncoding": "identity",
            "contentLanguage": "en", "contentType": "text/x", "customTime": "2026-01-31T12:00:00Z",
            "metadata": {"a": "1"}}  # fmt: skip
    call("objects", "patch", "b/winds/o/dir%2Fx", full)
    assert full.items() <= call("objects", "get", "b/winds/o/dir%2Fx").items()
    call("objects", "update", "b/winds/o/dir%2Fx", full)
    call("objects", "rewrite", "b/winds/o/dir%2Fx/rewriteTo/b/other/o/y")
    call("objects", "copy", "b/winds/o/dir%2Fx/copyTo/b/winds/o/y")
    call("objects", "move", "b/winds/o/y/moveTo/o/z")
    sources = {"sourceObjects": [{"name": "z"}, {"name": "dir/x"}], "destination": {"contentType": "text/y"}}
    call("objects", "compose", "b/winds/o/whole/compose", sources)
    listing = call("objects", "list", "b/winds/o", delimiter="/", maxResults=2)
    assert set(listing) == {"kind", "items", "prefixes", "nextPageToken"}
    call("objects", "list", "b/winds/o", pageToken=listing["nextPageToken"])
    call("objects", "delete", "b/other/o/y")
    call("buckets", "delete", "b/other")


def test_errors_are_google_s(caller):
    session, base = caller.lab.session, caller.base
    for status, reason, answer in (
        (404, "notFound", session.get(base + "b/winds/o/absent")),
        (404, "notFound", session.get(base + "b/absent")),
        (400, "invalid", session.get(base + "b/winds/o?maxResults=-1")),
        (409, "conflict", session.post(base + "b", json={"name": "winds"})),
        (412, "conditionNotMet", session.delete(base + "b/winds?ifMetagenerationMatch=9")),
        (401, "authError", requests.get(base + "b", headers={"Authorization": "Bearer no"})),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, status), answer.text
        assert error["errors"][0]["reason"] == reason and error["errors"][0]["domain"] == "global"
        assert error["message"] == error["errors"][0]["message"]


@pytest.mark.parametrize("resource,method", [(r, m) for r, methods in SERVED.items() for m in methods])
def test_every_parameter_is_followed_or_refused(caller, resource, method):
    described = DISCOVERY["resources"][resource]["methods"][method]
    caller.lab.client.bucket("winds").blob("x").upload_from_string("kept")
    for name, parameter in described["parameters"].items():
        if parameter["location"] != "query":
            continue
        assert (name in FOLLOWED) + (name in REFUSED) + (name in WITHOUT_EFFECT) == 1, f"{name} is new"
        if name not in REFUSED:
            continue
        names = {"bucket": "winds", "object": "x", "sourceObject": "x", "destinationObject": "y"}
        names |= {"sourceBucket": "winds", "destinationBucket": "winds"}
        path = re.sub(r"{(\w+)}", lambda match: names[match[1]], described["path"])
        base = caller.base.replace("/storage/", "/upload/storage/") if method == "insert" and resource == "objects" else caller.base
        params = {name: REFUSED[name], "uploadType": "media", "name": "y"}
        answer = caller.lab.session.request(described["httpMethod"], base + path, params=params, json={"name": "made"})
        assert answer.status_code == 400 and name in answer.text, f"{name}: {answer.status_code} {answer.text}"
    assert [blob.name for blob in caller.lab.client.list_blobs("winds")] == ["x"]

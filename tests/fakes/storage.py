"""Objects of buckets, as far as records need them: whole objects, generations, preconditions, listings."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

import google_crc32c

from . import discovery
from .buckets import Buckets
from .clock import Clock
from .discovery import Call, Refused
from .iam import Iam

OBJECT_USER = ("storage.objects.get", "storage.objects.list", "storage.objects.create", "storage.objects.delete",
               "storage.objects.update")  # fmt: skip


@dataclass
class Object:
    content: bytes
    generation: int
    resource: dict


@dataclass
class Storage:
    clock: Clock
    iam: Iam
    buckets: dict[str, dict[str, Object]] = field(default_factory=dict)
    _generation: int = 1700000000000000

    def __post_init__(self):
        self.bucket_admin = Buckets(self.clock, self.iam)

    def make_bucket(self, name: str) -> None:
        self.buckets[name] = {}

    def serve(self, member: str, request) -> tuple[int, dict[str, str], bytes] | None:
        resource, content = _parts_of(request)
        call = discovery.load("storage.v1").find(request.method, request.path, request.query, resource)
        if call is None:
            return None
        handlers = {"storage.objects.insert": self._insert, "storage.objects.get": self._get,
                    "storage.objects.delete": self._delete, "storage.objects.list": self._list,
                    "storage.buckets.get": self._bucket, "storage.buckets.getIamPolicy": self._get_policy,
                    "storage.buckets.setIamPolicy": self._set_policy,
                    "storage.buckets.testIamPermissions": self._test_permissions}  # fmt: skip
        if call.id == "storage.buckets.insert":
            return _json(self.bucket_admin.insert(member, call, self.buckets))
        if call.id not in handlers:
            raise Refused(501, "notImplemented", f"{call.id} is not part of the stand-in")
        name = call.parameters["bucket"]
        if name not in self.buckets:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        return handlers[call.id](member, call, self.buckets[name], content)

    def _check(self, member: str, permission: str, call: Call) -> None:
        bucket = call.parameters["bucket"]
        name = call.parameters.get("object") or call.parameters.get("name") or call.parameters.get("prefix", "")
        if not self.iam.may(member, permission, f"buckets/{bucket}", name):
            raise Refused(403, "forbidden", f"{member} does not have {permission} access to the Google Cloud Storage "
                                            f"{'object' if '.objects.' in permission else 'bucket'}.")  # fmt: skip

    def _bucket(self, member, call, bucket, content):
        self._check(member, "storage.buckets.get", call)
        name = call.parameters["bucket"]
        return _json(self.bucket_admin.resources.get(name, {"name": name, "location": "US-CENTRAL1"}))

    def _get_policy(self, member, call, bucket, content):
        self._check(member, "storage.buckets.getIamPolicy", call)
        return _json(self.bucket_admin.get_policy(call.parameters["bucket"]))

    def _set_policy(self, member, call, bucket, content):
        self._check(member, "storage.buckets.setIamPolicy", call)
        return _json(self.bucket_admin.set_policy(call.parameters["bucket"], call.body))

    def _test_permissions(self, member, call, bucket, content):
        asked = call.parameters["permissions"]
        where = f"buckets/{call.parameters['bucket']}"
        return _json({"permissions": [name for name in asked if self.iam.may(member, name, where)]})

    def _insert(self, member, call, bucket, content):
        self._check(member, "storage.objects.create", call)
        key = call.parameters.get("name") or (call.body or {}).get("name")
        if not key:
            raise Refused(400, "required", "Required parameter: name")
        if key in bucket:
            self._check(member, "storage.objects.delete", call)  # overwriting takes both
        _check_generation(call, bucket.get(key))
        return _json(self.put(call.parameters["bucket"], key, content, call.body))

    def put(self, bucket: str, key: str, content: bytes, given: dict | None = None) -> dict:
        crc = base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
        if (given or {}).get("crc32c", crc) != crc:
            raise Refused(400, "invalid", "Provided CRC32C does not match")
        self._generation += 1
        resource = {**(given or {}), "kind": "storage#object", "name": key, "bucket": bucket,
                    "generation": str(self._generation), "metageneration": "1", "size": str(len(content)),
                    "crc32c": crc, "updated": self.clock.text(), "timeCreated": self.clock.text()}  # fmt: skip
        self.buckets[bucket][key] = Object(content, self._generation, resource)
        return resource

    def _get(self, member, call, bucket, content):
        self._check(member, "storage.objects.get", call)
        found = _find(call, bucket)
        if call.parameters.get("alt") != "media":
            return _json(found.resource)
        headers = {"Content-Type": "application/octet-stream", "x-goog-generation": str(found.generation),
                   "x-goog-stored-content-length": str(len(found.content)),
                   "x-goog-hash": f"crc32c={found.resource['crc32c']}"}  # fmt: skip
        return 200, headers, found.content

    def _delete(self, member, call, bucket, content):
        self._check(member, "storage.objects.delete", call)
        _find(call, bucket)
        del bucket[call.parameters["object"]]
        return 204, {}, b""

    def _list(self, member, call, bucket, content):
        self._check(member, "storage.objects.list", call)
        prefix, start = call.parameters.get("prefix", ""), call.parameters.get("startOffset", "")
        items = [found.resource for key, found in sorted(bucket.items()) if key.startswith(prefix) and key >= start]
        return _json({"kind": "storage#objects", "items": items})


def _find(call: Call, bucket: dict[str, Object]) -> Object:
    key = call.parameters["object"]
    if key not in bucket:
        raise Refused(404, "notFound", f"No such object: {call.parameters['bucket']}/{key}")
    _check_generation(call, bucket[key])
    return bucket[key]


def _check_generation(call: Call, found: Object | None) -> None:
    wanted = call.parameters.get("ifGenerationMatch")
    if wanted is not None and int(wanted) != (found.generation if found else 0):
        raise Refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def _json(value: dict) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps(value).encode()


def _parts_of(request) -> tuple[dict | None, bytes]:
    """The resource and the content of a request: of a multipart upload both."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/related"):
        boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
        _, resource, content, _ = request.body.split(boundary, 3)  # each after a line break and its own headers
        resource, content = (part.split(b"\r\n\r\n", 1)[1][:-2] for part in (resource, content))
        return json.loads(resource), content
    if kind.startswith("application/json") and request.body and not request.path.startswith("/upload/"):
        return json.loads(request.body), b""
    return None, request.body

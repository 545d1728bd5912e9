"""Compute Engine: instances whose making takes a while and may fail, as operations tell."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

from . import catalogue, discovery, instance_rules
from .clock import Clock
from .discovery import Call, Refused
from .iam import Iam

# What somebody needs who makes machines.
USER = ("compute.instances.create", "compute.instances.delete", "compute.instances.get", "compute.instances.list",
        "compute.instances.setLabels", "compute.instances.setMetadata", "compute.instances.setServiceAccount",
        "compute.instances.setTags", "compute.instances.getSerialPortOutput", "compute.disks.create",
        "compute.disks.list", "compute.subnetworks.use", "compute.zoneOperations.get", "compute.zoneOperations.list",
        "compute.regions.list", "compute.acceleratorTypes.list", "compute.projects.get", "iam.serviceAccounts.actAs")  # fmt: skip
REMEMBERED_SECONDS = 3600  # how long a requestId is known


@dataclass
class Operation:
    name: str
    kind: str  # insert, delete
    zone: str
    target: str  # the instance's name
    request_id: str
    body: dict | None
    begun: float
    ends: float
    error: dict | None = None
    done: bool = False
    target_id: str = ""


@dataclass
class Compute:
    clock: Clock
    iam: Iam
    operation_seconds: float = 8  # that an operation takes
    list_lag_seconds: float = 0  # for so long a new instance is in no list
    instances: dict[tuple[str, str], dict] = field(default_factory=dict)  # (zone, name) → resource
    operations: dict[str, Operation] = field(default_factory=dict)
    inserted: list[tuple[str, str]] = field(default_factory=list)  # every instance ever made
    serial: dict[str, str] = field(default_factory=dict)  # instance → what its console said
    stock_out: set[tuple[str, str]] = field(default_factory=set)  # (zone, GPU or machine type)
    limits: dict[tuple[str, str], float] = field(default_factory=dict)  # (region or "", metric) → limit
    quota_at_once: bool = False  # quota is refused by the request itself, as Google does for some metrics

    def serve(self, member: str, request) -> tuple[int, dict[str, str], bytes] | None:
        if not request.path.startswith("/compute/"):
            return None
        body = json.loads(request.body) if request.body else None
        call = discovery.load("compute.v1").find(request.method, request.path, request.query, body)
        if call is None:
            raise Refused(404, "notFound", f"there is no {request.method} {request.path}")
        self.tick()
        handlers = {"compute.instances.insert": self._insert, "compute.instances.delete": self._delete,
                    "compute.instances.get": self._get, "compute.instances.aggregatedList": self._list,
                    "compute.instances.getSerialPortOutput": self._serial, "compute.zoneOperations.get": self._operation,
                    "compute.zoneOperations.wait": self._wait, "compute.zoneOperations.list": self._operations, "compute.regions.list": self._regions,
                    "compute.acceleratorTypes.aggregatedList": self._accelerators,
                    "compute.projects.get": self._project}  # fmt: skip
        if call.id not in handlers:
            raise Refused(501, "notImplemented", f"{call.id} is not part of the stand-in")
        return 200, {}, json.dumps(handlers[call.id](member, call)).encode()

    # What is done to machines from outside.

    def tick(self) -> None:
        """Does what time brings: operations end, machines whose time is over are deleted."""
        now = self.clock.now()
        for operation in self.operations.values():
            if not operation.done and operation.ends <= now:
                self._finish(operation)
        for place, resource in list(self.instances.items()):
            run = resource["scheduling"].get("maxRunDuration")
            if run and resource["_begun"] + int(run["seconds"]) <= now:
                self._end(place)

    def preempt(self, name: str) -> None:
        zone, _ = place = next(place for place in self.instances if place[1] == name)
        now = self.clock.now()
        operation = Operation(f"systemevent-{len(self.operations):04x}", "compute.instances.preempted", zone, name, "", None,
                              now, now, done=True, target_id=self.instances[place]["id"])  # fmt: skip
        self.operations[operation.name] = operation
        self._end(place)

    def power_off(self, name: str) -> None:
        """From within: the machine is stopped, and its disk stays."""
        self.instances[next(place for place in self.instances if place[1] == name)]["status"] = "TERMINATED"

    def paid(self) -> list[tuple[str, str]]:
        """What costs money now: (zone, name) of instances, stopped ones too, for their disks."""
        self.tick()
        return sorted(self.instances)

    def _end(self, place: tuple[str, str]) -> None:
        if self.instances[place]["scheduling"].get("instanceTerminationAction") == "DELETE":
            del self.instances[place]
        else:
            self.instances[place]["status"] = "TERMINATED"

    # Requests.

    def _check(self, member: str, permission: str, call: Call, resource: str = "") -> None:
        self.iam.check(member, permission, f"projects/{call.parameters['project']}{resource}")

    def _insert(self, member: str, call: Call) -> dict:
        zone, body = call.parameters["zone"], call.body or {}
        for permission in instance_rules.permissions_for(body):
            self._check(member, permission, call)
        known = self._known_request(call)
        if known:
            return self._show(known)
        instance_rules.check(body, zone, call.parameters["project"])
        for account in body.get("serviceAccounts", []):
            if account["email"] not in self.iam.accounts:
                raise Refused(400, "invalid", f"The resource '{account['email']}' of type 'serviceAccount' was not found.")
            self._check(member, "iam.serviceAccounts.actAs", call)
        if (zone, body["name"]) in self.instances:
            raise Refused(409, "alreadyExists", f"The resource 'projects/{call.parameters['project']}/zones/{zone}/"
                                                f"instances/{body['name']}' already exists")  # fmt: skip
        error = instance_rules.shortage(self, body, zone)
        if error and self.quota_at_once and error["code"] == "QUOTA_EXCEEDED":
            raise Refused(403, "quotaExceeded", error["message"])
        if not error:
            self._put(call, zone, body)
        return self._show(self._begin("insert", call, body["name"], error))

    def _put(self, call: Call, zone: str, body: dict) -> None:
        self.inserted.append((zone, body["name"]))
        self.instances[zone, body["name"]] = {
            **body, "id": str(10**18 + len(self.inserted)), "kind": "compute#instance", "status": "PROVISIONING",
            "creationTimestamp": self.clock.text(), "_begun": self.clock.now(),
            "zone": f"https://www.googleapis.com/compute/v1/projects/{call.parameters['project']}/zones/{zone}",
        }  # fmt: skip

    def _known_request(self, call: Call) -> Operation | None:
        given = call.parameters.get("requestId")
        if given is None:
            return None
        try:
            if uuid.UUID(given).int == 0 or str(uuid.UUID(given)) != given.lower():
                raise ValueError(given)
        except ValueError as error:
            raise Refused(400, "invalid", f"Invalid value for field 'requestId': '{given}'. Must be a UUID.") from error
        for operation in self.operations.values():
            if operation.request_id == given and operation.begun + REMEMBERED_SECONDS > self.clock.now():
                if operation.body != call.body or operation.zone != call.parameters["zone"]:
                    raise Refused(400, "invalid", f"requestId '{given}' was used for another request")
                return operation
        return None

    def _begin(self, kind: str, call: Call, target: str, error: dict | None = None) -> Operation:
        now = self.clock.now()
        name = f"operation-{int(now * 1000)}-{len(self.operations):04x}"
        operation = Operation(name, kind, call.parameters["zone"], target, call.parameters.get("requestId", ""),
                              call.body, now, now + self.operation_seconds, error)  # fmt: skip
        self.operations[name] = operation
        return operation

    def _finish(self, operation: Operation) -> None:
        operation.done, place = True, (operation.zone, operation.target)
        if operation.kind == "delete":
            self.instances.pop(place, None)
        elif place in self.instances and not operation.error and self.instances[place]["status"] == "PROVISIONING":
            self.instances[place]["status"] = "RUNNING"

    def _find(self, call: Call) -> dict:
        place = (call.parameters["zone"], call.parameters["instance"])
        if place not in self.instances:
            raise Refused(404, "notFound", f"The resource 'projects/{call.parameters['project']}/zones/{place[0]}/"
                                           f"instances/{place[1]}' was not found")  # fmt: skip
        return self.instances[place]

    def _delete(self, member: str, call: Call) -> dict:
        self._check(member, "compute.instances.delete", call, f"/instances/{call.parameters['instance']}")
        known = self._known_request(call)
        if known:
            return self._show(known)
        self._find(call)["status"] = "STOPPING"
        return self._show(self._begin("delete", call, call.parameters["instance"]))

    def _get(self, member: str, call: Call) -> dict:
        self._check(member, "compute.instances.get", call)
        return _public(self._find(call))

    def _list(self, member: str, call: Call) -> dict:
        self._check(member, "compute.instances.list", call)
        label, _, value = call.parameters.get("filter", "").removeprefix("labels.").partition("=")
        items: dict[str, dict] = {f"zones/{zone}": {"instances": []} for zone in catalogue.ZONES}
        for (zone, _), resource in self.instances.items():
            seen = resource["_begun"] + self.list_lag_seconds <= self.clock.now()
            if seen and (not label or resource.get("labels", {}).get(label) == value):
                items[f"zones/{zone}"]["instances"].append(_public(resource))
        return {"kind": "compute#instanceAggregatedList", "items": items}

    def _serial(self, member: str, call: Call) -> dict:
        self._check(member, "compute.instances.getSerialPortOutput", call)
        self._find(call)
        said, start = self.serial.get(call.parameters["instance"], ""), int(call.parameters.get("start", 0))
        return {"kind": "compute#serialPortOutput", "contents": said[start:], "start": str(start), "next": str(len(said))}

    def _operation(self, member: str, call: Call) -> dict:
        self._check(member, "compute.zoneOperations.get", call)
        operation = self.operations.get(call.parameters["operation"])
        if operation is None or operation.zone != call.parameters["zone"]:
            raise Refused(404, "notFound", f"The resource '{call.parameters['operation']}' was not found")
        return self._show(operation)

    def _operations(self, member: str, call: Call) -> dict:
        self._check(member, "compute.zoneOperations.list", call)
        kind = call.parameters.get("filter", "").removeprefix("operationType=").strip('"')
        return {"kind": "compute#operationList", "items": [
            self._show(operation) for operation in self.operations.values()
            if operation.zone == call.parameters["zone"] and kind in ("", operation.kind)]}  # fmt: skip

    def _wait(self, member: str, call: Call) -> dict:
        """Waits at most two minutes, as there; here that time passes at once."""
        self._operation(member, call)
        left = self.operations[call.parameters["operation"]].ends - self.clock.now()
        self.clock.advance(max(0.0, min(left, 120.0)))
        self.tick()
        return self._operation(member, call)

    def _show(self, operation: Operation) -> dict:
        shown = {"kind": "compute#operation", "name": operation.name, "operationType": operation.kind,
                 "status": "DONE" if operation.done else "RUNNING", "progress": 100 if operation.done else 0,
                 "insertTime": self.clock.text(operation.begun), "clientOperationId": operation.request_id,
                 "zone": f"https://www.googleapis.com/compute/v1/projects/lab/zones/{operation.zone}"}  # fmt: skip
        if operation.target_id:
            shown["targetId"] = operation.target_id
        if operation.done and operation.error:
            shown["error"] = {"errors": [operation.error]}
            shown |= {"httpErrorStatusCode": 503, "httpErrorMessage": "SERVICE UNAVAILABLE"}
        return shown

    def _regions(self, member: str, call: Call) -> dict:
        self._check(member, "compute.regions.list", call)
        prefix = f"https://www.googleapis.com/compute/v1/projects/{call.parameters['project']}"
        return {"kind": "compute#regionList", "items": [
            {"name": region, "status": "UP", "zones": [f"{prefix}/zones/{zone}" for zone in zones],
             "quotas": [{"metric": metric, "limit": self.limit(region, metric), "usage": self.usage(region, metric)}
                        for metric in self.metrics()]}
            for region, zones in catalogue.REGIONS.items()]}  # fmt: skip

    def _project(self, member: str, call: Call) -> dict:
        self._check(member, "compute.projects.get", call)
        metric = "GPUS_ALL_REGIONS"
        return {"kind": "compute#project", "name": call.parameters["project"],
                "quotas": [{"metric": metric, "limit": self.limit("", metric), "usage": self.usage("", metric)}]}  # fmt: skip

    def _accelerators(self, member: str, call: Call) -> dict:
        self._check(member, "compute.acceleratorTypes.list", call)
        items = {f"zones/{zone}": {"acceleratorTypes": [{"name": gpu, "zone": zone, "maximumCardsPerInstance": 8}
                                                        for gpu, (_, zones) in catalogue.GPUS.items() if zone in zones]}
                 for zone in catalogue.ZONES}  # fmt: skip
        return {"kind": "compute#acceleratorTypeAggregatedList", "items": items}

    # Quota.

    @staticmethod
    def metrics() -> list[str]:
        gpus = [metric for metric, _ in catalogue.GPUS.values() if metric != "NVIDIA_H100_GPUS"]
        return ["CPUS", *gpus, *(f"PREEMPTIBLE_{metric}" for metric, _ in catalogue.GPUS.values())]

    def limit(self, region: str, metric: str) -> float:
        return self.limits.get((region, metric), self.limits.get(("", metric), 64.0 if metric == "CPUS" else 8.0))

    def usage(self, region: str, metric: str) -> float:
        return float(sum(instance_rules.needs(resource).get(metric, 0) for (zone, _), resource in self.instances.items()
                         if not region or catalogue.region_of(zone) == region))  # fmt: skip


def _public(resource: dict) -> dict:
    return {name: value for name, value in resource.items() if not name.startswith("_")}

"""What Compute Engine refuses of an instance that fits the schema, and what it finds short."""

from __future__ import annotations

import re

from . import catalogue
from .discovery import Refused

LONGEST_RUN_SECONDS = 120 * 24 * 3600
LONGEST_FLEX_SECONDS = 7 * 24 * 3600
LABEL = re.compile(r"[a-z0-9_-]{0,63}")


def permissions_for(body: dict) -> list[str]:
    """Making an instance takes a right for each of its parts."""
    parts = {"labels": "setLabels", "metadata": "setMetadata", "serviceAccounts": "setServiceAccount", "tags": "setTags"}
    needed = ["compute.instances.create", "compute.disks.create", "compute.subnetworks.use"]
    return needed + [f"compute.instances.{right}" for part, right in parts.items() if body.get(part)]


def machine_of(body: dict) -> str:
    return body.get("machineType", "").rpartition("/")[2]


def gpus_of(body: dict) -> tuple[str | None, int]:
    _, gpu, count = catalogue.MACHINES[machine_of(body)]
    for given in body.get("guestAccelerators", []):
        return given["acceleratorType"].rpartition("/")[2], given["acceleratorCount"]
    return gpu, count


def is_spot(body: dict) -> bool:
    return body.get("scheduling", {}).get("provisioningModel") == "SPOT"


def needs(body: dict) -> dict[str, int]:
    """Quota metric → how much of it an instance takes."""
    vcpus, own, _ = catalogue.MACHINES[machine_of(body)]
    gpu, count = gpus_of(body)
    taken = {} if own else {"CPUS": vcpus}
    if gpu:
        metric = catalogue.GPUS[gpu][0]
        preemptible = body.get("scheduling", {}).get("provisioningModel") in ("SPOT", "FLEX_START")
        taken[f"PREEMPTIBLE_{metric}" if preemptible else metric] = count
        taken["GPUS_ALL_REGIONS"] = count
    return taken


def _refuse(message: str) -> None:
    raise Refused(400, "invalid", message)


def check(body: dict, zone: str, project: str) -> None:
    if zone not in catalogue.ZONES:
        _refuse(f"Invalid value for field 'zone': '{zone}'. Unknown zone.")
    machine = machine_of(body)
    where = f"zones/{zone}/machineTypes/"
    if machine not in catalogue.MACHINES or not body["machineType"].rpartition("/")[0].endswith(where.rstrip("/")):
        _refuse(f"Invalid value for field 'resource.machineType': '{body.get('machineType')}'. The referenced resource "
                "does not exist.")  # fmt: skip
    _check_disks(body)
    if not body.get("networkInterfaces"):
        _refuse("Invalid value for field 'resource.networkInterfaces': ''. At least one network interface is required.")
    for label in [*body.get("labels", {}).keys(), *body.get("labels", {}).values()]:
        if not LABEL.fullmatch(label):
            _refuse(f"Invalid value for field 'resource.labels': '{label}'.")
    if len(body.get("serviceAccounts", [])) > 1:
        _refuse("Invalid value for field 'resource.serviceAccounts': at most one service account.")
    _check_gpus(body, zone, machine)
    _check_scheduling(body.get("scheduling", {}), machine, gpus_of(body)[0] is not None, body)


def _check_disks(body: dict) -> None:
    boot = [disk for disk in body.get("disks", []) if disk.get("boot")]
    if len(boot) != 1:
        _refuse("Invalid value for field 'resource.disks': ''. Boot disk must be the first disk attached to the instance.")
    source = boot[0].get("initializeParams", {}).get("sourceImage", "")
    if not re.search(r"projects/[-a-z0-9.:]+/global/images/(family/)?[-a-z0-9]+$", source):
        _refuse(f"Invalid value for field 'resource.disks[0].initializeParams.sourceImage': '{source}'. The URL is "
                "malformed.")  # fmt: skip


def _check_gpus(body: dict, zone: str, machine: str) -> None:
    own = catalogue.MACHINES[machine][1]
    for given in body.get("guestAccelerators", []):
        name = given["acceleratorType"].rpartition("/")[2]
        if name not in catalogue.GPUS or zone not in catalogue.GPUS[name][1]:
            _refuse(f"Invalid value for field 'resource.guestAccelerators[0].acceleratorType': "
                    f"'{given['acceleratorType']}'. Accelerator type does not exist.")  # fmt: skip
        if own is None and not machine.startswith("n1-"):
            _refuse(f"[{machine}, {name}] features are not compatible for creating instance.")
        if own is not None and name != own:
            _refuse(f"[{machine}, {name}] features are not compatible for creating instance.")
    if own is not None and zone not in catalogue.GPUS[own][1]:
        _refuse(f"Machine type with name '{machine}' does not exist in zone '{zone}'.")


def _check_scheduling(scheduling: dict, machine: str, has_gpu: bool, body: dict) -> None:
    model, action = scheduling.get("provisioningModel", "STANDARD"), scheduling.get("instanceTerminationAction")
    limited = model in ("SPOT", "FLEX_START")
    run = scheduling.get("maxRunDuration")
    if has_gpu and scheduling.get("onHostMaintenance") != "TERMINATE":
        _refuse("Instances with guest accelerators do not support live migration.")
    if limited and scheduling.get("automaticRestart", True):
        _refuse("Scheduling must have automaticRestart be false for instances that may be preempted.")
    if limited and scheduling.get("onHostMaintenance") == "MIGRATE":
        _refuse("Scheduling must have onHostMaintenance TERMINATE for instances that may be preempted.")
    if action and not limited and not run:
        _refuse("instanceTerminationAction may be set for SPOT instances or with maxRunDuration only.")
    if run:
        if not action:
            _refuse("instanceTerminationAction must be specified together with maxRunDuration.")
        if not 30 <= int(run["seconds"]) <= LONGEST_RUN_SECONDS:
            _refuse("maxRunDuration must be between 30 seconds and 120 days.")
    if model == "FLEX_START":
        if not run or int(run["seconds"]) > LONGEST_FLEX_SECONDS:
            _refuse("FLEX_START takes a maxRunDuration of at most 7 days.")
        if body.get("reservationAffinity", {}).get("consumeReservationType") != "NO_RESERVATION":
            _refuse("FLEX_START takes reservationAffinity NO_RESERVATION.")
    if model == "STANDARD" and machine in ("a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g"):
        _refuse(f"Machine type {machine} is offered as SPOT or FLEX_START only.")


def shortage(compute, body: dict, zone: str) -> dict | None:
    """Why there is no such instance now, as the operation tells it."""
    region = catalogue.region_of(zone)
    for metric, wanted in needs(body).items():
        place = "" if metric == "GPUS_ALL_REGIONS" else region
        limit = compute.limit(place, metric)
        if compute.usage(place, metric) + wanted > limit:
            return {"code": "QUOTA_EXCEEDED",
                    "message": f"Quota '{metric}' exceeded.  Limit: {limit} "
                               + (f"in region {place}." if place else "globally."),
                    "errorDetails": [{"quotaInfo": {"metricName": f"compute.googleapis.com/{metric.lower()}",
                                                    "limitName": metric.replace("_", "-") + "-per-project-region",
                                                    "limit": limit,
                                                    "dimensions": {"region": place or "global"}}}]}  # fmt: skip
    gpu, count = gpus_of(body)
    scarce = [name for name in (gpu, machine_of(body)) if (zone, name) in compute.stock_out]
    if not scarce:
        return None
    others = [other for other in catalogue.ZONES if other != zone and (other, scarce[0]) not in compute.stock_out
              and (gpu is None or other in catalogue.GPUS[gpu][1])]  # fmt: skip
    return {"code": "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
            "message": f"The zone 'projects/lab/zones/{zone}' does not have enough resources available to fulfill the "
                       "request.  '(resource type:compute)'.",
            "errorDetails": [{"errorInfo": {"domain": "compute.googleapis.com", "reason": "resource_availability",
                                            "metadatas": {"zone": zone, "vmType": machine_of(body),
                                                          "attachment": f"{gpu}:{count}" if gpu else "",
                                                          "zonesAvailable": ",".join(others)}}},
                             {"localizedMessage": {"locale": "en-US", "message": "currently unavailable"}}]}  # fmt: skip

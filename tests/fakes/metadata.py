"""The metadata server of one machine, as its own programs see it."""

from __future__ import annotations

import json
import threading

from .discovery import Refused

PREFIX = "/computeMetadata/v1/"


class Metadata:
    def __init__(self, compute, iam):
        self._compute, self._iam = compute, iam
        self.machine: tuple[str, str] | None = None  # (zone, name): who asks
        self.preempted = threading.Event()  # the notice, half a minute before the machine is gone

    def serve(self, request) -> tuple[int, dict[str, str], bytes] | None:
        if not request.path.startswith(PREFIX):
            return None
        if request.headers.get("metadata-flavor") != "Google":
            raise Refused(403, "forbidden", "Missing Metadata-Flavor:Google header.")
        text = self._value(request.path.removeprefix(PREFIX))
        return 200, {"Metadata-Flavor": "Google", "Content-Type": "application/text"}, text.encode()

    def wait(self, request) -> None:
        """Where a program asks to be answered when the value changes, and no later than it says."""
        if request.path == PREFIX + "instance/preempted" and request.query.get("wait_for_change") == ["true"]:
            self.preempted.wait(timeout=float(request.query.get("timeout_sec", ["60"])[0]))

    def _value(self, path: str) -> str:
        if path == "" or self.machine is None:
            return ""
        zone, name = self.machine
        resource = self._compute.instances.get(self.machine, {})
        items = {item["key"]: item["value"] for item in resource.get("metadata", {}).get("items", [])}
        told = {"instance/id": resource.get("id"), "instance/preempted": str(self.preempted.is_set()).upper()}
        email = resource.get("serviceAccounts", [{"email": ""}])[0]["email"]
        values = {"project/project-id": "lab", "instance/name": name, "instance/zone": f"projects/1/zones/{zone}",
                  "instance/service-accounts/default/email": email, **told}  # fmt: skip
        if path == "instance/service-accounts/default/token" and email:
            token = {"access_token": self._iam.give_token(email), "expires_in": 3600, "token_type": "Bearer"}
            return json.dumps(token)
        if path.startswith("instance/attributes/"):
            values[path] = items.get(path.removeprefix("instance/attributes/"))
        if values.get(path) is None:
            raise Refused(404, "notFound", f"there is no {path}")
        return values[path]

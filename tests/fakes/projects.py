"""Resource Manager: what somebody may do in a project."""

from __future__ import annotations

import json

from . import discovery
from .discovery import Refused
from .iam import Iam


class Projects:
    def __init__(self, iam: Iam):
        self._iam = iam
        self.is_off = False  # the API has not been enabled in the project

    def serve(self, member: str, request) -> tuple[int, dict[str, str], bytes] | None:
        if not request.path.endswith(":testIamPermissions") or not request.path.startswith("/v1/projects/"):
            return None
        body = json.loads(request.body)
        call = discovery.load("cloudresourcemanager.v1").find(request.method, request.path, request.query, body)
        if call is None or call.id != "cloudresourcemanager.projects.testIamPermissions":
            return None
        if self.is_off:
            raise Refused(403, "accessNotConfigured", "Cloud Resource Manager API has not been used in project lab before or "
                                                      "it is disabled.", status_word="PERMISSION_DENIED")  # fmt: skip
        where = f"projects/{call.parameters['resource']}"
        granted = [name for name in body["permissions"] if self._iam.may(member, name, where)]
        return 200, {}, json.dumps({"permissions": granted} if granted else {}).encode()

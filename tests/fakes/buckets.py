"""Buckets themselves: made, looked at, and who may do what in them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from .clock import Clock
from .discovery import Call, Refused
from .iam import ROLES, Iam

PERMISSIONS_OF_OWNERS = ("storage.buckets.create", "storage.buckets.get", "storage.buckets.getIamPolicy",
                         "storage.buckets.setIamPolicy")  # fmt: skip


@dataclass
class Buckets:
    clock: Clock
    iam: Iam
    resources: dict[str, dict] = field(default_factory=dict)
    policies: dict[str, dict] = field(default_factory=dict)
    unknown_members: int = 0  # so often a new account is not known yet when a policy names it

    def insert(self, member: str, call: Call, objects: dict) -> dict:
        project = call.parameters["project"]
        self.iam.check(member, "storage.buckets.create", f"projects/{project}")
        name = (call.body or {}).get("name", "")
        if name in objects:
            raise Refused(409, "conflict", "Your previous request to create the named bucket succeeded.")
        soft = call.body.get("softDeletePolicy", {}).get("retentionDurationSeconds", "604800")
        if not (int(soft) == 0 or 7 * 86400 <= int(soft) <= 90 * 86400):
            raise Refused(400, "invalid", "softDeletePolicy.retentionDurationSeconds must be 0 or 7 to 90 days")
        objects[name] = {}
        self.resources[name] = {"kind": "storage#bucket", "location": "US", "storageClass": "STANDARD", **call.body}
        self.policies[name] = {"version": 1, "etag": secrets.token_hex(4), "bindings": []}
        self.iam.grant(member, f"buckets/{name}", *PERMISSIONS_OF_OWNERS)
        return self.resources[name]

    def get_policy(self, name: str) -> dict:
        return self.policies[name]

    def set_policy(self, name: str, policy: dict) -> dict:
        if policy.get("etag") not in (None, self.policies[name]["etag"]):
            raise Refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        for binding in policy.get("bindings", []):
            if binding["role"] not in ROLES and binding["role"] != "roles/storage.admin":
                raise Refused(400, "invalid", f"Role {binding['role']} is not supported for this resource.")
            for who in binding["members"]:
                email = who.partition(":")[2]
                known = not who.startswith("serviceAccount:") or email in self.iam.accounts
                if not known or self.unknown_members > 0:
                    self.unknown_members -= known
                    raise Refused(400, "invalid", f"Service account {email} does not exist.")
        self.iam.grants = [grant for grant in self.iam.grants if grant[2] != f"buckets/{name}" or grant[1] in PERMISSIONS_OF_OWNERS]
        for binding in policy.get("bindings", []):
            for who in binding["members"]:
                self.iam.grant(who.partition(":")[2], f"buckets/{name}", *ROLES.get(binding["role"], ()))
        self.policies[name] = {**policy, "etag": secrets.token_hex(4)}
        return self.policies[name]

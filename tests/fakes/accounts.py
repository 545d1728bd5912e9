"""IAM's administration of service accounts: made, given keys, and who may act as them."""

from __future__ import annotations

import base64
import json
import secrets

from . import discovery
from .discovery import Call, Refused
from .iam import Iam

ADMIN = ("iam.serviceAccounts.list", "iam.serviceAccounts.create", "iam.serviceAccounts.getIamPolicy",
         "iam.serviceAccounts.setIamPolicy", "iam.serviceAccountKeys.create")  # fmt: skip


class Accounts:
    def __init__(self, iam: Iam):
        self._iam = iam
        self.policies: dict[str, dict] = {}
        self.keys_forbidden = False  # by the organisation's policy
        self.unknown: int = 0  # so often a new account is not found yet

    def serve(self, member: str, request) -> tuple[int, dict[str, str], bytes] | None:
        if not request.path.startswith("/v1/projects/"):
            return None
        body = json.loads(request.body) if request.body else None
        call = discovery.load("iam.v1").find(request.method, request.path, request.query, body)
        if call is None:
            return None
        right, handler = {"list": ("iam.serviceAccounts.list", self._list), "create": ("iam.serviceAccounts.create", self._create),
                          "getIamPolicy": ("iam.serviceAccounts.getIamPolicy", self._get_policy),
                          "setIamPolicy": ("iam.serviceAccounts.setIamPolicy", self._set_policy),
                          "keys.create": ("iam.serviceAccountKeys.create", self._create_key)}.get(
                              call.id.removeprefix("iam.projects.serviceAccounts."), ("", None))  # fmt: skip
        if handler is None:
            raise Refused(501, "notImplemented", f"{call.id} is not part of the stand-in")
        self._iam.check(member, right, f"projects/{request.path.split('/')[3]}")
        return 200, {}, json.dumps(handler(call)).encode()

    def _existing(self, call: Call) -> str:
        name = call.parameters.get("name") or call.parameters.get("resource")
        email = name.rpartition("/")[2]
        if email not in self._iam.accounts or self.unknown > 0:
            self.unknown -= email in self._iam.accounts
            raise Refused(404, "notFound", f"Service account {name} does not exist.", status_word="NOT_FOUND")
        return email

    def _list(self, call: Call) -> dict:
        return {"accounts": [{"email": email, "name": f"projects/lab/serviceAccounts/{email}"}
                             for email in sorted(self._iam.accounts)]}  # fmt: skip

    def _create(self, call: Call) -> dict:
        account = call.body["accountId"]
        if not 6 <= len(account) <= 30:
            raise Refused(400, "badRequest", "accountId must be 6 to 30 characters", status_word="INVALID_ARGUMENT")
        email = f"{account}@lab.iam.gserviceaccount.com"
        if email in self._iam.accounts:
            raise Refused(409, "alreadyExists", f"Service account {account} already exists", status_word="ALREADY_EXISTS")
        self._iam.make_account(email)
        return {"email": email, "name": f"projects/lab/serviceAccounts/{email}"}

    def _create_key(self, call: Call) -> dict:
        email = self._existing(call)
        if self.keys_forbidden:
            raise Refused(400, "failedPrecondition", "Key creation is not allowed on this service account.",
                          [{"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [
                              {"type": "constraints/iam.disableServiceAccountKeyCreation", "subject": "projects/lab",
                               "description": "Key creation is not allowed on this service account."}]}],
                          "FAILED_PRECONDITION")  # fmt: skip
        key = self._iam.make_key(email, "lab")
        name = f"projects/lab/serviceAccounts/{email}/keys/{key['private_key_id']}"
        return {"name": name, "privateKeyData": base64.b64encode(json.dumps(key).encode()).decode()}

    def _get_policy(self, call: Call) -> dict:
        return self.policies.get(self._existing(call), {"version": 1, "etag": "none"})

    def _set_policy(self, call: Call) -> dict:
        email, policy = self._existing(call), call.body["policy"]
        if policy.get("etag") != self.policies.get(email, {"etag": "none"})["etag"]:
            raise Refused(409, "aborted", "There were concurrent policy changes.", status_word="ABORTED")
        self.policies[email] = {**policy, "etag": secrets.token_hex(4)}
        for binding in policy.get("bindings", []):
            if binding["role"] == "roles/iam.serviceAccountTokenCreator":
                for who in binding["members"]:
                    self._iam.grant(who.partition(":")[2], f"accounts/{email}", "iam.serviceAccounts.getAccessToken")
        return self.policies[email]

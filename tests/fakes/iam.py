"""Who asks, and what they may do: keys, access tokens, grants."""

from __future__ import annotations

import datetime
import functools
import json
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import unquote

import google.auth.exceptions
import google.auth.jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .clock import Clock
from .discovery import Refused

TOKEN_SECONDS = 3600
GOOGLES = "https://oauth2.googleapis.com/token"  # the audience that google-auth names for every key


@functools.cache
def _key_pair(number: int) -> tuple[str, str]:
    """Made once a run: it takes a tenth of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())  # fmt: skip
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def _certificate(begins: float, ends: float) -> str:
    key = serialization.load_pem_private_key(_key_pair(0)[0].encode(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "key")])
    begin, end = (datetime.datetime.fromtimestamp(when, datetime.timezone.utc) for when in (begins, ends))
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, end).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


class Member(str):
    """Somebody whose token is narrowed."""

    def __new__(cls, whole: str, rules: list[dict]):
        member = super().__new__(cls, whole)
        member.rules = rules
        return member

    def allows(self, permission: str, resource: str, name: str) -> bool:
        for rule in self.rules:
            bucket = rule["availableResource"].removeprefix("//storage.googleapis.com/projects/_/buckets/")
            roles = [given.removeprefix("inRole:") for given in rule["availablePermissions"]]
            if resource != f"buckets/{bucket}" or not any(permission in ROLES.get(role, ()) for role in roles):
                continue
            condition = rule.get("availabilityCondition", {}).get("expression", "")
            if not condition:
                return True
            # What Google's own documentation writes for prefixes: of objects, and of listings.
            objects = re.findall(r"resource\.name\.startsWith\('projects/_/buckets/[^/]+/objects/([^']*)'\)", condition)
            lists = re.findall(r"objectListPrefix', ''\)\.startsWith\('([^']*)'\)", condition)
            if any(name.startswith(prefix) for prefix in (lists if permission.endswith(".list") else objects)):
                return True
        return False


ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
READER = ("storage.objects.get", "storage.objects.list")
ROLES = {
    "roles/storage.objectViewer": READER,
    "roles/storage.objectCreator": ("storage.objects.create",),
    "roles/storage.objectUser": (*READER, "storage.objects.create", "storage.objects.delete", "storage.objects.update"),
    "roles/storage.objectAdmin": (*READER, "storage.objects.create", "storage.objects.delete", "storage.objects.update"),
}


@dataclass
class Iam:
    clock: Clock
    url: str
    # (member, permission, resource): the resource or any below it.
    grants: list[tuple[str, str, str]] = field(default_factory=list)
    accounts: set[str] = field(default_factory=set)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # key id → (email, public key)
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)  # token → (member, expires)
    logins: dict[str, str] = field(default_factory=dict)  # refresh token → member
    key_made: float | None = None  # when keys were made; None: just now
    key_seconds: float = 20 * 365 * 86400  # how long they are good
    federated: dict[tuple[str, str, str], str] = field(default_factory=dict)  # (audience, token type, token) → member

    def make_account(self, email: str) -> str:
        self.accounts.add(email)
        return email

    def make_key(self, email: str, project: str) -> dict:
        """The content of a key file, whose token_uri leads here."""
        self.make_account(email)
        key_id = secrets.token_hex(20)
        private, public = _key_pair(len(self.keys) % 4)
        self.keys[key_id] = (email, public)
        return {"type": "service_account", "project_id": project, "private_key_id": key_id, "private_key": private,
                "client_email": email, "client_id": "1", "token_uri": f"{self.url}/token",
                "client_x509_cert_url": f"{self.url}/x509/{email}"}  # fmt: skip

    def certificates(self, email: str) -> dict[str, str]:
        """Of the account's keys, as everybody may see them."""
        if email not in self.accounts:
            raise Refused(404, "notFound", "Not Found")
        made = self.key_made if self.key_made is not None else self.clock.now()
        return {key_id: _certificate(made, made + self.key_seconds)
                for key_id, (owner, _) in self.keys.items() if owner == email}  # fmt: skip

    def grant(self, email: str, resource: str, *permissions: str) -> None:
        self.grants += [(email, permission, resource) for permission in permissions]

    def give_token(self, member: str) -> str:
        token = "ya29." + secrets.token_urlsafe(24)
        self.tokens[token] = (member, self.clock.now() + TOKEN_SECONDS)
        return token

    def exchange(self, form: dict[str, str]) -> dict:
        """The token endpoint: a JWT that a key has signed (RFC 7523), or a login's refresh token, for a token."""
        if form.get("grant_type") == "refresh_token":
            member = self.logins.get(form.get("refresh_token", ""))
            if not member or not form.get("client_id") or not form.get("client_secret"):
                raise Refused(400, "invalid_grant", "Token has been expired or revoked.")
            return self._answer(member)
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise Refused(400, "unsupported_grant_type", "expected a JWT")
        try:
            header = google.auth.jwt.decode_header(form.get("assertion", ""))
            email, public = self.keys[header.get("kid", "")]
            claims = google.auth.jwt.decode(form["assertion"], certs=public, audience=[f"{self.url}/token", GOOGLES])
        except (KeyError, ValueError, google.auth.exceptions.GoogleAuthError) as error:
            raise Refused(400, "invalid_grant", f"Invalid JWT: {error}") from error
        if claims["iss"] != email or not claims.get("scope"):
            raise Refused(400, "invalid_grant", "Invalid JWT: issuer or scope")
        return self._answer(email)

    def _answer(self, member: str) -> dict:
        return {"access_token": self.give_token(member), "expires_in": TOKEN_SECONDS, "token_type": "Bearer",
                "issued_token_type": ACCESS_TOKEN}  # fmt: skip

    def trade(self, form: dict[str, str]) -> dict:
        """The Security Token Service (RFC 8693): another provider's token, or one of Google's to be narrowed."""
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange":
            raise Refused(400, "invalid_request", "grant_type")
        if form.get("requested_token_type") != ACCESS_TOKEN:
            raise Refused(400, "invalid_request", "requested_token_type")
        kind, subject = form.get("subject_token_type", ""), form.get("subject_token", "")
        if kind == ACCESS_TOKEN:
            whole = self.member_of(f"Bearer {subject}")
            boundary = json.loads(unquote(form.get("options", "") or "null"))
            rules = (boundary or {}).get("accessBoundary", {}).get("accessBoundaryRules", [])
            if not 1 <= len(rules) <= 10:
                raise Refused(400, "invalid_request", "options: an access boundary of 1 to 10 rules")
            return self._answer(Member(whole, boundary["accessBoundary"]["accessBoundaryRules"]))
        member = self.federated.get((form.get("audience", ""), kind, subject))
        if member is None or not form.get("scope"):
            raise Refused(400, "invalid_grant", "The subject token is not known to this audience.")
        return self._answer(member)

    def act_as(self, member: str, email: str, body: dict) -> dict:
        """generateAccessToken: through the delegates, each of which may act as the next."""
        chain = [member, *(name.rpartition("/")[2] for name in body.get("delegates") or []), email]
        for who, whom in zip(chain, chain[1:], strict=False):
            if whom not in self.accounts or not self.may(who, "iam.serviceAccounts.getAccessToken", f"accounts/{whom}"):
                raise Refused(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource "
                                                "(or it may not exist).", status_word="PERMISSION_DENIED")  # fmt: skip
        if not body.get("scope") or int(body.get("lifetime", "3600s").rstrip("s")) > TOKEN_SECONDS:
            raise Refused(400, "badRequest", "scope or lifetime", status_word="INVALID_ARGUMENT")
        return {"accessToken": self.give_token(email), "expireTime": self.clock.text(self.clock.now() + TOKEN_SECONDS)[:19] + "Z"}

    def member_of(self, authorization: str) -> str:
        token = authorization.removeprefix("Bearer ")
        member, expires = self.tokens.get(token, ("", 0.0))
        if not member or expires <= self.clock.now():
            raise Refused(401, "authError", "Request had invalid authentication credentials.")
        return member

    def may(self, member: str, permission: str, resource: str, name: str = "") -> bool:
        """`name`: of an object in a bucket, for tokens that are narrowed to a prefix."""
        if isinstance(member, Member) and not member.allows(permission, resource, name):
            return False
        return any(who == member and what == permission and (resource == where or resource.startswith(where + "/"))
                   for who, what, where in self.grants)  # fmt: skip

    def check(self, member: str, permission: str, resource: str) -> None:
        if not self.may(member, permission, resource):
            raise Refused(403, "forbidden", f"Required '{permission}' permission for '{resource}'")

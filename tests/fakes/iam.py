"""Who asks, and what they may do: keys, access tokens, grants."""

from __future__ import annotations

import functools
import secrets
from dataclasses import dataclass, field

import google.auth.exceptions
import google.auth.jwt
from cryptography.hazmat.primitives import serialization
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


@dataclass
class Iam:
    clock: Clock
    url: str
    # (member, permission, resource): the resource or any below it.
    grants: list[tuple[str, str, str]] = field(default_factory=list)
    accounts: set[str] = field(default_factory=set)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # key id → (email, public key)
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)  # token → (member, expires)

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
                "client_email": email, "client_id": "1", "token_uri": f"{self.url}/token"}  # fmt: skip

    def grant(self, email: str, resource: str, *permissions: str) -> None:
        self.grants += [(email, permission, resource) for permission in permissions]

    def give_token(self, member: str) -> str:
        token = "ya29." + secrets.token_urlsafe(24)
        self.tokens[token] = (member, self.clock.now() + TOKEN_SECONDS)
        return token

    def exchange(self, form: dict[str, str]) -> dict:
        """The token endpoint: a JWT that a key has signed, for a token (RFC 7523)."""
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
        return {"access_token": self.give_token(email), "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}

    def member_of(self, authorization: str) -> str:
        token = authorization.removeprefix("Bearer ")
        member, expires = self.tokens.get(token, ("", 0.0))
        if not member or expires <= self.clock.now():
            raise Refused(401, "authError", "Request had invalid authentication credentials.")
        return member

    def may(self, member: str, permission: str, resource: str) -> bool:
        return any(who == member and what == permission and (resource == where or resource.startswith(where + "/"))
                   for who, what, where in self.grants)  # fmt: skip

    def check(self, member: str, permission: str, resource: str) -> None:
        if not self.may(member, permission, resource):
            raise Refused(403, "forbidden", f"Required '{permission}' permission for '{resource}'")

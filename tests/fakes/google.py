"""One server that is Google: compute and storage, the token endpoint, IAM and a metadata server, on one address.

    with FakeGoogle() as google:
        key = google.iam.make_key("me@lab.iam.gserviceaccount.com", "lab")
        google.iam.grant(key["client_email"], "projects/lab", *compute.USER)
        google.on_request = lambda request: …      # a fault at a request: kill the client, close, answer a status
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from . import accounts, compute, discovery, metadata, projects, storage
from .clock import Clock
from .discovery import Refused
from .iam import Iam


@dataclass
class Request:
    """A request as it came; `number` counts from 0. A test that raises Closed at it answers nothing."""

    number: int
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    member: str = ""  # who it turned out to be from
    done: bool = False  # on_request is called before (False) and after (True) it took effect


class Closed(Exception):
    """The connection is closed without an answer."""


class FakeGoogle:
    def __init__(self):
        self.clock = Clock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.iam = Iam(self.clock, self.url)
        self.compute = compute.Compute(self.clock, self.iam)
        self.storage = storage.Storage(self.clock, self.iam)
        self.accounts = accounts.Accounts(self.iam)
        self.projects = projects.Projects(self.iam)
        self.metadata = metadata.Metadata(self.compute, self.iam)
        self.subject_token = ""  # what another identity provider answers
        self.requests: list[Request] = []
        self.on_request: Callable[[Request], None] = lambda request: None
        self._lock = threading.RLock()

    def __enter__(self) -> FakeGoogle:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        try:
            with self._lock:
                status, headers, body = self._serve(request)
        except Refused as refused:
            status, headers, body = refused.status, {}, _error_body(request, refused)
        headers.setdefault("Content-Type", "application/json; charset=UTF-8")
        return status, headers, body

    def _serve(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if request.path == "/":
            return 400, {}, b"{}"
        if request.path.startswith("/x509/"):
            return 200, {}, json.dumps(self.iam.certificates(request.path.removeprefix("/x509/"))).encode()
        if request.path in ("/token", "/v1/token"):
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            trade = self.iam.exchange if request.path == "/token" else self.iam.trade
            return 200, {}, json.dumps(trade(form)).encode()
        if request.path == "/subject-token" and request.headers.get("x-identity") == "yes":
            return 200, {}, self.subject_token.encode()
        told = self.metadata.serve(request)
        if told is not None:
            return told
        member = self.iam.member_of(request.headers.get("authorization", ""))
        request.member = member
        if request.path.endswith(":generateAccessToken"):
            body = json.loads(request.body)
            call = discovery.load("iamcredentials.v1").find(request.method, request.path, request.query, body)
            return 200, {}, json.dumps(self.iam.act_as(member, call.parameters["name"].rpartition("/")[2], body)).encode()
        if request.path == "/v1/userinfo":
            return 200, {}, json.dumps({"sub": "1", "email": str(member)} if "@" in member else {"sub": "1"}).encode()
        for service in (self.projects, self.accounts, self.compute, self.storage):
            answer = service.serve(member, request)
            if answer is not None:
                return answer
        raise Refused(404, "notFound", f"there is no {request.method} {request.path}")


def _error_body(request: Request, refused: Refused) -> bytes:
    if request.path in ("/token", "/v1/token"):  # RFC 6749
        return json.dumps({"error": refused.reason, "error_description": refused.message}).encode()
    error = {"code": refused.status, "message": refused.message,
             "errors": [{"message": refused.message, "domain": "global", "reason": refused.reason}]}  # fmt: skip
    if refused.details:
        error["details"] = refused.details
    if refused.status_word:
        error["status"] = refused.status_word
    return json.dumps({"error": error}).encode()


def _handler(google: FakeGoogle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm, wbufsize = True, -1

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, Closed):  # who asked has gone, or shall think that we have
                self.close_connection = True

        def exchange(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = urlsplit(self.path)
            with google._lock:
                request = Request(len(google.requests), self.command, target.path, parse_qs(target.query),
                                  {name.lower(): value for name, value in self.headers.items()}, body)  # fmt: skip
                google.requests.append(request)
            google.on_request(request)
            google.metadata.wait(request)
            status, headers, content = google.answer(request)
            request.done = True
            google.on_request(request)
            self.send_response_only(status)
            self.send_header("Date", formatdate(google.clock.now(), usegmt=True))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = exchange

        def log_message(self, *_) -> None:
            pass

    return Handler

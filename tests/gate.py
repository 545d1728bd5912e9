"""An HTTP proxy that stops a program at a named point: it holds the request that a test has asked for until it is let go.

    with Gate() as gate:
        server = start_server(…, "--public-url", gate.url)      # so that keys are for the gate
        gate.lead_to(server.endpoint, hold=Gate.nth_upload(20))
        run = subprocess.Popen([…, "--endpoint", gate.url])
        gate.wait(run)          # until the 20th upload has come; fails when `run` ends before
        run.kill()              # surely in the middle
        gate.open()             # everything passes from now on
"""

from __future__ import annotations

import http.client
import os
import select
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Gate:
    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.target = ""
        self._hold: Callable[[str, str], bool] = lambda method, path: False
        self._lock, self._opened = threading.Lock(), threading.Event()
        self._came, self._say = os.pipe()

    def __enter__(self) -> Gate:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.open()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        os.close(self._came)
        os.close(self._say)

    def lead_to(self, endpoint: str, hold: Callable[[str, str], bool]) -> None:
        """Requests go to `endpoint`; the first for which `hold(method, path)` is true is held, and all after it."""
        self.target, self._hold = endpoint.removeprefix("http://"), hold

    @staticmethod
    def nth_upload(n: int) -> Callable[[str, str], bool]:
        seen = 0

        def hold(method: str, path: str) -> bool:
            nonlocal seen
            seen += method == "POST" and path.startswith("/upload/")
            return seen >= n

        return hold

    def wait(self, process: subprocess.Popen) -> None:
        """Until a request is held."""
        ended = os.pidfd_open(process.pid)
        try:
            ready, _, _ = select.select([self._came, ended], [], [])
        finally:
            os.close(ended)
        assert self._came in ready, f"it ended with {process.wait()} before it came to the gate"

    def open(self) -> None:
        self._opened.set()

    def pass_through(self, method: str, path: str) -> None:
        with self._lock:
            held = not self._opened.is_set() and self._hold(method, path)
        if held:
            os.write(self._say, b"x")
            self._opened.wait()


def _handler(gate: Gate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm, wbufsize = True, -1  # else each answer waits for an acknowledgement

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:  # who asked has gone
                self.close_connection = True

        def setup(self) -> None:
            super().setup()
            self.upstream = http.client.HTTPConnection(gate.target)

        def finish(self) -> None:
            self.upstream.close()
            super().finish()

        def exchange(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            gate.pass_through(self.command, self.path)
            try:
                self.upstream.request(self.command, self.path, body or None, dict(self.headers))
                answer = self.upstream.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):  # as if the server had been asked itself
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.headers.get("Content-Length") or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = exchange

        def log_message(self, *_) -> None:
            pass

    return Handler

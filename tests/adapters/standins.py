"""Stand-ins for Twilio and SendGrid at the HTTP level, so that their real SDKs run in tests."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl


class Mood(StrEnum):
    """How a stand-in answers."""

    GOOD = "good"
    SLOW = "slow"  # takes the request and keeps quiet until it is stopped or its mood changes
    BUSY = "busy"  # 429
    BROKEN = "broken"  # 500, and no JSON
    REFUSING = "refusing"  # 400 (Twilio: code 21211), quoting the address as the real ones do
    UNAUTHORIZED = "unauthorized"  # 401
    NONSENSE = "nonsense"  # a success whose body is no JSON
    DEAF = "deaf"  # takes the request and hangs up without an answer


@dataclass(frozen=True)
class Received:
    """One request as it came in, at ``at`` (seconds since 1970); ``body`` is the form or the JSON."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    mood: Mood = Mood.GOOD
    at: float = 0.0

    @property
    def reaches_the_person(self) -> bool:
        """Whether the message goes out, whatever its sender is told."""
        return self.mood in {Mood.GOOD, Mood.SLOW, Mood.DEAF, Mood.NONSENSE}


@dataclass
class StandIn(ABC):
    """One provider on a free port of loopback."""

    port: int = 0
    mood: Mood = Mood.GOOD
    received: list[Received] = field(default_factory=list)
    confirmed: list[Received] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        stand_in = cls()
        server = _Server(("127.0.0.1", 0), _handler(stand_in))
        stand_in.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield stand_in
        finally:
            stand_in.stopped.set()
            server.shutdown()
            server.server_close()
            thread.join()

    @abstractmethod
    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        """Return status and body in the present mood."""


class TwilioStandIn(StandIn):
    """Answers like Twilio's Messages resource."""

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        problems = {
            Mood.BUSY: (429, 20429, "Too many requests"),
            Mood.REFUSING: (400, 21211, f"The 'To' number {body.get('To')} is not a valid phone number."),
            Mood.UNAUTHORIZED: (401, 20003, "Authenticate"),
        }
        if self.mood in problems:
            status, code, message = problems[self.mood]
            return status, json.dumps({"code": code, "message": message, "status": status}).encode()
        if self.mood is Mood.BROKEN:
            return 500, b"<h1>oops</h1>"
        if self.mood is Mood.NONSENSE:
            return 201, b"<h1>hello</h1>"
        return 201, json.dumps(
            {"sid": f"SM{len(self.received):032}", "status": "queued", "body": body["Body"]}
        ).encode()


class SendGridStandIn(StandIn):
    """Answers like SendGrid's mail/send."""

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        problems = {
            Mood.BUSY: (429, "too many requests"),
            Mood.BROKEN: (500, "oops"),
            Mood.REFUSING: (400, f"Does not contain a valid address: {body['personalizations'][0]['to']}"),
            Mood.UNAUTHORIZED: (401, "authorization required"),
        }
        if self.mood in problems:
            status, message = problems[self.mood]
            return status, json.dumps({"errors": [{"message": message}]}).encode()
        return 202, b""


def _wait_while_slow(stand_in: StandIn) -> None:
    deadline = time.monotonic() + 30
    while stand_in.mood is Mood.SLOW and time.monotonic() < deadline and not stand_in.stopped.wait(0.05):
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the default of 5 makes a burst of connections wait for a retransmission
    daemon_threads = True


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            is_json = "json" in self.headers["Content-Type"]
            body = json.loads(raw) if is_json else dict(parse_qsl(raw.decode(), keep_blank_values=True))
            mood = stand_in.mood
            received = Received(path=self.path, headers=dict(self.headers), body=body, mood=mood, at=time.time())
            stand_in.received.append(received)
            if mood is Mood.SLOW:
                _wait_while_slow(stand_in)
            if mood in {Mood.SLOW, Mood.DEAF}:
                self.close_connection = True
                return
            status, answer = stand_in.answer(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("X-Message-Id", f"message-{len(stand_in.received)}")
            self.end_headers()
            self.wfile.write(answer)
            if status < HTTPStatus.BAD_REQUEST:
                stand_in.confirmed.append(received)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep quiet."""

    return Handler

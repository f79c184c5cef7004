"""A real process of the API: what is no HTTP at all, or lies about itself, does it no harm."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from countersign.local.issuer import Issuer
from countersign.local.tcp_ports import free_port
from countersign.settings import Settings

CODE = b"493817"
PATIENCE = 0.3
CONNECTIONS = 30
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass(frozen=True)
class Server:
    """The process, where it listens, and what it logs."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def ask(self, *parts: bytes) -> bytes:
        """Send bytes as they are; return all that comes back until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            try:
                for part in parts:
                    connection.sendall(part)
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(65_536), b""))
            except OSError:  # it hung up while we were still talking
                return b""

    def trickle(self, first: bytes, drop: bytes, *, pause: float = 0.1, seconds: float = 4) -> bytes:
        """Send a little now and then; return what came back when the server hung up, or fail if it never does."""
        with self.connection() as connection:
            connection.sendall(first)
            connection.settimeout(pause)
            answer, deadline = b"", time.monotonic() + seconds
            while time.monotonic() < deadline:
                try:
                    came = connection.recv(65_536)
                    if not came:
                        return answer
                    answer += came
                except TimeoutError:
                    connection.sendall(drop)
                except OSError:
                    return answer
        pytest.fail("it was put up with")

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def is_well(self) -> bool:
        answer = self.ask(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return answer.startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def server(settings: Settings, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("api"), free_port()
    environment = {
        **os.environ,
        "COUNTERSIGN_MODE": "local",
        "COUNTERSIGN_DATA": str(folder),
        "COUNTERSIGN_API_PORT": str(port),
        "COUNTERSIGN_KEY_RING": settings.key_ring.get_secret_value(),
        "COUNTERSIGN_JWT_ISSUER": settings.jwt_issuer,
        "COUNTERSIGN_JWT_KEY_FILE": str(issuer.jwks_file),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "COUNTERSIGN_HTTP__HEAD_SECONDS": str(PATIENCE),
        "COUNTERSIGN_HTTP__BODY_SECONDS": str(PATIENCE),
        "COUNTERSIGN_HTTP__KEEP_ALIVE_SECONDS": "1",
        "COUNTERSIGN_HTTP__CONNECTIONS": str(CONNECTIONS),
    }
    log = folder / "log"
    with log.open("wb") as output:
        command = (sys.executable, "-m", "countersign", "api")
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        started = Server(port, process, log)
        try:
            _await(started)
            yield started
        finally:
            process.terminate()
            process.wait(10)


def _await(server: Server) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if server.is_well():
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(server.log.read_text())


def post(*headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /v1/api-keys HTTP/1.1", b"Host: 127.0.0.1", *headers, b"", body])


NOT_HTTP = {
    "nothing": b"",
    "a blank line": b"\r\n\r\n",
    "noise": bytes(range(256)) * 8,
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no version": b"GET /healthz\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\n\r\n",
    "a NUL in the path": b"GET /v1/\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a huge method": b"X" * 100_000 + b" / HTTP/1.1\r\n\r\n",
    "a huge path": b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "another host": b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nrubbish\r\n\r\n",
    "a header of 200 kB": post(b"X: " + b"x" * 200_000),
    "a key of 100 kB": post(b"Idempotency-Key: " + b"x" * 100_000, b"Content-Length: 0"),
    "10000 headers": post(*(b"X-%d: y" % number for number in range(10_000))),
    "a length that is none": post(b"Content-Length: many", body=b"{}"),
    "a negative length": post(b"Content-Length: -1", body=b"{}"),
    "a length of 5000 digits": post(b"Content-Length: " + b"9" * 5_000, body=b"{}"),
    "a length over the limit": post(b"Content-Length: 10000000", b"Connection: close", body=b"{}"),
    "two lengths": post(b"Content-Length: 2", b"Content-Length: 3", body=b"{}"),
    "a chunk size that is none": post(b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "an unknown transfer encoding": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "an absolute address": b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("rubbish", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_it_is_refused_or_ignored_and_the_next_caller_served(server: Server, rubbish: bytes) -> None:
    answer = server.ask(rubbish)

    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert server.is_well()


def test_a_body_shorter_than_it_says_is_not_taken_for_a_whole_one(server: Server) -> None:
    complete = json.dumps({"name": "bot"}).encode()

    answer = server.ask(post(b"Content-Type: application/json", b"Content-Length: 500", body=complete))

    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert server.is_well()


def test_what_follows_a_body_longer_than_it_says_is_no_request(server: Server) -> None:
    answer = server.ask(post(b"Content-Length: 2", body=b"{}" + CODE + b" rubbish\r\n\r\n"))

    statuses = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1")]
    assert all(status.startswith(b"HTTP/1.1 4") for status in statuses)
    assert server.is_well()


def test_a_body_in_chunks_without_an_end_is_413_when_it_passes_the_limit(server: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"

    answer = server.ask(post(b"Transfer-Encoding: chunked"), chunk, chunk)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert server.is_well()


def test_a_head_that_trickles_is_cut_off_with_408(server: Server) -> None:
    answer = server.trickle(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-A: b\r\n")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert server.is_well()


def test_a_connection_that_says_nothing_is_closed_without_a_word(server: Server) -> None:
    assert server.trickle(b"", b"") == b""


def test_a_body_that_trickles_is_cut_off_with_408(server: Server) -> None:
    answer = server.trickle(post(b"Content-Length: 5000", body=b"{"), b" ")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"/problems/body-too-slow" in answer
    assert server.is_well()


def test_a_connection_that_is_kept_is_closed_when_nothing_more_comes_and_its_second_head_may_not_trickle_either(
    server: Server,
) -> None:
    assert server.trickle(HEALTHZ, b"").count(b"HTTP/1.1 200 ") == 1

    answer = server.trickle(HEALTHZ, b"GET /healthz HTTP/1.1\r\nX-A: b\r\nX"[:1])
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert answer.count(b"HTTP/1.1 408 ") == 1


@pytest.mark.prove
def test_a_pause_between_two_requests_is_no_slow_head(server: Server) -> None:
    with server.connection() as connection:
        for _ in range(3):
            connection.sendall(HEALTHZ)
            answer = b""
            while b"alive" not in answer:
                answer += connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(PATIENCE + 0.1)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", b"414"),
        (b"GET /?" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", b"414"),
        (post(*(b"X-%d: y" % number for number in range(70)), b"Content-Length: 0"), b"431"),
        (post(*(b"X-%d: " % number + b"y" * 900 for number in range(25)), b"Content-Length: 0"), b"431"),
    ],
    ids=["a long path", "a long query", "many headers", "large headers"],
)
def test_a_head_over_the_limits_is_refused_with_its_own_status(server: Server, head: bytes, status: bytes) -> None:
    answer = server.trickle(head, b"")

    assert answer.startswith(b"HTTP/1.1 " + status), answer[:300]
    assert b"application/problem+json" in answer


def test_idle_connections_over_the_limit_are_answered_503_and_those_that_leave_make_room(server: Server) -> None:
    held = [server.connection() for _ in range(CONNECTIONS)]
    try:
        answer = server.trickle(HEALTHZ, b"")
    finally:
        for each in held:
            each.close()

    assert answer.startswith(b"HTTP/1.1 503 ")
    deadline = time.monotonic() + 5
    while not server.is_well():
        assert time.monotonic() < deadline


def test_answers_do_not_name_the_server(server: Server) -> None:
    answer = server.ask(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")

    assert b"\r\nserver:" not in answer.lower()
    assert b"\r\ncache-control: no-store\r\n" in answer


def test_nothing_of_it_stands_in_the_log(server: Server) -> None:
    server.ask(
        post(
            b"Content-Type: application/json",
            b"Content-Length: 20",
            b"Connection: close",
            body=b'{"code": "' + CODE + b'"}  ',
        )
    )
    log = server.log.read_bytes()

    assert b"Traceback" not in log
    assert CODE not in log
    assert server.process.poll() is None

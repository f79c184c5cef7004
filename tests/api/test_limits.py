"""Bodies: a whole one is handed on, and nothing else."""

from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.limits import BodyLimit

LIMIT = 10


async def handed_on(*messages: Message, path: str = "/", length: bytes | None = None) -> tuple[list[bytes], list[int]]:
    """Return the bodies that reached the app, and the statuses that were answered without it."""
    bodies: list[bytes] = []
    statuses: list[int] = []
    incoming: Iterator[Message] = iter(messages)

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        bodies.append((await receive())["body"])

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    headers = [] if length is None else [(b"content-length", length)]
    limited = BodyLimit(app, limit=LIMIT, limits={"/large": 3 * LIMIT})
    await limited({"type": "http", "path": path, "headers": headers}, receive, send)
    return bodies, statuses


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_parts_is_handed_on_whole() -> None:
    assert await handed_on(part(b"12345", more=True), part(b"67890")) == ([b"1234567890"], [])


async def test_a_body_that_broke_off_does_not_pass_for_a_whole_one() -> None:
    assert await handed_on(part(b"{}", more=True), {"type": "http.disconnect"}) == ([], [])


async def test_a_body_over_the_limit_is_refused_as_soon_as_it_is() -> None:
    assert await handed_on(part(b"12345", more=True), part(b"678901", more=True)) == ([], [413])


@pytest.mark.parametrize("length", [b"11", b"9" * 5_000])
async def test_a_body_that_says_it_is_too_large_is_not_read(length: bytes) -> None:
    assert await handed_on(length=length) == ([], [413])


async def test_a_path_may_have_a_limit_of_its_own() -> None:
    assert await handed_on(part(b"x" * 30), path="/large") == ([b"x" * 30], [])
    assert await handed_on(part(b"x" * 31), path="/large") == ([], [413])

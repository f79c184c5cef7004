"""Short words for what tests do with codes and answers."""

import time
from dataclasses import replace

import httpx

from tests.support.cast import Flow, Person

_STEP = 30
_REACH = 3


def problem(response: httpx.Response) -> tuple[int, str]:
    """Return status and problem type of a refusal."""
    return response.status_code, str(response.json()["type"]).rpartition("/")[2]


def retry_after(response: httpx.Response) -> int:
    """Return the seconds of a 429, which its header and its body tell alike."""
    assert response.status_code == 429, response.text
    assert str(response.json()["retry_after"]) == response.headers["Retry-After"]
    return int(response.headers["Retry-After"])


def as_seen_by(person: Person, flow: Flow) -> Flow:
    """Return the same request in another person's hands, the verifier with it."""
    return replace(flow, person=person)


async def wrong_code(flow: Flow) -> str:
    """Return six digits that are no code of the present step."""
    channel = (await flow.shown())["channel"]
    if channel == "authenticator":
        now = int(time.time() + flow.skew.total_seconds()) // _STEP
        good = {flow.person.code_of_step(now + offset) for offset in range(-_REACH, _REACH + 1)}
    else:
        good = set(await flow.sent_codes(channel))
    return next(code for code in (f"{digit}" * 6 for digit in range(10)) if code not in good)


async def enter_wrong_codes(flow: Flow, count: int) -> list[httpx.Response]:
    """Enter that many wrong codes at the present step."""
    shown, code = await flow.shown(), await wrong_code(flow)
    enter = flow.enter_code if shown["step"] == "two_factor_code" else flow.enter_activation_code
    return [await enter(code) for _ in range(count)]

"""Keys change in the middle of an open request, and whoever is in it notices nothing.

Each story goes half its way with processes that know the first key alone; then these are replaced by processes with
other rings, in each of the two phases of a rotation, and the story goes on to its end.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import pytest

from countersign.adapters.keyring import Purpose
from countersign.adapters.ring_text import RingText
from countersign.effects.resealing import reseal
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage import key_uses
from countersign.wiring import parts
from tests.support.cast import Cast, Flow, Providers
from tests.support.fix import credential_of, decide, decided, name_of, signal_decision, statement_for
from tests.support.pages import Reader
from tests.support.rings import ALONE, BOTH_KNOWN, FIRST, TAKEN_OVER, Place
from tests.support.security import (
    begin_change,
    changed,
    enrolment,
    enter_recovery_code,
    new_code,
    new_phone_of,
    ok,
    recovery_codes,
)
from tests.support.stage import ended

Story = Callable[[Cast], AsyncIterator[None]]


async def secret_of(flow: Flow) -> str:
    shown = ok(await flow.reveal())
    return str(shown.get("api_secret") or shown["password"])


async def _activated_by_mail(flow: Flow) -> None:
    ok(await flow.enter_activation_code())
    assert await ended(flow) == "activated"


async def a_code_by_sms_that_was_sent_before(cast: Cast) -> AsyncIterator[None]:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()
    yield
    ok(await flow.enter_code(code))
    assert (await flow.shown())["step"] == "secret_saved"


async def a_code_of_an_authenticator_that_was_set_up_before(cast: Cast) -> AsyncIterator[None]:
    flow = await cast.owner.create_api_key()
    yield
    await flow.to_activation_code()
    await _activated_by_mail(flow)


async def a_secret_that_was_sealed_before(cast: Cast) -> AsyncIterator[None]:
    flow = await (await cast.owner.create_api_key()).to_secret()
    yield
    assert (await secret_of(flow)).startswith("css_")
    assert await secret_of(flow) == await secret_of(flow)
    await flow.to_activation_code()
    await _activated_by_mail(flow)


async def a_secret_that_a_pages_session_may_see(cast: Cast) -> AsyncIterator[None]:
    reader = await Reader.signed_in(cast.owner)
    flow = await cast.owner.create_api_key()
    address = f"/settings/requests/{flow.id}"
    sent = await reader.send((await reader.get(address)).form_to(f"{address}/two-factor-code"), code=await flow.code())
    [shown] = re.findall(r"css_\w+", sent.text)
    yield
    reader.http = cast.owner.http
    again = await reader.send((await reader.get(address)).form_to(f"{address}/secret"))
    assert shown in again.text


async def a_code_by_mail_that_was_sent_before(cast: Cast) -> AsyncIterator[None]:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    code = await flow.code()
    yield
    assert (await flow.enter_activation_code("000000")).status_code == 422
    ok(await flow.enter_activation_code(code))
    assert await ended(flow) == "activated"


async def a_link_that_was_sent_before(cast: Cast) -> AsyncIterator[None]:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    [token] = await flow.link_tokens()
    yield
    ok(await flow.post("/activation-link", {"token": token}))
    assert await ended(flow) == "activated"


async def an_edit(cast: Cast) -> AsyncIterator[None]:
    key = await cast.owner.active_api_key()
    form = {"permissions": ["read"], "ip_whitelist": "", "acknowledge_deactivation": True}
    flow = await cast.sms_owner.begin(f"/api-keys/{key}/edits", form)
    code = await flow.code()
    yield
    ok(await flow.enter_code(code))
    ok(await flow.choose("now"))
    await _activated_by_mail(flow)


async def an_activation(cast: Cast) -> AsyncIterator[None]:
    flow = await cast.owner.begin(f"/api-keys/{await cast.owner.inactive_api_key()}/activations")
    yield
    ok(await flow.enter_code())
    assert await ended(flow) == "activated"


async def a_fix_password_and_the_managers_word(cast: Cast) -> AsyncIterator[None]:
    flow = await (await cast.owner.create_fix()).to_secret()
    yield
    assert (await secret_of(flow)).startswith("csp_")
    await flow.to_account_manager()
    decided(await decide(cast.account_manager, await name_of(flow)))
    assert await ended(flow) == "activated"


async def a_statement_that_was_signed_before(cast: Cast) -> AsyncIterator[None]:
    flow = await (await cast.owner.create_fix()).to_account_manager()
    statement = await statement_for(flow, cast.account_manager)
    yield
    await signal_decision(flow, statement)
    assert await ended(flow) == "activated"
    assert (await credential_of(flow))["status"] == "active"


async def an_authenticator_that_is_being_set_up(cast: Cast) -> AsyncIterator[None]:
    flow = await begin_change(cast.bare_owner, "authenticator")
    seed = (await enrolment(flow))["secret"]
    yield
    assert (await enrolment(flow))["secret"] == seed
    ok(await flow.enter_code(await new_code(flow)))
    assert await ended(flow) == "changed"
    assert len(await recovery_codes(flow)) > 5


async def a_recovery_code_that_was_written_down_before(cast: Cast) -> AsyncIterator[None]:
    codes = await recovery_codes(await changed(cast.owner, "recovery_codes"))
    flow = await begin_change(cast.owner, "sms", phone=new_phone_of(cast.owner))
    yield
    assert (await enter_recovery_code(flow, "0000-0000-0000-0000")).status_code == 422
    ok(await enter_recovery_code(flow, codes[0]))
    ok(await flow.enter_code(await new_code(flow)))
    assert await ended(flow) == "changed"


async def a_message_that_is_repeated_with_its_key(cast: Cast) -> AsyncIterator[None]:
    flow = await cast.owner.create_api_key()
    wrong = await flow.enter_code("000000", key="wrong")
    right = await flow.code()
    ok(await flow.enter_code(right, key="right"))
    yield
    repeated = await flow.enter_code("000000", key="wrong")
    assert (repeated.status_code, repeated.json()["attempts_left"]) == (422, wrong.json()["attempts_left"])
    ok(await flow.enter_code(right, key="right"))


STORIES: list[Story] = [
    a_code_by_sms_that_was_sent_before,
    a_code_of_an_authenticator_that_was_set_up_before,
    a_secret_that_was_sealed_before,
    a_secret_that_a_pages_session_may_see,
    a_code_by_mail_that_was_sent_before,
    a_link_that_was_sent_before,
    an_edit,
    an_activation,
    a_fix_password_and_the_managers_word,
    a_statement_that_was_signed_before,
    an_authenticator_that_is_being_set_up,
    a_recovery_code_that_was_written_down_before,
    a_message_that_is_repeated_with_its_key,
]


@pytest.fixture
def place(postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers) -> Place:
    return Place.make(postgres, settings, issuer, providers)


async def _begin_all(casts: list[Cast]) -> list[AsyncIterator[None]]:
    halves = [story(cast) for story, cast in zip(STORIES, casts, strict=True)]
    await asyncio.gather(*(anext(half) for half in halves))
    return halves


async def _end_all(halves: list[AsyncIterator[None]]) -> None:
    async def end(half: AsyncIterator[None]) -> None:
        with pytest.raises(StopAsyncIteration):
            await anext(half)

    await asyncio.gather(*(end(half) for half in halves))


async def _turn(place: Place, *, api: RingText, worker: RingText) -> None:
    async with place.at_work(api=FIRST, worker=FIRST) as processes:
        halves = await _begin_all([await processes.enter() for _ in STORIES])
    async with place.at_work(api=api, worker=worker):
        await _end_all(halves)


@pytest.mark.prove
async def test_every_story_goes_on_while_the_api_seals_under_the_new_key_and_the_worker_only_knows_it(
    place: Place,
) -> None:
    await _turn(place, api=TAKEN_OVER, worker=BOTH_KNOWN)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("api", "worker"),
    [(FIRST, BOTH_KNOWN), (BOTH_KNOWN, FIRST), (BOTH_KNOWN, TAKEN_OVER), (TAKEN_OVER, TAKEN_OVER)],
    ids=["worker first", "api first", "worker uses it", "all use it"],
)
async def test_every_story_goes_on_at_every_moment_of_a_rotation(place: Place, api: RingText, worker: RingText) -> None:
    await _turn(place, api=api, worker=worker)


async def _opened_by_verifier(place: Place, ring: RingText) -> str:
    """Return the one API secret of the database as whoever checks signatures reads it."""
    async with parts(place.with_ring(ring), purposes=frozenset({Purpose.PAYLOAD, Purpose.VERIFIER}), lazy=True) as core:
        async with core.database.connection() as connection:
            [row] = await (await connection.execute("SELECT id, secret_sealed FROM credentials")).fetchall()
        return core.keys.open(Purpose.VERIFIER, bytes(row[1]), bound_to=f"credential:{row[0]}").decode()


async def test_after_sealing_anew_the_first_key_can_go_from_every_open_request_that_carries_a_sealed_value(
    place: Place,
) -> None:
    async with place.at_work(api=FIRST, worker=FIRST) as processes:
        cast = await processes.enter()
        secret = await (await cast.owner.create_api_key()).to_secret()
        secret_shown = await secret_of(secret)
        setting_up = await begin_change(cast.bare_owner, "authenticator")
        seed = (await enrolment(setting_up))["secret"]

    async with parts(place.with_ring(TAKEN_OVER), purposes=frozenset(Purpose), lazy=True) as core:
        done = await reseal(core.database, core.keys)
        again = await reseal(core.database, core.keys)
        async with core.database.connection() as connection:
            under_the_first = {use.kind for use in await key_uses.every(connection) if use.key_id == FIRST.current}

    assert dict(done.counts) == {
        "API secrets": 1,
        "authenticator seeds": 5,
        "secrets to be shown": 1,
        "authenticators being set up": 1,
    }
    assert (again.counts.total(), done.unreadable, again.unreadable) == (0, [], [])
    assert under_the_first == {"open challenges", "audit events"}
    assert await _opened_by_verifier(place, ALONE) == secret_shown
    async with place.at_work(api=TAKEN_OVER, worker=TAKEN_OVER):
        assert await secret_of(secret) == secret_shown
        assert (await enrolment(setting_up))["secret"] == seed
        ok(await setting_up.enter_code(await new_code(setting_up)))

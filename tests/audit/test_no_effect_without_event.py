"""No effect without its event: where it cannot be recorded nothing happens, and the workflow waits and tries again."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from countersign.domain.messages import Actor, ActorKind, TwoFactorCode, Verdict
from countersign.local.postgres import EmbeddedPostgres
from tests.support.cast import Cast, Flow
from tests.support.fix import tags
from tests.support.histories import read_history
from tests.support.patience import eventually
from tests.support.rows import select

_FAIL = """CREATE FUNCTION no_event() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the disk of the audit trail is full' USING ERRCODE = 'disk_full'; END $$"""
_TRIGGER = """CREATE TRIGGER no_event BEFORE INSERT ON audit_events
              FOR EACH ROW WHEN (NEW.account_id = {}) EXECUTE FUNCTION no_event()"""


@contextmanager
def no_events(postgres: EmbeddedPostgres, cast: Cast) -> Iterator[Callable[[], None]]:
    """Let no event of the home account be recorded, until what is yielded is called."""

    def heal() -> None:
        with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
            owner.execute("DROP FUNCTION IF EXISTS no_event CASCADE")

    with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
        owner.execute(_FAIL)
        owner.execute(sql.SQL(_TRIGGER).format(sql.Literal(cast.owner.account_id)))
    try:
        yield heal
    finally:
        heal()


async def credentials_of(cast: Cast) -> int:
    rows = await select(cast.core, "SELECT count(*) FROM credentials WHERE account_id = %s", cast.owner.account_id)
    return int(rows[0][0])


async def until_it_waits(flow: Flow) -> None:
    async def waits() -> bool:
        history = await read_history(flow.person.core.client, flow.person.core.keys, flow.workflow_id)
        return any("await_storage" in line.text for line in history)

    await eventually(waits)


async def enter(flow: Flow, code: str) -> Verdict:
    actor = Actor(kind=ActorKind.USER, user_id=flow.person.id)
    message = TwoFactorCode(actor=actor, code=code, reveal_challenge=flow.challenge)
    verdict: Verdict = await flow.handle.execute_update(message.kind, message, result_type=Verdict)
    return verdict


async def test_in_the_middle_of_a_journey_nothing_happens_and_it_goes_on_when_events_can_be_recorded_again(
    cast: Cast, postgres: EmbeddedPostgres
) -> None:
    flow = await cast.owner.create_api_key()
    before = await flow.shown()
    with no_events(postgres, cast) as heal:
        entered = asyncio.create_task(enter(flow, await flow.code()))
        await until_it_waits(flow)

        assert not entered.done()
        assert (await flow.shown(), await credentials_of(cast)) == (before, 0)
        assert await tags(cast.owner, flow.id) == ["request:opened"]

        heal()
        verdict = await asyncio.wait_for(entered, 20)

    assert (verdict.problem, verdict.state.step) == (None, "secret_saved")
    assert await tags(cast.owner, flow.id) == ["request:opened", "two-factor:passed", "credential:created"]
    await flow.to_activation_code()
    await flow.enter_activation_code()
    assert await flow.outcome() == "activated"


async def test_a_deactivation_that_cannot_be_recorded_does_not_happen(cast: Cast, postgres: EmbeddedPostgres) -> None:
    key = await cast.owner.active_api_key()

    with no_events(postgres, cast):
        refused = await cast.owner.post(f"/api-keys/{key}/deactivations")
        assert refused.status_code >= 500
        assert (await cast.owner.get(f"/api-keys/{key}")).json()["status"] == "active"

    assert (await cast.owner.post(f"/api-keys/{key}/deactivations")).status_code == 200


async def test_a_request_whose_opening_cannot_be_recorded_is_not_opened(cast: Cast, postgres: EmbeddedPostgres) -> None:
    with no_events(postgres, cast):
        refused = await cast.owner.post("/api-keys", {"name": "bot", "permissions": ["trade"]})
        assert refused.status_code >= 500
        assert (await cast.owner.get("/requests")).json() == []

    assert (await cast.owner.post("/api-keys", {"name": "bot", "permissions": ["trade"]})).status_code == 202

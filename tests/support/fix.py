"""FIX credentials in tests: requests at their steps, account managers' decisions, and what is told of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from countersign.adapters.keyring import KeyRing
from countersign.adapters.statements import Statement, sign
from countersign.domain.messages import AccountManagerDecision
from countersign.storage.database import scalar
from countersign.wiring import Parts
from tests.support.cast import Cast, Flow, Person
from tests.support.patience import PATIENCE_SECONDS, eventually


async def waiting_for_manager(person: Person, session_type: str = "trade") -> Flow:
    """Return a creation that waits for the account manager."""
    return await (await person.create_fix(session_type)).to_account_manager()


async def active_fix(cast: Cast, person: Person, session_type: str = "trade") -> dict[str, Any]:
    """Return new FIX credentials that an account manager activated."""
    flow = await waiting_for_manager(person, session_type)
    decided(await decide(cast.account_manager, await name_of(flow)))
    return await credential_of(flow)


async def ask_for_activation(person: Person, credential: dict[str, Any]) -> Flow:
    """Return the request that asks for the activation of inactive FIX credentials."""
    return await person.begin(f"/fix-credentials/{credential['id']}/activations")


async def result_of(flow: Flow) -> str:
    """Return what the workflow ended with, once it has ended."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return str(await flow.handle.result())


async def name_of(flow: Flow) -> str:
    return str((await flow.shown())["name"])


async def credential_of(flow: Flow) -> dict[str, Any]:
    shown = await flow.shown()
    path = "fix-credentials" if shown["credential_kind"] == "fix" else "api-keys"
    return dict((await flow.person.get(f"/{path}/{shown['credential_id']}")).json())


async def look_up(manager: Person, name: str) -> dict[str, Any]:
    response = await manager.get(f"/account-manager/fix-credentials/{name}")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def decide(
    manager: Person, name: str, decision: str = "activate", *, version: int | None = None, reason: str = ""
) -> httpx.Response:
    """Decide on the version that is shown now, or on ``version``."""
    if version is None:
        version = (await look_up(manager, name))["version"]
    body = {"decision": decision, "reason": reason, "version": version}
    return await manager.post(f"/account-manager/fix-credentials/{name}/decision", body)


def decided(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return dict(response.json())


def problem(response: httpx.Response) -> tuple[int, str]:
    """Return a refusal's status and the slug of its type."""
    return response.status_code, str(response.json()["type"]).rpartition("/")[2]


async def queue(manager: Person) -> list[dict[str, Any]]:
    response = await manager.get("/account-manager/queue")
    assert response.status_code == 200, response.text
    return list(response.json())


async def statement_for(flow: Flow, by: Person, *, key_ring: KeyRing | None = None, **changes: Any) -> str:
    """Return a statement signed at this moment of the request's clock, good for ten minutes."""
    statement = Statement(
        manager=by.id,
        decision="activate",
        request_id=UUID(flow.id),
        credential_version=(await credential_of(flow))["version"],
        id=str(uuid4()),
        expires_at=datetime.now(UTC) + flow.skew + timedelta(minutes=10),
    )
    return sign(key_ring or by.core.keys, statement.model_copy(update=changes))


async def signal_decision(flow: Flow, statement: str) -> None:
    await flow.handle.signal("account_manager_decision", AccountManagerDecision(statement=statement))


async def audit(
    person: Person, request_id: str | None = None, *, seen_by: Person | None = None
) -> list[dict[str, Any]]:
    """Return the account's events, or those of one request, oldest first, as the person or ops see them."""
    response = await (seen_by or person).get(f"/audit-events?limit=500&account_id={person.account_id}")
    assert response.status_code == 200, response.text
    return [each for each in reversed(response.json()) if request_id in {None, each["request_id"]}]


async def tags(person: Person, request_id: str | None = None) -> list[str]:
    return [event["event"] for event in await audit(person, request_id)]


async def mails(person: Person, subject: str, *, count: int = 1) -> list[str]:
    """Return the bodies of the mails whose subject begins so, once there are ``count`` and the outbox is empty."""

    async def found() -> list[str]:
        all_of_them = person.providers.mails_to(person.email)
        return [mail["content"][0]["value"] for mail in all_of_them if mail["subject"].startswith(subject)]

    await eventually(found, lambda bodies: len(bodies) >= count)
    await eventually(lambda: _unsent(person), lambda waiting: not waiting)
    return await found()


async def all_mails(person: Person) -> list[str]:
    """Return the subjects of all mails to the person once the outbox holds no more for him or her."""
    await eventually(lambda: _unsent(person), lambda waiting: not waiting)
    return person.providers.subjects_to(person.email)


async def _unsent(person: Person) -> int:
    query = "SELECT count(*) FROM notices WHERE user_id = %s AND sent_at IS NULL AND failed_at IS NULL"
    async with person.core.database.connection() as connection:
        return int(await scalar(connection, query, (person.id,)))


async def execute(core: Parts, statement: Any, *values: object) -> None:
    """Change the database as no effect would: to bring about what happens outside."""
    async with core.database.connection() as connection:
        await connection.execute(statement, values)

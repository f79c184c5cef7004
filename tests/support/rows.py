"""What tests look up, or make older, in the database, where no route leads."""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg.rows import TupleRow

from countersign.domain.credentials import CredentialKind, SessionType
from countersign.domain.permissions import Permission
from countersign.storage import credentials
from countersign.storage.credentials import NewCredential
from countersign.wiring import Parts
from tests.support.cast import Cast, Person
from tests.support.patience import eventually


async def select(core: Parts, query: LiteralString, *values: object) -> list[TupleRow]:
    async with core.database.connection() as connection:
        return await (await connection.execute(query, values)).fetchall()


async def change(core: Parts, statement: LiteralString, *values: object) -> None:
    async with core.database.connection() as connection:
        await connection.execute(statement, values)


async def let_deadline_pass(core: Parts, request_id: str) -> None:
    """Make the request overdue while its workflow knows nothing of it, as if every worker were down."""
    await change(core, "UPDATE requests SET deadline = now() - interval '1 second' WHERE id = %s", request_id)


async def let_reveal_age(core: Parts, request_id: str, age: timedelta) -> None:
    await change(core, "UPDATE requests SET revealed_at = revealed_at - %s WHERE id = %s", age, request_id)


async def take_ownership(core: Parts, person: Person) -> None:
    """Let the person be an owner of the account no more."""
    await change(core, "DELETE FROM memberships WHERE user_id = %s", person.id)


async def notices(core: Parts, account_id: UUID | None) -> list[tuple[str, UUID]]:
    """Return the account's notices: event and recipient, oldest first."""
    query: LiteralString = "SELECT event, user_id FROM notices WHERE account_id = %s ORDER BY created_at"
    return [(event, user_id) for event, user_id in await select(core, query, account_id)]


async def subjects(cast: Cast, person: Person) -> list[str]:
    """Return the subjects of all mails to the person, once the outbox of the home account is empty."""
    unsent: LiteralString = "SELECT 1 FROM notices WHERE account_id = %s AND sent_at IS NULL"
    await eventually(lambda: select(cast.core, unsent, cast.owner.account_id), lambda waiting: not waiting)
    return cast.providers.subjects_to(person.email)


async def fill_account(person: Person, *, api_keys: int = 80, fix: int = 20) -> None:
    """Let the person's account have many credentials, inactive ones, whose secrets open nothing."""
    async with person.core.database.transaction() as connection:
        for number in range(api_keys + fix):
            await credentials.insert(connection, _filler(person, number, is_fix=number >= api_keys))


def _filler(person: Person, number: int, *, is_fix: bool) -> NewCredential:
    assert person.account_id is not None
    credential_id = uuid4()
    return NewCredential(
        id=credential_id,
        account_id=person.account_id,
        kind=CredentialKind.FIX if is_fix else CredentialKind.API_KEY,
        name=f"FILLER-{credential_id.hex[:12].upper()}" if is_fix else f"Filler {number}",
        name_key=f"filler {number}",
        public_id=f"filler-{credential_id.hex}",
        session_type=SessionType.TRADE if is_fix else None,
        permissions=[] if is_fix else [Permission.READ, Permission.TRADE, Permission.FUNDS_WALLET],
        ip_whitelist=[] if is_fix else ["203.0.113.7", "198.51.100.0/24", "2001:db8::/48"],
        secret_sealed=None if is_fix else b"sealed",
        password_mac=b"mac" if is_fix else None,
        mac_key_id="none" if is_fix else None,
        created_by=person.id,
    )

"""What would be stopped, counted, and where there is something to stop."""

from typing import LiteralString, cast
from uuid import UUID

from pydantic import BaseModel

from countersign.storage.database import Connection, column, one

# Of people, not of credentials: a change of two-factor authentication goes on.
_ABOUT_CREDENTIALS = "outcome IS NULL AND journey <> 'change-two-factor'"


class Counts(BaseModel, frozen=True):
    """What is active, of which kind, and what is open about credentials."""

    api_keys: int
    fix_credentials: int
    open_requests: int

    @property
    def active(self) -> int:
        """How many credentials are active."""
        return self.api_keys + self.fix_credentials

    @property
    def anything(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self.active or self.open_requests)


async def of_credential(connection: Connection, credential_id: UUID) -> Counts:
    """Return what stopping the credential would stop."""
    return await _counts(connection, " AND id = %(id)s", " AND credential_id = %(id)s", {"id": credential_id})


async def of_account(connection: Connection, account_id: UUID) -> Counts:
    """Return what stopping the account would stop."""
    of_it: LiteralString = " AND account_id = %(id)s"
    return await _counts(connection, of_it, of_it, {"id": account_id})


async def of_everything(connection: Connection) -> Counts:
    """Return what stopping everything would stop."""
    return await _counts(connection, "", "", {})


async def accounts_concerned(connection: Connection, *, after: UUID, limit: int) -> list[UUID]:
    """Return the ids, in their order, of accounts with something active, or open about a credential."""
    query = f"""(SELECT DISTINCT account_id FROM credentials WHERE status = 'active' AND account_id > %(after)s
                 ORDER BY account_id LIMIT %(limit)s)
                UNION
                (SELECT DISTINCT account_id FROM requests WHERE {_ABOUT_CREDENTIALS} AND account_id > %(after)s
                 ORDER BY account_id LIMIT %(limit)s)
                ORDER BY account_id LIMIT %(limit)s"""
    return await column(connection, query, {"after": after, "limit": limit})


async def _counts(
    connection: Connection, credentials: LiteralString, requests: LiteralString, values: dict[str, UUID]
) -> Counts:
    query = f"""SELECT count(*) FILTER (WHERE kind = 'api_key') AS api_keys,
                       count(*) FILTER (WHERE kind = 'fix') AS fix_credentials,
                       (SELECT count(*) FROM requests WHERE {_ABOUT_CREDENTIALS}{requests}) AS open_requests
                FROM credentials WHERE status = 'active'{credentials}"""
    return cast("Counts", await one(connection, Counts, query, values))

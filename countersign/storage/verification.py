"""Credentials as verifiers read them, with what signatures and passwords are checked by."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from countersign.domain.credentials import SessionType
from countersign.domain.permissions import Permission
from countersign.domain.trading_limits import TradingLimit
from countersign.storage.database import Connection, many


class Verifiable(BaseModel, frozen=True):
    """A credential that was not discarded; ``is_active`` when its account may have any, too."""

    id: UUID
    account_id: UUID
    name: str
    public_id: str
    session_type: SessionType | None
    permissions: tuple[Permission, ...]
    ip_whitelist: tuple[str, ...]
    trading_limits: tuple[TradingLimit, ...]
    is_active: bool
    version: int
    funds_from: datetime | None
    secret_sealed: bytes | None = Field(repr=False)
    password_mac: bytes | None = Field(repr=False)
    mac_key_id: str | None


_SELECT = """SELECT c.id, c.account_id, c.name, c.public_id, c.session_type, c.permissions, c.ip_whitelist,
                 c.trading_limits, c.status = 'active' AND a.prime_liquidity AS is_active, c.version, c.funds_from,
                 c.secret_sealed, c.password_mac, c.mac_key_id
             FROM credentials c JOIN accounts a ON a.id = c.account_id"""


async def of_keys(connection: Connection, public_ids: Sequence[str]) -> list[Verifiable]:
    """Return those of the API keys that there are."""
    query = f"{_SELECT} WHERE c.public_id = ANY(%s) AND c.kind = 'api_key' AND c.status <> 'discarded'"
    return await many(connection, Verifiable, query, (list(public_ids),))


async def of_session_names(connection: Connection, names: Sequence[str]) -> list[Verifiable]:
    """Return those of the FIX credentials that there are."""
    query = f"{_SELECT} WHERE c.name = ANY(%s) AND c.kind = 'fix' AND c.status <> 'discarded'"
    return await many(connection, Verifiable, query, (list(names),))


async def of_ids(connection: Connection, ids: Sequence[UUID]) -> list[Verifiable]:
    """Return those of the credentials that there are."""
    query = f"{_SELECT} WHERE c.id = ANY(%s) AND c.status <> 'discarded'"
    return await many(connection, Verifiable, query, (list(ids),))

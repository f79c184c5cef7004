"""Customers whose credentials are put straight into the database, and the calls that they sign."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, LiteralString, Self
from uuid import UUID, uuid4

from pydantic import Field, TypeAdapter

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.domain.credentials import CredentialKind, SessionType
from countersign.domain.permissions import Permission
from countersign.domain.secrets import (
    new_api_key,
    new_api_secret,
    new_fix_password,
    new_fix_username,
    new_session_name,
)
from countersign.domain.verification import Call
from countersign.storage import accounts, credentials, users
from countersign.storage.credentials import NewCredential
from countersign.storage.database import Database

HERE = "203.0.113.7"
ELSEWHERE = "198.51.100.9"


@dataclass(frozen=True)
class ApiKey:
    """An API key and its secret."""

    id: UUID
    account_id: UUID
    key: str
    secret: str

    def rest(self, **changes: Any) -> dict[str, Any]:
        """Return a call as a gateway tells of it; ``at`` and ``secret`` are what it is signed with."""
        at, secret = changes.pop("at", time.time()), changes.pop("secret", self.secret)
        body: bytes = changes.pop("body", b'{"pairs": ["BTC-USD"]}')
        action = changes.pop("action", "get_my_account_status_v3")
        timestamp = changes.pop("timestamp", str(int(at)))
        signed = hmac.digest(secret.encode(), f"{action}{timestamp}".encode() + body, hashlib.sha256)
        call = {
            "kind": "rest",
            "key": self.key,
            "timestamp": timestamp,
            "signature": base64.b64encode(signed).decode(),
            "action": action,
            "body": base64.b64encode(body).decode(),
            "ip": HERE,
            "permission": "read",
            "changes_state": False,
        }
        return call | changes

    def order(self, **changes: Any) -> dict[str, Any]:
        """Return a call that changes something, unlike any other."""
        told = {"action": "do_my_new_order", "body": uuid4().bytes, "permission": "trade", "changes_state": True}
        return self.rest(**told | changes)

    def websocket(self, **changes: Any) -> dict[str, Any]:
        """Return the message that authenticates a connection as a gateway tells of it."""
        timestamp = changes.pop("timestamp", str(int(time.time())))
        secret = changes.pop("secret", self.secret)
        signed = hmac.digest(secret.encode(), f"{timestamp}{self.key}".encode(), hashlib.sha256).hex()
        return {"kind": "websocket", "key": self.key, "timestamp": timestamp, "signature": signed, "ip": HERE} | changes


@dataclass(frozen=True)
class FixCredentials:
    """FIX credentials and their password."""

    id: UUID
    account_id: UUID
    session_name: str
    username: str
    password: str
    session_type: SessionType

    def logon(self, **changes: Any) -> dict[str, Any]:
        """Return a Logon as a gateway tells of it."""
        call = {
            "kind": "fix",
            "sender_comp_id": self.session_name,
            "username": self.username,
            "password": self.password,
            "session_type": self.session_type,
            "ip": HERE,
        }
        return call | changes


@dataclass(frozen=True)
class Customer:
    """An account with an owner, on a database that the application writes to."""

    database: Database
    keys: KeyRing
    account_id: UUID
    owner: UUID

    @classmethod
    async def enter(cls, database: Database, keys: KeyRing) -> Self:
        customer = cls(database, keys, uuid4(), uuid4())
        email = f"{customer.owner.hex}@example.com"
        async with database.transaction() as connection:
            await accounts.insert(connection, account_id=customer.account_id, name="Home", prime_liquidity=True)
            await users.insert(connection, user_id=customer.owner, name="Olivia", email=email, phone=None)
        return customer

    async def api_key(
        self,
        permissions: Sequence[Permission] = (Permission.READ, Permission.TRADE),
        *,
        whitelist: Sequence[str] = (),
        funds_from: datetime | None = None,
        active: bool = True,
    ) -> ApiKey:
        """Return a new API key."""
        made = ApiKey(uuid4(), self.account_id, new_api_key(), new_api_secret())
        sealed = self.keys.seal(Purpose.VERIFIER, made.secret.encode(), bound_to=f"credential:{made.id}")
        await self._insert(
            made.id,
            kind=CredentialKind.API_KEY,
            name=made.id.hex,
            public_id=made.key,
            permissions=list(permissions),
            ip_whitelist=list(whitelist),
            secret_sealed=sealed,
        )
        if active:
            await self.activate(made.id)
        if funds_from is not None:
            await self.change("UPDATE credentials SET funds_from = %s WHERE id = %s", funds_from, made.id)
        return made

    async def fix(self, session_type: SessionType = SessionType.TRADE, *, active: bool = True) -> FixCredentials:
        """Return new FIX credentials."""
        name, username, password = new_session_name(session_type), new_fix_username(), new_fix_password()
        made = FixCredentials(uuid4(), self.account_id, name, username, password, session_type)
        mac = self.keys.mac(Purpose.FIX_PASSWORD, f"credential:{made.id}:{password}".encode())
        await self._insert(
            made.id,
            kind=CredentialKind.FIX,
            name=made.session_name,
            public_id=made.username,
            session_type=session_type,
            password_mac=mac,
            mac_key_id=self.keys.current,
        )
        if active:
            await self.activate(made.id)
        return made

    async def activate(self, credential_id: UUID) -> None:
        await self.change(
            "UPDATE credentials SET status = 'active', version = version + 1 WHERE id = %s", credential_id
        )

    async def deactivate(self, credential_id: UUID) -> None:
        await self.change(
            "UPDATE credentials SET status = 'inactive', version = version + 1 WHERE id = %s", credential_id
        )

    async def change(self, statement: LiteralString, *values: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, values)

    async def counted(self, credential_id: UUID) -> dict[str, int]:
        """Return how often which outcome was written."""
        query = "SELECT outcome, count FROM credential_activity WHERE credential_id = %s"
        async with self.database.connection() as connection:
            rows = await (await connection.execute(query, (credential_id,))).fetchall()
        return {str(outcome): int(count) for outcome, count in rows}

    async def _insert(self, credential_id: UUID, *, name: str, **columns: Any) -> None:
        told = {"session_type": None, "permissions": [], "ip_whitelist": [], "created_by": self.owner, **columns}
        new = NewCredential(id=credential_id, account_id=self.account_id, name=name, name_key=name.lower(), **told)
        async with self.database.connection() as connection:
            await credentials.insert(connection, new)


def asked(call: dict[str, Any]) -> Call:
    """Return the call as a client of ours asks about it."""
    return _CALL.validate_json(json.dumps({"ip": HERE} | call))


_CALL: TypeAdapter[Call] = TypeAdapter(Annotated[Call, Field(discriminator="kind")])

"""A house of its own for each test of effects: one account, its people, and requests without any workflow."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, Self
from uuid import UUID, uuid4

import pyotp
from psycopg.rows import TupleRow
from pydantic import BaseModel

from countersign.adapters.keyring import Purpose
from countersign.adapters.statements import Statement, sign
from countersign.domain.credentials import SessionType
from countersign.domain.messages import (
    AccountManagerDecision,
    Activate,
    ActivateLater,
    Actor,
    ActorKind,
    Cancel,
    Envelope,
    RequestAt,
    SecretSaved,
    TwoFactorCode,
    Verdict,
)
from countersign.domain.people import Role, TwoFactorMethod
from countersign.domain.requests import ChangeTo
from countersign.effects import opening, progress
from countersign.effects.messages import apply_message
from countersign.effects.secrets import Shown, reveal
from countersign.effects.security import TwoFactorChange, open_change
from countersign.effects.work import Desk
from countersign.storage import accounts, requests, users
from countersign.storage.requests import Request
from tests.support.cast import challenge_of

# In the middle of a time step of authenticators.
NOW = datetime(2026, 3, 1, 12, 0, 15, tzinfo=UTC)
TICK = timedelta(microseconds=1)
IP = "203.0.113.7"
VERIFIER = "v" * 43


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def by(user_id: UUID | None, kind: ActorKind = ActorKind.USER) -> Actor:
    return Actor.model_validate({"kind": kind, "user_id": user_id, "ip": IP})


@dataclass
class House:
    """The account and the ids of its people."""

    desk: Desk
    account_id: UUID = field(default_factory=uuid4)
    owner: UUID = field(default_factory=uuid4)
    sms_owner: UUID = field(default_factory=uuid4)
    member: UUID = field(default_factory=uuid4)
    manager: UUID = field(default_factory=uuid4)
    stranger: UUID = field(default_factory=uuid4)
    seed: str = field(default_factory=pyotp.random_base32)

    @classmethod
    async def build(cls, desk: Desk) -> Self:
        house = cls(desk)
        async with desk.database.transaction() as connection:
            await accounts.insert(connection, account_id=house.account_id, name="Home", prime_liquidity=True)
            for name in ("owner", "sms_owner", "member", "manager", "stranger"):
                user_id = getattr(house, name)
                phone = f"+4477{user_id.int % 10**8:08}"
                role = Role.ACCOUNT_MANAGER if name == "manager" else None
                email = f"{user_id.hex}@example.com"
                await users.insert(connection, user_id=user_id, name=name, email=email, phone=phone, staff_role=role)
            for user_id, member_role in [
                (house.owner, Role.OWNER),
                (house.sms_owner, Role.OWNER),
                (house.member, Role.MEMBER),
            ]:
                await accounts.add_member(connection, account_id=house.account_id, user_id=user_id, role=member_role)
            await accounts.assign_manager(connection, account_id=house.account_id, user_id=house.manager)
            sealed = desk.keys.seal(Purpose.TOTP_SEED, house.seed.encode(), bound_to=f"user:{house.owner}")
            await users.set_two_factor(connection, house.owner, method=TwoFactorMethod.AUTHENTICATOR, totp_seed=sealed)
            await users.set_two_factor(connection, house.sms_owner, method=TwoFactorMethod.SMS, totp_seed=None)
        return house

    async def create_key(
        self,
        user_id: UUID | None = None,
        *,
        at: datetime = NOW,
        name: str | None = None,
        permissions: Sequence[str] = ("trade",),
        trading_limits: str = "",
    ) -> "Case":
        """Open the creation of an API key and let it begin."""
        user = user_id or self.owner
        async with self.desk.on_account(self.account_id, at=at, actor=by(user)) as work:
            request = await opening.create_api_key(
                work,
                user,
                name=name or uuid4().hex,
                permissions=list(permissions),
                ip_whitelist="203.0.113.7",
                trading_limits=trading_limits,
            )
        return await self._begun(request, user, at)

    async def create_fix(self, user_id: UUID | None = None, *, at: datetime = NOW) -> "Case":
        """Open the creation of FIX credentials and let it begin."""
        user = user_id or self.owner
        async with self.desk.on_account(self.account_id, at=at, actor=by(user)) as work:
            request = await opening.create_fix_credentials(work, user, session_type=SessionType.TRADE)
        return await self._begun(request, user, at)

    async def start_key(self, user_id: UUID, *, at: datetime = NOW) -> UUID:
        """Open the creation of an API key whose workflow has not begun."""
        async with self.desk.on_account(self.account_id, at=at, actor=by(user_id)) as work:
            request = await opening.create_api_key(
                work, user_id, name=uuid4().hex, permissions=["trade"], ip_whitelist=""
            )
        return request.id

    async def start(self, user_id: UUID) -> "Case":
        return Case(self, await self.start_key(user_id), user_id)

    async def activate_key(self, credential_id: UUID) -> "Case":
        """Open the activation of the owner's inactive API key and let it begin."""
        async with self.desk.on_account(self.account_id, at=NOW, actor=by(self.owner)) as work:
            request = await opening.activate_api_key(work, self.owner, credential_id)
        return await self._begun(request, self.owner, NOW)

    async def edit_key(
        self, credential_id: UUID, *, permissions: list[str], ip_whitelist: str, trading_limits: str | None = None
    ) -> "Case":
        """Open an edit of the owner's API key and let it begin."""
        async with self.desk.on_account(self.account_id, at=NOW, actor=by(self.owner)) as work:
            request = await opening.edit_api_key(
                work,
                self.owner,
                credential_id,
                permissions=permissions,
                ip_whitelist=ip_whitelist,
                trading_limits=trading_limits,
                acknowledged=True,
            )
        return await self._begun(request, self.owner, NOW)

    async def activate_fix(self, credential_id: UUID, user_id: UUID) -> "Case":
        """Open the wait for an account manager and let it begin."""
        async with self.desk.on_account(self.account_id, at=NOW, actor=by(user_id)) as work:
            request = await opening.activate_fix_credentials(work, user_id, credential_id)
        return await self._begun(request, user_id, NOW)

    async def change_two_factor(self, user_id: UUID, to: ChangeTo) -> "Case":
        """Open a change of the person's two-factor authentication and let it begin."""
        change = TwoFactorChange(to, reveal_challenge=challenge_of(VERIFIER))
        async with self.desk.on_account(self.account_id, at=NOW, actor=by(user_id)) as work:
            request = await open_change(work, user_id, change=change)
        return await self._begun(request, user_id, NOW)

    async def _begun(self, request: Request, user_id: UUID, at: datetime) -> "Case":
        await progress.begin(self.desk, RequestAt(request_id=request.id, at=at))
        return Case(self, request.id, user_id)

    async def select(self, query: LiteralString, *values: object) -> list[TupleRow]:
        async with self.desk.database.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def change(self, statement: LiteralString, *values: object) -> None:
        async with self.desk.database.connection() as connection:
            await connection.execute(statement, values)

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the audit trail: event and details, oldest first."""
        query: LiteralString = "SELECT event, details FROM audit_events WHERE account_id = %s ORDER BY number"
        return [(event, details) for event, details in await self.select(query, self.account_id)]

    async def last_event(self) -> tuple[str, dict[str, Any]]:
        return (await self.events())[-1]

    async def mails(self) -> set[tuple[str, UUID]]:
        """Return the notices: event and recipient."""
        rows = await self.select("SELECT event, user_id FROM notices WHERE account_id = %s", self.account_id)
        return {(event, user_id) for event, user_id in rows}

    async def row(self) -> accounts.Account:
        async with self.desk.database.connection() as connection:
            account = await accounts.get(connection, self.account_id)
        assert account is not None
        return account


@dataclass
class Case:
    """One request of the house, and who began it."""

    house: House
    id: UUID
    user_id: UUID

    async def request(self) -> Request:
        async with self.house.desk.database.connection() as connection:
            found = await requests.get(connection, self.id)
        assert found is not None
        return found

    async def send(
        self, message: BaseModel, *, at: datetime = NOW, actor: Actor | None = None, key: str | None = None
    ) -> Verdict:
        """Let the message have its effect at that moment; by its requester if by nobody else."""
        addressed = message.model_copy(update={"actor": actor or by(self.user_id)})
        envelope = {"request_id": self.id, "key": key or uuid4().hex, "at": at, "message": addressed.model_dump()}
        return await apply_message(self.house.desk, Envelope.model_validate(envelope))

    async def problem(self, message: BaseModel, *, at: datetime = NOW, actor: Actor | None = None) -> str | None:
        return (await self.send(message, at=at, actor=actor)).problem

    async def enter(self, code: str, *, at: datetime = NOW, actor: Actor | None = None) -> Verdict:
        """Enter a two-factor code, with the challenge of the reveal."""
        return await self.send(TwoFactorCode(code=code, reveal_challenge=challenge_of(VERIFIER)), at=at, actor=actor)

    def authenticator(self, *, at: datetime = NOW, steps: int = 0) -> str:
        return pyotp.TOTP(self.house.seed).at(int(at.timestamp()) + 30 * steps)

    async def sent(self, number: int = 1) -> str:
        """Return the code of a send (RFC 4226), reckoned from the key of the ring."""
        request = await self.request()
        assert request.challenge_id
        key = self.house.desk.keys.key(Purpose.ONE_TIME_CODE, request.key_id)
        secret = hmac.digest(key, request.challenge_id.bytes, hashlib.sha256)
        return pyotp.HOTP(base64.b32encode(secret).decode()).at(number)

    async def wrong(self) -> str:
        """Return a code that is none of the first ones sent, nor the authenticator's."""
        request = await self.request()
        good = {self.authenticator(steps=steps) for steps in range(-40, 41)}
        good |= {await self.sent(number) for number in range(1, 9)} if request.challenge_id else set()
        return next(code for code in (f"{digit}" * 6 for digit in range(10)) if code not in good)

    async def link(self, number: int = 1) -> str:
        """Return the token of a send's link, reckoned from the key of the ring."""
        request = await self.request()
        assert request.challenge_id
        key = self.house.desk.keys.key(Purpose.ACTIVATION_LINK, request.key_id)
        mac = hmac.digest(key, request.challenge_id.bytes + number.to_bytes(4), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    async def cancel(self) -> None:
        await self._done(await self.send(Cancel()))

    async def reveal(self, *, at: datetime = NOW, verifier: str = VERIFIER, actor: Actor | None = None) -> Shown:
        return await reveal(self.house.desk, self.id, verifier=verifier, at=at, actor=actor or by(self.user_id))

    async def to_secret(self) -> Self:
        request = await self.request()
        # So that the same moment's code serves several requests of one test.
        await self.house.change("UPDATE users SET totp_last_step = 0 WHERE id = %s", self.user_id)
        code = self.authenticator() if request.channel == "authenticator" else await self.sent()
        await self._done(await self.enter(code))
        return self

    async def to_choice(self) -> Self:
        await self.to_secret()
        await self.reveal()
        await self._done(await self.send(SecretSaved()))
        return self

    async def to_waiting(self) -> Self:
        """Go on to the email's code, or for FIX credentials to the account manager."""
        await self.to_choice()
        await self._done(await self.send(Activate()))
        return self

    async def left_inactive(self) -> Self:
        await self.to_choice()
        await self._done(await self.send(ActivateLater()))
        return self

    def statement(self, **changes: Any) -> Statement:
        """Return the decision of the account manager to activate, with changes."""
        members = {
            "manager": self.house.manager,
            "decision": "activate",
            "request_id": self.id,
            "credential_version": 1,
            "reason": "as agreed",
            "id": uuid4().hex,
            "expires_at": NOW + minutes(10),
        }
        return Statement.model_validate(members | changes)

    async def decide(self, *, at: datetime = NOW, **changes: Any) -> Verdict:
        """Send the account manager's signed decision."""
        statement = sign(self.house.desk.keys, self.statement(**changes))
        message = AccountManagerDecision(statement=statement)
        return await self.send(message, at=at, actor=Actor.model_validate({"kind": ActorKind.SIGNAL, "ip": IP}))

    async def _done(self, verdict: Verdict) -> None:
        assert verdict.problem is None, verdict

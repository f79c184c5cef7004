"""The people of the tests, what reaches them, and the requests they carry through the HTTP API."""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import pyotp
from temporalio.client import WorkflowHandle
from temporalio.testing import TimeSkipper

from countersign.adapters.keyring import Purpose
from countersign.domain.people import Role, TwoFactorMethod
from countersign.local.issuer import Issuer
from countersign.storage import accounts, users
from countersign.storage.database import Connection
from countersign.wiring import Parts
from tests.adapters.standins import SendGridStandIn, TwilioStandIn
from tests.support.patience import eventually

_STEP = 30


@dataclass(frozen=True)
class Providers:
    """Twilio and SendGrid as the tests know them."""

    twilio: TwilioStandIn
    sendgrid: SendGridStandIn

    def __repr__(self) -> str:
        # pytest takes the repr of every fixture; all that was ever received would be half of the suite's time.
        return "Providers()"

    def texts_to(self, phone: str) -> list[str]:
        return [each.body["Body"] for each in self.twilio.received if each.body["To"] == phone]

    def mails_to(self, email: str) -> list[dict[str, Any]]:
        return [each.body for each in self.sendgrid.received if _recipient(each.body) == email]

    def subjects_to(self, email: str) -> list[str]:
        return [mail["subject"] for mail in self.mails_to(email)]


@dataclass
class Person:
    """Someone who calls the API."""

    name: str
    core: Parts
    http: httpx.AsyncClient
    providers: Providers
    issuer: Issuer
    id: UUID = field(default_factory=uuid4)
    account_id: UUID | None = None
    seed: str = field(default_factory=pyotp.random_base32)
    last_step: int = 0

    def __repr__(self) -> str:
        return f"Person({self.name})"

    @property
    def email(self) -> str:
        return f"{self.name}.{self.id.hex}@example.com"

    @property
    def phone(self) -> str:
        return f"+4477{self.id.int % 10**8:08}"

    @property
    def token(self) -> str:
        account = str(self.account_id) if self.account_id else None
        return self.issuer.mint(subject=str(self.id), audience="countersign", account=account)

    async def get(self, path: str) -> httpx.Response:
        return await self.call("GET", path)

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
        return await self.call("POST", path, body, key=key)

    async def delete(self, path: str) -> httpx.Response:
        return await self.call("DELETE", path)

    async def call(self, method: str, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.http.request(method, f"/v1{path}", json=body, headers=headers)

    def authenticator_code(self, *, skew: timedelta = timedelta()) -> str:
        """Return a code not used before, good at this moment of a request whose clock is ``skew`` ahead."""
        now, into = divmod(int(time.time() + skew.total_seconds()), _STEP)
        # Near the end of a step the one before it might have died on arrival.
        self.last_step = max(self.last_step + 1, now - 1 if into < _STEP - 5 else now)
        return self.code_of_step(self.last_step)

    async def have_unused_steps(self, *, skew: timedelta) -> None:
        """Let the server forget which time steps were used, if no other is good now: no test waits for the next."""
        if self.last_step > (time.time() + skew.total_seconds()) // _STEP:
            async with self.core.database.connection() as connection:
                await users.begin_totp_steps(connection, self.id, 0)
            self.last_step = 0

    def code_of_step(self, step: int) -> str:
        return pyotp.TOTP(self.seed).at(step * _STEP)

    async def begin(self, path: str, body: object = None, *, key: str | None = None) -> "Flow":
        """Start a request and wait until it has begun."""
        response = await self.post(path, body, key=key)
        assert response.status_code == 202, response.text
        flow = Flow(self, response.json()["id"], response.json()["workflow_id"])
        await flow.until(lambda shown: shown["step"] != "starting")
        return flow

    async def create_api_key(self, name: str = "bot", **form: object) -> "Flow":
        return await self.begin("/api-keys", {"name": name, "permissions": ["trade"], **form})

    async def create_fix(self, session_type: str = "trade") -> "Flow":
        return await self.begin("/fix-credentials", {"session_type": session_type})

    async def active_api_key(self, name: str = "bot", **form: object) -> str:
        """Return the id of a new API key that is active."""
        flow = await self.create_api_key(name, **form)
        await flow.to_activation_code()
        await flow.enter_activation_code()
        return str((await flow.shown())["credential_id"])

    async def inactive_api_key(self, name: str = "bot", **form: object) -> str:
        """Return the id of a new API key that was left inactive."""
        flow = await self.create_api_key(name, **form)
        await flow.to_choice()
        await flow.choose("later")
        return str((await flow.shown())["credential_id"])

    async def inactive_fix(self, session_type: str = "trade") -> dict[str, Any]:
        """Return new FIX credentials that were left inactive."""
        flow = await self.create_fix(session_type)
        await flow.to_choice()
        await flow.choose("later")
        response = await self.get(f"/fix-credentials/{(await flow.shown())['credential_id']}")
        return dict(response.json())


@dataclass
class Flow:
    """One request as the person who began it goes through it."""

    person: Person
    id: str
    workflow_id: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    skew: timedelta = timedelta()

    @property
    def challenge(self) -> str:
        return challenge_of(self.verifier)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.person.core.client.get_workflow_handle(self.workflow_id)

    async def shown(self) -> dict[str, Any]:
        response = await self.person.get(f"/requests/{self.id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the request once it fits; what workers do takes a moment."""
        return dict(await eventually(self.shown, fits))

    async def outcome(self) -> str:
        return str((await self.until(lambda shown: shown["outcome"] is not None))["outcome"])

    async def step(self) -> str:
        return str((await self.shown())["step"])

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
        return await self.person.post(f"/requests/{self.id}{path}", body, key=key)

    async def cancel(self) -> httpx.Response:
        return await self.person.delete(f"/requests/{self.id}")

    async def skip(self, **delta: float) -> None:
        """Let the workflow's clock run ahead, in well under a second."""
        await TimeSkipper(self.person.core.client).fast_forward(self.handle, timedelta(**delta))
        self.skew += timedelta(**delta)

    async def code(self, *, newest: int = 1) -> str:
        """Return the code as the person gets it: from the authenticator, or the newest but ``newest`` - 1 sent."""
        channel = (await self.shown())["channel"]
        if channel == "authenticator":
            await self.person.have_unused_steps(skew=self.skew)
            return self.person.authenticator_code(skew=self.skew)
        return (await self.sent_codes(channel))[-newest]

    async def sent_codes(self, channel: str) -> list[str]:
        """Return the codes that reached the person for the present step, oldest first."""
        await self.until(lambda shown: shown["delivery"] == "sent")
        if channel == "sms":
            return [_code_in(text) for text in self.person.providers.texts_to(self.person.phone)]
        mails = self.person.providers.mails_to(self.person.email)
        return [_code_in(mail["content"][0]["value"]) for mail in mails if f"/activate/{self.id}#" in str(mail)]

    async def link_tokens(self) -> list[str]:
        await self.until(lambda shown: shown["delivery"] == "sent")
        mails = self.person.providers.mails_to(self.person.email)
        found = [re.search(rf"/activate/{self.id}#([\w-]+)", mail["content"][0]["value"]) for mail in mails]
        return [match[1] for match in found if match]

    async def enter_code(self, code: str | None = None, *, key: str | None = None) -> httpx.Response:
        body = {"code": code or await self.code(), "reveal_challenge": self.challenge}
        return await self.post("/two-factor-code", body, key=key)

    async def reveal(self, verifier: str | None = None) -> httpx.Response:
        return await self.post("/secret", {"reveal_verifier": verifier or self.verifier})

    async def save(self) -> httpx.Response:
        return await self.post("/secret-saved")

    async def choose(self, when: str) -> httpx.Response:
        return await self.post("/activation", {"when": when})

    async def enter_activation_code(self, code: str | None = None) -> httpx.Response:
        return await self.post("/activation-code", {"code": code or await self.code()})

    async def to_secret(self) -> Self:
        await _ok(self.enter_code())
        return self

    async def to_choice(self) -> Self:
        if (await self.shown())["step"] == "two_factor_code":
            await self.to_secret()
        if (await self.shown())["step"] == "secret_saved":
            await _ok(self.reveal())
            await _ok(self.save())
        return self

    async def to_activation_code(self) -> Self:
        await self.to_choice()
        await _ok(self.choose("now"))
        return self

    async def to_account_manager(self) -> Self:
        return await self.to_activation_code()


@dataclass(frozen=True)
class Cast:
    """Who plays in a test."""

    owner: Person
    sms_owner: Person
    bare_owner: Person
    second_owner: Person
    member: Person
    plain_owner: Person
    outsider: Person
    account_manager: Person
    unassigned_manager: Person
    ops: Person
    providers: Providers
    core: Parts

    def __repr__(self) -> str:
        return "Cast()"

    @classmethod
    async def enter(cls, core: Parts, *, http: httpx.AsyncClient, issuer: Issuer, providers: Providers) -> Self:
        """Put the cast into the database: two accounts of Prime Liquidity, and one that is none."""
        names = [name for name in cls.__dataclass_fields__ if name not in {"providers", "core"}]
        people = {name: Person(name, core, http, providers, issuer) for name in names}
        async with core.database.transaction() as connection:
            home = await _account(connection, "Home", prime_liquidity=True)
            away = await _account(connection, "Away", prime_liquidity=True)
            plain = await _account(connection, "Plain", prime_liquidity=False)
            for name in ("owner", "second_owner"):
                await _add(connection, people[name], home, TwoFactorMethod.AUTHENTICATOR)
            await _add(connection, people["sms_owner"], home, TwoFactorMethod.SMS)
            await _add(connection, people["bare_owner"], home, TwoFactorMethod.NONE)
            await _add(connection, people["member"], home, TwoFactorMethod.AUTHENTICATOR, role=Role.MEMBER)
            await _add(connection, people["outsider"], away, TwoFactorMethod.AUTHENTICATOR)
            await _add(connection, people["plain_owner"], plain, TwoFactorMethod.AUTHENTICATOR)
            await _add_staff(connection, people["account_manager"], Role.ACCOUNT_MANAGER)
            await _add_staff(connection, people["unassigned_manager"], Role.ACCOUNT_MANAGER)
            await _add_staff(connection, people["ops"], Role.OPS)
            await accounts.assign_manager(connection, account_id=home, user_id=people["account_manager"].id)
        return cls(**people, providers=providers, core=core)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def _ok(call: Any) -> None:
    response: httpx.Response = await call
    assert response.status_code == 200, response.text


async def _account(connection: Connection, name: str, *, prime_liquidity: bool) -> UUID:
    account_id = uuid4()
    await accounts.insert(connection, account_id=account_id, name=name, prime_liquidity=prime_liquidity)
    return account_id


async def _add(
    connection: Connection, person: Person, account_id: UUID, method: TwoFactorMethod, *, role: Role = Role.OWNER
) -> None:
    person.account_id = account_id
    await users.insert(connection, user_id=person.id, name=person.name, email=person.email, phone=person.phone)
    await accounts.add_member(connection, account_id=account_id, user_id=person.id, role=role)
    sealed = person.core.keys.seal(Purpose.TOTP_SEED, person.seed.encode(), bound_to=f"user:{person.id}")
    seed = sealed if method is TwoFactorMethod.AUTHENTICATOR else None
    await users.set_two_factor(connection, person.id, method=method, totp_seed=seed)


async def _add_staff(connection: Connection, person: Person, role: Role) -> None:
    await users.insert(connection, user_id=person.id, name=person.name, email=person.email, staff_role=role)


def _recipient(mail: dict[str, Any]) -> str:
    return str(mail["personalizations"][0]["to"][0]["email"])


def _code_in(text: str) -> str:
    found = re.search(r"\b\d{6}\b", text)
    assert found, "no code in the message"
    return found[0]

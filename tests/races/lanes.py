"""Lanes of a race: each has a cast of its own, and takes its requests quickly to where the sides meet."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv6Address
from typing import Any, cast
from uuid import UUID, uuid4

import pyotp

from countersign.dispatch.start import start_workflow
from countersign.domain.credentials import SessionType
from countersign.domain.messages import (
    Activate,
    ActivateLater,
    Actor,
    ActorKind,
    Envelope,
    RequestAt,
    SecretSaved,
    TwoFactorCode,
)
from countersign.domain.requests import Step
from countersign.effects import opening, progress
from countersign.effects.codes import link_token, one_time_code
from countersign.effects.messages import apply_message
from countersign.effects.secrets import reveal
from countersign.effects.work import Work
from countersign.storage import requests
from countersign.storage.requests import Request
from tests.races.meeting import Start
from tests.support.cast import Cast, Flow, Person
from tests.support.rows import change
from tests.support.stage import Stage

Opener = Callable[[Work, UUID], Awaitable[Request]]
_PATIENCE = timedelta(seconds=10)


@dataclass
class Lane:
    """Where one race after the other is run."""

    stage: Stage
    cast: Cast
    start: Start
    key: str | None = None
    fix: str | None = None

    @property
    def owner(self) -> Person:
        return self.cast.owner

    async def inactive_key(self) -> str:
        """Return the id of the lane's API key, which is made at the first call, and no request is open about."""
        if self.key is None:
            self.key = await self._left_inactive(new_key())
        await self.owner.post(f"/api-keys/{self.key}/deactivations")
        return self.key

    async def active_key(self) -> str:
        """Return the id of the lane's API key, activated."""
        key = await self.inactive_key()
        await (await self.draft(activation(key))).enter_code()
        return key

    async def inactive_fix(self) -> str:
        """Return the id of the lane's FIX credentials, which no request is open about."""
        if self.fix is None:
            self.fix = await self._left_inactive(new_fix())
        await self.owner.post(f"/fix-credentials/{self.fix}/deactivations")
        return self.fix

    async def _left_inactive(self, opener: Opener) -> str:
        creation = await self.draft(opener)
        await creation.take_to(Step.ACTIVATION_CHOICE)
        await creation.say(ActivateLater())
        return str((await creation.request()).credential_id)

    async def at(self, step: Step, opener: Opener, *, ago: timedelta = timedelta()) -> Flow:
        """Return a request of the owner's that reached the step so long ago, and has its workflow."""
        draft = await self.draft(opener, ago=ago)
        await draft.take_to(step)
        return await draft.begin()

    async def draft(self, opener: Opener, *, ago: timedelta = timedelta()) -> "Draft":
        """Return a request of the owner's that was opened so long ago."""
        at = datetime.now(UTC) - ago
        actor = Actor(kind=ActorKind.USER, user_id=self.owner.id)
        async with self.stage.core.desk.on_account(cast("UUID", self.owner.account_id), at=at, actor=actor) as work:
            request = await opener(work, self.owner.id)
        await progress.begin(self.stage.core.desk, RequestAt(request_id=request.id, at=at))
        return Draft(self, Flow(self.owner, str(request.id), request.workflow_id), at, actor)

    async def code(self) -> str:
        """Return the code that the owner's authenticator shows now, and that was not used yet."""
        await self.forget_used_codes()
        return pyotp.TOTP(self.owner.seed).now()

    async def forget_used_codes(self) -> None:
        # A race needs more codes in half a minute than an authenticator has.
        await change(self.stage.core, "UPDATE users SET totp_last_step = 0 WHERE id = %s", self.owner.id)


@dataclass
class Draft:
    """A request without a workflow yet: effects alone take it on, at a moment that may be past."""

    lane: Lane
    flow: Flow
    at: datetime
    actor: Actor

    async def request(self) -> Request:
        async with self.lane.stage.core.database.connection() as connection:
            found = await requests.get(connection, UUID(self.flow.id))
        assert found is not None
        return found

    async def take_to(self, step: Step) -> None:
        while (now_at := (await self.request()).step) is not step:
            await _PASSES[now_at](self)

    async def begin(self) -> Flow:
        """Start the workflow, which finds the request where it stands."""
        core = self.lane.stage.core
        await start_workflow(core.client, await self.request(), task_queue=core.settings.task_queue, patience=_PATIENCE)
        return self.flow

    async def say(self, message: Any) -> None:
        addressed = message.model_copy(update={"actor": self.actor})
        envelope = Envelope(request_id=UUID(self.flow.id), key=uuid4().hex, at=self.at, message=addressed)
        verdict = await apply_message(self.lane.stage.core.desk, envelope)
        assert verdict.problem is None, verdict

    async def enter_code(self) -> None:
        await self.lane.forget_used_codes()
        code = pyotp.TOTP(self.lane.owner.seed).at(self.at)
        await self.say(TwoFactorCode(code=code, reveal_challenge=self.flow.challenge))

    async def show(self) -> None:
        desk, request_id = self.lane.stage.core.desk, UUID(self.flow.id)
        await reveal(desk, request_id, verifier=self.flow.verifier, at=self.at, actor=self.actor)

    async def save(self) -> None:
        await self.show()
        await self.say(SecretSaved())

    async def activate(self) -> None:
        await self.say(Activate())

    async def mailed(self) -> tuple[str, str]:
        """Return code and token of the link as the mail tells them, without waiting for it."""
        request, keys = await self.request(), self.lane.stage.core.keys
        assert request.challenge_id
        named = (keys, request.challenge_id, 1)
        return one_time_code(*named, key_id=request.key_id), link_token(*named, key_id=request.key_id)


_PASSES: dict[Step, Callable[[Draft], Awaitable[None]]] = {
    Step.TWO_FACTOR_CODE: Draft.enter_code,
    Step.SECRET_SAVED: Draft.save,
    Step.ACTIVATION_CHOICE: Draft.activate,
}


def new_key() -> Opener:
    return partial(opening.create_api_key, name=uuid4().hex, permissions=["trade"], ip_whitelist="")


def new_fix() -> Opener:
    return partial(opening.create_fix_credentials, session_type=SessionType.TRADE)


def edit(key: str, permissions: Sequence[str] = ("trade", "funds_wallet")) -> Opener:
    """Edit the key so that it is another afterwards, however often it was edited before."""
    address = str(IPv6Address(uuid4().int))
    return partial(
        opening.edit_api_key,
        credential_id=UUID(key),
        permissions=list(permissions),
        ip_whitelist=address,
        acknowledged=True,
    )


def activation(key: str) -> Opener:
    return partial(opening.activate_api_key, credential_id=UUID(key))


def manager_asked(fix: str) -> Opener:
    return partial(opening.activate_fix_credentials, credential_id=UUID(fix))

"""Where ops stop a key, an account or everything, and freeze what is issued: first the counts, then the reason.

Three pages and two forms, which need no script: what to stop, what that would stop, what was stopped.
"""

from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from api.pages.rendering import page
from api.pages.visitors import UsedOpsVisitor, Visitor
from api.pages.wording import visible
from api.services import Services, UsedServices, now
from countersign.domain.errors import DomainError, InvalidInput
from countersign.domain.freezing import HouseFreeze
from countersign.domain.messages import ActorKind
from countersign.effects import issuance
from countersign.effects.halting import Halted, halt_account, halt_credential, halt_everything, require_confirmed
from countersign.effects.naming import account_called, credential_called
from countersign.effects.orders import Order, parse_name, parse_reason
from countersign.effects.work import found
from countersign.storage import accounts, halting
from countersign.storage.accounts import Account
from countersign.storage.credentials import Credential
from countersign.storage.halting import Counts

router = APIRouter(prefix="/ops/stop", include_in_schema=False)

# Well before the proxies between give up: what is left then is stopped by the next press.
_PRESS_SECONDS = 20.0


class What(StrEnum):
    """What ops do on this page."""

    KEY = "key"
    ACCOUNT = "account"
    EVERYTHING = "everything"
    FREEZE = "freeze"
    THAW = "thaw"


def _plain(text: str) -> str:
    return visible(text).strip()


class Asked(BaseModel):
    """What is to be stopped; of what may be frozen or thawed, nothing means the whole exchange."""

    what: What
    which: Annotated[str, AfterValidator(_plain)] = Field(default="", max_length=200)

    @property
    def is_of_house(self) -> bool:
        """Whether it is about the whole exchange."""
        return self.what is What.EVERYTHING or (self.what in {What.FREEZE, What.THAW} and not self.which)


class Ordered(Asked):
    """The same, confirmed."""

    reason: str = Field(default="", max_length=1000)
    count: str = Field(default="", max_length=20)
    open_too: bool = False

    @property
    def typed(self) -> int:
        """The number that was typed to confirm it; -1, which confirms nothing, for anything else."""
        text = self.count.strip()
        return int(text) if text.isascii() and text.isdigit() else -1


@dataclass(frozen=True)
class Subject:
    """What was asked about, as it is found."""

    asked: Asked
    credential: Credential | None
    account: Account | None
    counts: Counts


@dataclass(frozen=True)
class Done:
    """What was stopped, and what is left because it took too long for one press."""

    accounts: int = 0
    credentials: int = 0
    requests: int = 0
    left: Counts | None = None

    def plus(self, done: Halted) -> "Done":
        """Return the sum with what was done in one more account."""
        return Done(self.accounts + 1, self.credentials + done.credentials, self.requests + done.requests)


@router.get("")
async def choose(http: Request, visitor: UsedOpsVisitor, services: UsedServices) -> Response:
    """Ask what is to be stopped, and say what is frozen."""
    return await _choose(http, visitor, services)


@router.get("/check")
async def check(
    http: Request, visitor: UsedOpsVisitor, services: UsedServices, asked: Annotated[Asked, Query()]
) -> Response:
    """Show what it would stop, and ask for the reason; nothing is stopped yet."""
    try:
        subject = await _subject(services, asked)
    except DomainError as error:
        return await _choose(http, visitor, services, asked=asked, error=error)
    return await _confirm(http, visitor, subject)


@router.post("")
async def stop(
    http: Request, visitor: UsedOpsVisitor, services: UsedServices, ordered: Annotated[Ordered, Form()]
) -> Response:
    """Stop it, and say what was stopped; pressed again, nothing is left to be done."""
    subject = await _subject(services, ordered)
    try:
        done = await _carry_out(services, subject, ordered, _order(visitor, ordered))
    except DomainError as error:
        return await _confirm(http, visitor, subject, ordered=ordered, error=error)
    return await page(http, "ops_stopped.html", visitor=visitor, subject=subject, ordered=ordered, done=done)


async def _choose(
    http: Request,
    visitor: Visitor,
    services: Services,
    *,
    asked: Asked | None = None,
    error: DomainError | None = None,
) -> Response:
    frozen, status = await issuance.frozen_house(services.desk), error.status if error else 200
    return await page(http, "ops_stop.html", visitor=visitor, status=status, frozen=frozen, asked=asked, error=error)


async def _confirm(
    http: Request,
    visitor: Visitor,
    subject: Subject,
    *,
    ordered: Ordered | None = None,
    error: DomainError | None = None,
) -> Response:
    status, template = error.status if error else 200, "ops_stop_confirm.html"
    return await page(http, template, visitor=visitor, status=status, subject=subject, ordered=ordered, error=error)


async def _subject(services: Services, asked: Asked) -> Subject:
    async with services.core.database.connection() as connection:
        if asked.is_of_house:
            return Subject(asked, None, None, await halting.of_everything(connection))
        if not asked.which:
            raise InvalidInput("Say which one.")
        if asked.what is What.KEY:
            credential = await credential_called(connection, asked.which)
            account = await accounts.get(connection, credential.account_id)
            return Subject(asked, credential, account, await halting.of_credential(connection, credential.id))
        account = await account_called(connection, asked.which)
        return Subject(asked, None, account, await halting.of_account(connection, account.id))


def _order(visitor: Visitor, ordered: Ordered) -> Order:
    return Order(
        at=now(),
        actor=visitor.actor.model_copy(update={"kind": ActorKind.OPS}),
        by=parse_name(visitor.user.name),
        reason=parse_reason(ordered.reason),
    )


async def _carry_out(services: Services, subject: Subject, ordered: Ordered, order: Order) -> Done:
    desk, what = services.desk, subject.asked.what
    if what is What.KEY:
        return Done().plus(await halt_credential(desk, found(subject.credential), order))
    if what is What.ACCOUNT:
        return Done().plus(await halt_account(desk, found(subject.account).id, order))
    if what is What.EVERYTHING:
        require_confirmed(subject.counts, ordered.typed)
        return await _stop_everything(services, order)
    await _freeze_or_thaw(services, subject, ordered, order)
    return Done()


async def _stop_everything(services: Services, order: Order) -> Done:
    done, until = Done(), monotonic() + _PRESS_SECONDS
    async with aclosing(halt_everything(services.desk, order)) as stopping:
        async for each in stopping:
            done = done.plus(each)
            if monotonic() > until:
                break
    async with services.core.database.connection() as connection:
        left = await halting.of_everything(connection)
    return Done(done.accounts, done.credentials, done.requests, left=left if left.anything else None)


async def _freeze_or_thaw(services: Services, subject: Subject, ordered: Ordered, order: Order) -> None:
    if subject.account is None:
        await _of_house(services, ordered, order)
        return
    async with services.desk.on_account(subject.account.id, at=order.at, actor=order.actor) as work:
        if ordered.what is What.FREEZE:
            await issuance.freeze_account(work, order)
        else:
            await issuance.thaw_account(work, order)


async def _of_house(services: Services, ordered: Ordered, order: Order) -> None:
    if ordered.what is What.FREEZE:
        level = HouseFreeze.ALL if ordered.open_too else HouseFreeze.NEW
        await issuance.freeze_house(services.desk, level, order)
    else:
        await issuance.thaw_house(services.desk, order)

"""The account manager's console: what waits, FIX credentials by Session Name, Activate and Reject."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api import deciding
from api.pages.beginning import Key
from api.pages.rendering import is_fragment, page, panel
from api.pages.timeline import timeline_of_credential
from api.pages.visitors import UsedManagerVisitor, Visitor, limited
from api.pages.wording import visible
from api.quotas import Quota
from api.schemas import DecisionIn
from api.services import Services, UsedServices
from countersign.domain.credentials import CredentialStatus
from countersign.domain.errors import DomainError, InvalidInput, VersionChanged
from countersign.domain.requests import Step
from countersign.domain.secrets import session_name_part
from countersign.effects.work import found
from countersign.storage import accounts, managing, requests, users
from countersign.storage.accounts import Account
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request as Stored

router = APIRouter(prefix="/account-manager", include_in_schema=False)

_WAITING_SHOWN = 200
_FOUND_SHOWN = 50
_REASON_LENGTH = 500
_LATEST_VERSION = 2**31 - 1

Decision = Literal["activate", "reject"]
SessionName = Annotated[str, Path(max_length=64)]
Version = Annotated[int | None, Query(ge=1, le=_LATEST_VERSION)]


class DecisionForm(BaseModel):
    """The form of the confirmation: a decision about the version that was shown."""

    decision: Decision
    version: int = Field(ge=1, le=_LATEST_VERSION)
    reason: str = Field(default="", max_length=4000)
    key: Key = ""

    def checked(self) -> DecisionIn:
        """Return the decision, its reason on one line; raises ``InvalidInput``."""
        reason = " ".join(visible(self.reason).split())
        if self.decision == "reject" and not reason:
            raise InvalidInput("Say why: the owners are told.")
        if len(reason) > _REASON_LENGTH:
            raise InvalidInput(f"A reason has at most {_REASON_LENGTH} characters; this one has {len(reason)}.")
        return DecisionIn(decision=self.decision, reason=reason, version=self.version)


@dataclass(frozen=True)
class Subject:
    """FIX credentials of an account that the visitor looks after, and what is open about them."""

    http: Request
    services: Services
    visitor: Visitor
    credential: Credential
    account: Account
    own: bool
    waiting: Stored | None
    latest: Stored | None
    asked_by: str

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What the visitor may decide now."""
        if self.own:
            return ()
        if self.waiting is not None:
            return ("activate", "reject") if self.waiting.step is Step.ACCOUNT_MANAGER else ()
        return ("activate",) if self.credential.status is CredentialStatus.INACTIVE else ()

    @property
    def state(self) -> str:
        """What makes one panel differ from another, so that an unchanged one is left alone."""
        step = (self.waiting.id, self.waiting.step) if self.waiting else ()
        return "~".join(str(each) for each in (self.credential.version, self.credential.status, self.own, *step))

    async def again(self) -> "Subject":
        """Return the same as it stands now."""
        return await subject(self.http, self.credential.name, self.visitor, self.services)

    async def show(self, *, error: DomainError | None = None, reason: str = "") -> Response:
        """Return the panel about the credentials, with what went wrong and the reason that was not sent."""
        events = await timeline_of_credential(self.services, self.credential)
        return await self._panel("panels/manager_credential.html", error=error, reason=reason, events=events)

    async def confirm(
        self, decision: Decision, *, error: DomainError | None = None, reason: str = "", key: str = ""
    ) -> Response:
        """Return the panel that says what the decision will do."""
        template = "panels/manager_decision.html"
        return await self._panel(template, decision=decision, error=error, reason=reason, key=key)

    async def done(self, decision: Decision) -> Response:
        """Return the panel that says what was done."""
        return await self._panel("panels/manager_decided.html", changed=True, decision=decision, error=None)

    async def _panel(
        self, template: str, *, error: DomainError | None, changed: bool = False, **context: Any
    ) -> Response:
        return await panel(
            self.http,
            template,
            visitor=self.visitor,
            status=error.status if error else 200,
            changed=changed,
            subject=self,
            credential=self.credential,
            error=error,
            **context,
        )


async def subject(
    http: Request, session_name: SessionName, visitor: UsedManagerVisitor, services: UsedServices
) -> Subject:
    """Return what the path names; raises ``NotFound``, for accounts of other account managers too."""
    credential = await deciding.credential_called(services, visitor.caller, session_name)
    async with services.core.database.connection() as connection:
        account = found(await accounts.get(connection, credential.account_id))
        role = await accounts.role_of(connection, account_id=account.id, user_id=visitor.user.id)
        latest = await requests.latest_of_credential(connection, credential.id)
        names = await users.names(connection, {latest.user_id} if latest else set[UUID]())
    return Subject(
        http=http,
        services=services,
        visitor=visitor,
        credential=credential,
        account=account,
        own=role is not None,
        waiting=latest if latest and latest.outcome is None else None,
        latest=latest,
        asked_by=names.get(latest.user_id, "") if latest else "",
    )


UsedSubject = Annotated[Subject, Depends(subject)]


@router.get("", dependencies=[limited(Quota.PREVIEWS)])
async def look(
    http: Request,
    visitor: UsedManagerVisitor,
    services: UsedServices,
    q: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show what waits for this account manager, oldest first, and FIX credentials whose Session Name fits."""
    part = session_name_part(q)
    async with services.core.database.connection() as connection:
        looked_after = await managing.accounts_of(connection, visitor.user.id)
        waiting = await managing.waiting(connection, visitor.user.id, limit=_WAITING_SHOWN)
        fitting = await managing.find(connection, visitor.user.id, part=part, limit=_FOUND_SHOWN) if part else []
    return await page(
        http, "account_manager.html", visitor=visitor, q=q, looked_after=looked_after, waiting=waiting, fitting=fitting
    )


@router.get("/{session_name}")
async def see(subject: UsedSubject, state: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show the credentials, who asked, and what happened; nothing (204) to an open panel that shows it already."""
    if is_fragment(subject.http) and state == subject.state:
        return Response(status_code=204)
    return await subject.show()


@router.get("/{session_name}/{decision}")
async def ask(subject: UsedSubject, decision: Decision, version: Version = None) -> Response:
    """Ask before deciding, and say what it does; ``version`` is the one that was looked at."""
    if version is not None and version != subject.credential.version:
        return await subject.show(error=VersionChanged())
    if decision not in subject.decisions:
        return await subject.show()
    return await subject.confirm(decision)


@router.post("/{session_name}/decision", dependencies=[limited(Quota.STARTS)])
async def decide(subject: UsedSubject, form: Annotated[DecisionForm, Form()]) -> Response:
    """Activate or reject; where that is not possible any more, show what has happened, and keep the reason."""
    try:
        await deciding.decide(
            subject.services,
            subject.visitor.caller,
            subject.credential,
            form.checked(),
            idempotency_key=form.key or None,
        )
    except DomainError as error:
        after = await subject.again()
        if form.decision not in after.decisions:
            return await after.show(error=error, reason=form.reason)
        return await after.confirm(form.decision, error=error, reason=form.reason, key=form.key)
    return await (await subject.again()).done(form.decision)

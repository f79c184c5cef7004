"""A request as it is shown: a panel for each step, and what is shown once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

import segno
from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from api.addressing import deliver, message_key
from api.pages.rendering import is_fragment, panel
from api.pages.visitors import UsedVisitor, Visitor
from api.schemas import RequestOut
from api.services import Services, UsedServices, now
from countersign.domain.errors import DomainError, NotFound
from countersign.domain.messages import AnyMessage
from countersign.domain.requests import ChangeTo, Delivery, Journey, Step
from countersign.effects.changing import issues_recovery_codes
from countersign.effects.secrets import reveal
from countersign.effects.security import enrolment, show_recovery_codes
from countersign.effects.work import found
from countersign.storage import credentials, requests, users
from countersign.storage.requests import Request as Stored

_Once = TypeVar("_Once")

_TEMPLATES = {
    Step.STARTING: "panels/starting.html",
    Step.TWO_FACTOR_CODE: "panels/two_factor_code.html",
    Step.NEW_FACTOR_CODE: "panels/new_factor_code.html",
    Step.SECRET_SAVED: "panels/secret_waits.html",
    Step.ACTIVATION_CHOICE: "panels/activation_choice.html",
    Step.ACTIVATION_CODE: "panels/activation_code.html",
    Step.ACCOUNT_MANAGER: "panels/account_manager.html",
    Step.CLOSED: "panels/outcome.html",
}


@dataclass(frozen=True)
class Viewed:
    """A request of the visitor's account, and how it is shown."""

    http: Request
    services: Services
    visitor: Visitor
    stored: Stored

    @property
    def mine(self) -> bool:
        """Whether the visitor began it: nobody else enters its codes or sees its secret."""
        return self.stored.user_id == self.visitor.user.id

    async def send(self, message: AnyMessage, *, key: str) -> "Viewed":
        """Send the message under the form's key, so that a form sent twice counts once; return what came of it."""
        said = message.model_dump_json(exclude={"actor"})
        keyed = message_key(self.services.core.keys, self.visitor.actor, key or None, said=said)
        await deliver(self.services, self.stored, message, key=keyed)
        return await self.again()

    async def again(self) -> "Viewed":
        """Return the same as it stands now."""
        async with self.services.core.database.connection() as connection:
            stored = found(await requests.get(connection, self.stored.id))
        return Viewed(self.http, self.services, self.visitor, stored)

    async def show(self, *, error: DomainError | None = None) -> Response:
        """Return the panel of the present step, with what went wrong if anything did."""
        shown = RequestOut.of(self.stored, rules=self.services.settings.rules, at=now())
        context = {**await self._context(shown), "error": error}
        return await panel(
            self.http,
            _TEMPLATES[shown.step],
            visitor=self.visitor,
            status=error.status if error else 200,
            changed=self.http.method == "POST",
            **context,
        )

    async def answer(self) -> Response:
        """Return the next panel; without htmx, lead to its page, so that reloading sends nothing again."""
        if is_fragment(self.http):
            return await self.show()
        return RedirectResponse(f"/settings/requests/{self.stored.id}", status_code=303)

    async def show_secret(self) -> Response:
        """Reveal the secret to the browser session that entered the code; it stands in this answer alone."""
        try:
            secret = await self._ask_for(reveal)
        except DomainError as error:
            return await (await self.again()).show(error=error)
        shown = RequestOut.of(self.stored, rules=self.services.settings.rules, at=now())
        context = {**await self._context(shown), "secret": secret, "error": None}
        return await panel(self.http, "panels/secret.html", visitor=self.visitor, changed=True, **context)

    async def changed(self) -> Response:
        """Answer the code that ended the change: with new recovery codes, if they are due."""
        if issues_recovery_codes(self.stored):
            return await self.show_recovery_codes()
        return await self.answer()

    async def show_recovery_codes(self) -> Response:
        """Show new recovery codes to the browser session that entered the code; they stand in this answer alone."""
        try:
            codes = await self._ask_for(show_recovery_codes)
        except DomainError as error:
            return await (await self.again()).show(error=error)
        return await panel(self.http, "panels/recovery_codes.html", visitor=self.visitor, changed=True, codes=codes)

    async def _context(self, shown: RequestOut) -> dict[str, Any]:
        async with self.services.core.database.connection() as connection:
            beginner = found(await users.get(connection, self.stored.user_id))
            credential = await credentials.get(
                connection, account_id=self.stored.account_id, credential_id=self.stored.credential_id
            )
        return {
            "shown": shown,
            "state": state_of(shown),
            "mine": self.mine,
            "remains": credential is not None,
            "beginner": beginner.name,
            "phone": beginner.phone,
            "email": beginner.email,
            "issues_codes": issues_recovery_codes(self.stored),
            **await self._enrolment(),
            "unsettled": shown.step is Step.STARTING or shown.delivery is Delivery.SENDING,
            "revealed": self.stored.revealed_at is not None,
        }

    async def _enrolment(self) -> dict[str, Any]:
        enrols = self.stored.step is Step.NEW_FACTOR_CODE and self.stored.change_to is ChangeTo.AUTHENTICATOR
        if not enrols or not self.mine:
            return {"enrolment": None, "qr": None}
        try:
            enrolling = await self._ask_for(enrolment)
        except DomainError:
            return {"enrolment": None, "qr": None}
        drawn = segno.make(enrolling.uri, error="m").svg_inline(scale=4, border=4, light="#fff")
        return {"enrolment": enrolling, "qr": Markup(drawn)}  # noqa: S704 - drawn here, of squares

    async def _ask_for(self, effect: Callable[..., Awaitable[_Once]]) -> _Once:
        # The verifier is this session's alone: what is shown once is shown to the browser that entered the code.
        return await effect(
            self.services.desk,
            self.stored.id,
            verifier=self.visitor.reveal_verifier(self.stored.id),
            at=now(),
            actor=self.visitor.actor,
        )


async def viewed(http: Request, request_id: UUID, visitor: UsedVisitor, services: UsedServices) -> Viewed:
    """Return the request that the path names; raises ``NotFound``, for those of other accounts too.

    A change of the visitor's own two-factor authentication is shown whichever account he or she acts for, one that he
    or she is no owner of included.
    """
    async with services.core.database.connection() as connection:
        stored = await requests.get(connection, request_id)
    if stored is not None and _is_own_change(stored, visitor):
        return Viewed(http, services, visitor, stored)
    # Asked of whoever looks at whatever id: a 403 for those that exist alone would tell which do.
    account_id = visitor.owner.account_id
    if stored is None or stored.account_id != account_id:
        raise NotFound
    return Viewed(http, services, visitor, stored)


UsedView = Annotated[Viewed, Depends(viewed)]


def _is_own_change(stored: Stored, visitor: Visitor) -> bool:
    return stored.journey is Journey.CHANGE_TWO_FACTOR and stored.user_id == visitor.user.id


def state_of(shown: RequestOut) -> str:
    """Return what makes one panel differ from another, so that an unchanged one is left alone."""
    at = now()
    passed = [moment is not None and moment <= at for moment in (shown.code_expires_at, shown.resend_at)]
    told = (shown.step, shown.outcome, shown.code_expires_at, shown.delivery, shown.attempts_left, *passed)
    return "~".join(str(each) for each in told)

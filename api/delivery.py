"""Delivering a message that came over HTTP."""

import hashlib
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends

from api.opening import IdempotencyKey
from api.schemas import RequestOut
from api.services import Owner, Services, UsedOwner, UsedServices, now
from countersign.domain.errors import NotFound
from countersign.domain.messages import Actor, AnyMessage
from countersign.effects.work import found
from countersign.storage import requests
from countersign.storage.requests import Request


@dataclass(frozen=True)
class Addressed:
    """A call about one request of the owner's account."""

    services: Services
    owner: Owner
    request: Request
    idempotency_key: str | None

    async def send(self, message: AnyMessage) -> RequestOut:
        """Send the message, wait for its verdict, and return the request as it stands then."""
        return await deliver(self.services, self.request, message, idempotency_key=self.idempotency_key)

    def shown(self) -> RequestOut:
        """Return the request as it stands."""
        return RequestOut.of(self.request, rules=self.services.settings.rules, at=now())


async def addressed(
    request_id: UUID, owner: UsedOwner, services: UsedServices, idempotency_key: IdempotencyKey = None
) -> Addressed:
    """Return the request that is addressed; raises ``NotFound``, for those of other accounts too."""
    async with services.core.database.connection() as connection:
        request = await requests.get(connection, request_id)
    if request is None or request.account_id != owner.account_id:
        raise NotFound
    return Addressed(services, owner, request, idempotency_key)


UsedRequest = Annotated[Addressed, Depends(addressed)]


async def deliver(
    services: Services, request: Request, message: AnyMessage, *, idempotency_key: str | None
) -> RequestOut:
    """Send the message, wait for its verdict, and return the request as it stands then."""
    await services.messenger.send(request, message, key=message_key(message.kind, message.actor, idempotency_key))
    async with services.core.database.connection() as connection:
        after = found(await requests.get(connection, request.id))
    return RequestOut.of(after, rules=services.settings.rules, at=now())


def message_key(kind: str, actor: Actor, idempotency_key: str | None) -> str:
    """Return the key a message counts under: the caller's own with its Idempotency-Key, else one of its own."""
    if idempotency_key is None:
        return str(uuid4())
    return hashlib.sha256(f"{kind}\n{actor.user_id}\n{idempotency_key}".encode()).hexdigest()

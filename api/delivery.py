"""Delivering a message that came over HTTP."""

import hashlib
from uuid import uuid4

from api.schemas import RequestOut
from api.services import Services, now
from countersign.domain.messages import Actor, AnyMessage
from countersign.effects.work import found
from countersign.storage import requests
from countersign.storage.requests import Request


async def deliver(
    services: Services, request: Request, message: AnyMessage, *, idempotency_key: str | None
) -> RequestOut:
    """Send the message, wait for its verdict, and return the request as it stands then."""
    await services.messenger.send(request, message, key=message_key(message, message.actor, idempotency_key))
    async with services.core.database.connection() as connection:
        after = found(await requests.get(connection, request.id))
    return RequestOut.of(after, rules=services.settings.rules, at=now())


def message_key(message: AnyMessage, actor: Actor, idempotency_key: str | None) -> str:
    """Return the key a message counts under: the caller's own with its Idempotency-Key, else one of its own."""
    if idempotency_key is None:
        return str(uuid4())
    return hashlib.sha256(f"{message.kind}\n{actor.user_id}\n{idempotency_key}".encode()).hexdigest()

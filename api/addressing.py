"""Delivering a message that came over HTTP."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends
from fastapi import Request as HttpRequest

from api.opening import IdempotencyKey
from api.schemas import RequestOut
from api.services import Owner, Services, UsedCaller, now, owner, services
from countersign.adapters.keyring import KeyRing, Purpose
from countersign.domain.errors import NO_SUCH_REQUEST, NotFound
from countersign.domain.messages import Actor, AnyMessage
from countersign.effects.work import found
from countersign.storage import requests
from countersign.storage.requests import Address


@dataclass(frozen=True)
class Addressed:
    """A call about one request of the owner's account."""

    services: Services
    owner: Owner
    request: Address
    path: str
    idempotency_key: str | None

    async def send(self, message: AnyMessage) -> RequestOut:
        """Send the message, wait for its verdict, and return the request as it stands then."""
        key = message_key(
            self.services.core.keys,
            self.owner.actor,
            self.idempotency_key,
            said=f"{self.path}\n{message.model_dump_json(exclude={'actor'})}",
        )
        return await deliver(self.services, self.request, message, key=key)

    async def shown(self) -> RequestOut:
        """Return the request as it stands."""
        return await _shown(self.services, self.request.id)


async def addressed(
    http: HttpRequest,
    request_id: UUID,
    caller: UsedCaller,
    idempotency_key: IdempotencyKey = None,
) -> Addressed:
    """Return the request that is addressed; raises ``NotFound``, for those of other accounts too."""
    asking, request = await owner(caller), caller.about
    if request is None or request.id != request_id or request.account_id != asking.account_id:
        raise NotFound(NO_SUCH_REQUEST)
    return Addressed(services(http), asking, request, http.url.path, idempotency_key)


UsedRequest = Annotated[Addressed, Depends(addressed)]


async def deliver(services: Services, request: Address, message: AnyMessage, *, key: str) -> RequestOut:
    """Send the message, wait for its verdict, and return the request as it stands then."""
    await services.messenger.send(request, message, key=key)
    return await _shown(services, request.id)


async def _shown(services: Services, request_id: UUID) -> RequestOut:
    async with services.core.database.connection() as connection:
        request = found(await requests.get(connection, request_id))
    return RequestOut.of(request, rules=services.settings.rules, at=now())


def message_key(keys: KeyRing, actor: Actor, idempotency_key: str | None, *, said: str) -> str:
    """Return the key a message counts under.

    With an Idempotency-Key it is the same whenever the same user says the same; what is said may be a code, so it
    goes in under a key of the ring: the eldest, or what is repeated after another key took over would count again.
    Without one, each message counts by itself.
    """
    if idempotency_key is None:
        return str(uuid4())
    message = f"{actor.user_id}\n{idempotency_key}\n{said}".encode()
    return keys.mac(Purpose.MESSAGE_KEY, message, key_id=keys.eldest).hex()

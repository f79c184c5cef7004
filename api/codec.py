"""The codec endpoint: lets ops read payloads in the Temporal UI, and the ``temporal`` command encode what it sends.

What is decoded shows no one-time code, nor anything else that could be used to act (see ``api.redaction``).
"""

from collections.abc import Callable, Sequence

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads

from api.problems import Unforeseen, install_handlers, note, problem_response
from api.quotas import Quota
from api.redaction import redact
from api.services import Services, client_ip
from countersign.adapters.payload_codec import EndpointCodec, endpoint_codec
from countersign.domain.errors import DomainError, Forbidden, InvalidInput, NotSignedIn
from countersign.domain.people import Role
from countersign.settings import Settings
from countersign.storage import users

_HEADERS = ["authorization", "authorization-extras", "content-type", "x-namespace"]


def codec_app(settings: Settings, services: Callable[[], Services]) -> Starlette:
    """Return the app to mount: ops may decode, ops and account managers may encode."""

    async def encode(request: Request) -> Response:
        return await _answer(request, services(), roles={Role.OPS, Role.ACCOUNT_MANAGER}, decode=False)

    async def decode(request: Request) -> Response:
        return await _answer(request, services(), roles={Role.OPS}, decode=True)

    # An exact list of origins; outermost, so that errors carry the headers too.
    cors = Middleware(
        CORSMiddleware, allow_origins=settings.codec_cors_origins, allow_methods=["POST"], allow_headers=_HEADERS
    )
    routes = [Route("/encode", encode, methods=["POST"]), Route("/decode", decode, methods=["POST"])]
    app = Starlette(routes=routes, middleware=[cors, Middleware(Unforeseen)])
    install_handlers(app)
    return app


async def _answer(request: Request, services: Services, *, roles: set[Role], decode: bool) -> Response:
    try:
        await _require_role(request, services, roles)
        _require_namespace(request, services.settings.temporal_namespace)
        payloads = _parse(await request.body())
    except DomainError as error:
        note(request, error)
        return problem_response(error)
    codec = endpoint_codec(services.core.keys, services.settings.temporal_namespace)
    done = await (_decoded(codec, payloads) if decode else codec.encode(payloads))
    return JSONResponse(MessageToDict(Payloads(payloads=done)))


async def _decoded(codec: EndpointCodec, payloads: Sequence[Payload]) -> list[Payload]:
    decoded = await codec.decode(payloads)
    # What passed through is what the caller had already.
    return [after if after is before else redact(after) for before, after in zip(payloads, decoded, strict=True)]


def _require_namespace(request: Request, namespace: str) -> None:
    # The UI and the command say whose payloads they are; those of another namespace could not be opened anyway.
    if request.headers.get("x-namespace", namespace) != namespace:
        raise Forbidden(f"This endpoint reads and writes payloads of the namespace {namespace} alone.")


async def _require_role(request: Request, services: Services, roles: set[Role]) -> None:
    here = client_ip(request)
    if services.settings.codec_open:
        await services.limiter.spend(request, Quota.CODEC, address=here)
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    async with services.limiter.proving(request, address=here):
        if scheme.lower() != "bearer":
            raise NotSignedIn
        claims = await services.tokens.claims(token)
    await services.limiter.spend(request, Quota.CODEC, address=str(claims.ip or here), person=claims.sub)
    async with services.core.database.connection() as connection:
        user = await users.get(connection, claims.sub)
    if user is None or user.staff_role not in roles:
        raise Forbidden("Ops may read and write payloads, account managers write them, nobody else.")


def _parse(body: bytes) -> Sequence[Payload]:
    try:
        return Parse(body, Payloads()).payloads
    except (ParseError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("The body is not a list of payloads in JSON.") from None

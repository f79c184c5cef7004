"""A verifier with one route more, that reads its body and answers, and nothing else: what verifying is held against."""

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.verifier.app import create_verifier
from api.verifier.serving import VerifierServer
from countersign import logs
from countersign.collecting import collect_seldom
from countersign.settings import Settings

_ANSWER = b'{"status":"alive"}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())],
}


class Empty:
    """``POST /empty``."""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Read, and answer."""
        await receive()
        await send(_START)
        await send({"type": "http.response.body", "body": _ANSWER})


def main() -> None:
    """Serve as ``countersign verifier`` does."""
    logs.install()
    settings = Settings()
    app = create_verifier(settings)
    app.router.routes.append(Route("/empty", Empty(), methods=["POST"]))
    server = VerifierServer(app, settings)
    collect_seldom()
    server.run()


if __name__ == "__main__":
    main()

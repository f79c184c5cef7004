"""An issuer of tokens with a JWKS address, as a gateway has one."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from countersign.local.issuer import ISSUER


class JwksServer:
    """Serves what ``answer`` holds; counts how often it was asked."""

    def __init__(self, port: int = 0) -> None:
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.answer: bytes | None = None
        self.status = 200
        self.asked = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"

    @classmethod
    @contextmanager
    def running(cls, *key_ids: str) -> Iterator["JwksServer"]:
        server = cls()
        for key_id in key_ids:
            server.add_key(key_id)
        thread = threading.Thread(target=server._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server._server.shutdown()
            server._server.server_close()
            thread.join()

    def add_key(self, key_id: str) -> None:
        self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())

    def mint(self, key_id: str, **claims: Any) -> str:
        full = {"iss": ISSUER, "aud": "countersign", "exp": int(time.time()) + 60, **claims}
        return jwt.encode(full, self.keys[key_id], algorithm="ES256", headers={"kid": key_id})

    def document(self) -> bytes:
        public = {key_id: ECAlgorithm.to_jwk(key.public_key(), as_dict=True) for key_id, key in self.keys.items()}
        jwks = [{**jwk, "kid": key_id, "alg": "ES256", "use": "sig"} for key_id, jwk in public.items()]
        return json.dumps({"keys": jwks}).encode()


def _handler(server: JwksServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked += 1
            body = server.document() if server.answer is None else server.answer
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has in the standard library
            pass

    return Handler

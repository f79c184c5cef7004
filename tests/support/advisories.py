"""A stand-in for the service of advisories: a proxy that answers https requests itself, whatever the host."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Advisories:
    """What is known against packages by name; None is a service that knows nobody (404), as a mirror without it is."""

    url: str
    certificate: Path
    known: dict[str, list[dict[str, Any]]] | None = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What leads a client here."""
        return {"HTTPS_PROXY": self.url, "NO_PROXY": "", "REQUESTS_CA_BUNDLE": str(self.certificate)}


@contextmanager
def serving_advisories(folder: Path) -> Iterator[Advisories]:
    authority = _Authority(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    found = Advisories(f"http://127.0.0.1:{server.server_port}", authority.certificate)
    server.RequestHandlerClass = _handler(found, authority)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(service: Advisories, authority: "_Authority") -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.certify(self.path.partition(":")[0]))
            self.send_response(200)
            self.end_headers()
            with (
                context.wrap_socket(self.connection, server_side=True) as secured,
                secured.makefile("rb") as self.rfile,
                secured.makefile("wb") as self.wfile,
            ):
                self.handle_one_request()
            self.rfile, self.wfile, self.close_connection = BytesIO(), BytesIO(), True

        def do_GET(self) -> None:
            _, _, name, version, _ = self.path.split("/")
            service.asked.append(name)
            body = json.dumps({"info": {"version": version}, "vulnerabilities": (service.known or {}).get(name, [])})
            self.send_response(404 if service.known is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has in the standard library
            pass

    return Handler


class _Authority:
    """Certifies whatever host a client believes to talk to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
        self.certificate = folder / "authority.pem"
        own = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate.write_bytes(self._signed(self._name, own, critical=True))

    def certify(self, host: str) -> Path:
        """Return a file with a certificate for the host, and its key."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        file = self._folder / f"{host}.pem"
        file.write_bytes(pem + self._signed(subject, x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False))
        return file

    def _signed(self, subject: x509.Name, extension: x509.ExtensionType, *, critical: bool) -> bytes:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self._name, subject, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=critical)
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

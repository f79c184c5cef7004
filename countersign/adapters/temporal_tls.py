"""TLS to Temporal: what the settings ask for, looked at before anything is connected, and why a connection failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from temporalio.service import TLSConfig

from countersign.domain.errors import DomainError

_CA, _CERT, _KEY = (f"COUNTERSIGN_TEMPORAL_TLS_{name}_FILE" for name in ("CA", "CERT", "KEY"))
# What the SDK's errors say, most telling first.
_WHY = {
    "UnknownIssuer": f"its certificate is of no authority that is trusted here: see {_CA}.",
    "NotValidForName": "its certificate is for another name: see COUNTERSIGN_TEMPORAL_TLS_SERVER_NAME.",
    "InvalidCertificate(Expired": "its certificate has run out.",
    "InvalidCertificate(NotValidYet": "its certificate is not good yet.",
    "InvalidCertificate": "its certificate is not accepted.",
    "InvalidContentType": "it does not speak TLS: unset COUNTERSIGN_TEMPORAL_TLS, or see TEMPORAL_ADDRESS.",
    "Unauthenticated": "it does not take the API key, or the certificate.",
    "PermissionDenied": "it does not take the API key, or the certificate, for the namespace.",
    "error after connection": (
        f"it ended the connection: it demands TLS, or a client certificate other than the one given ({_CERT})."
    ),
}


class TlsUnusable(DomainError):
    """A file for TLS to Temporal cannot be used."""

    slug = "tls-unusable"


class NotConnected(RuntimeError):
    """Temporal is not reached; ``str()`` says why in words of ours."""


def why_not(error: RuntimeError, *, address: str) -> NotConnected:
    """Return what an error of the SDK's connecting means."""
    found = next((told for sign, told in _WHY.items() if sign in str(error)), "")
    return NotConnected(f"Temporal at {address}: {found}" if found else f"Temporal does not answer at {address}.")


@dataclass(frozen=True)
class Tls:
    """TLS as it is asked for; whoever names a file, or the server, asks for it too.

    Files are read once, when the connection is made: a process takes up new ones when it starts anew.
    """

    asked_for: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""

    @property
    def is_on(self) -> bool:
        """Whether the connection has TLS."""
        return self.asked_for or bool(self.ca_file or self.cert_file or self.key_file or self.server_name)

    def config(self) -> TLSConfig | None:
        """Return what the SDK is told, None without TLS; raises ``TlsUnusable`` for files that cannot be used."""
        if not self.is_on:
            return None
        certificate, key = self._own()
        return TLSConfig(
            server_root_ca_cert=self._authorities(),
            domain=self.server_name or None,
            client_cert=certificate,
            client_private_key=key,
        )

    def runs_out(self) -> datetime | None:
        """Return when our certificate runs out, None without one; raises ``TlsUnusable``."""
        return None if self.cert_file is None else _certificates(self.cert_file, _CERT)[0].not_valid_after_utc

    def _authorities(self) -> bytes | None:
        if self.ca_file is None:
            return None
        _certificates(self.ca_file, _CA)
        return _read(self.ca_file, _CA)

    def _own(self) -> tuple[bytes | None, bytes | None]:
        if self.cert_file is None and self.key_file is None:
            return None, None
        if self.cert_file is None or self.key_file is None:
            missing, there = (_CERT, _KEY) if self.cert_file is None else (_KEY, _CERT)
            raise TlsUnusable(f"{there} is set and {missing} is not: a certificate and its key go together.")
        certificate = _certificates(self.cert_file, _CERT)[0]
        _require_good_now(certificate)
        if certificate.public_key() != _key(self.key_file).public_key():
            raise TlsUnusable(f"{_KEY} holds another key than that of the first certificate of {_CERT}.")
        return _read(self.cert_file, _CERT), _read(self.key_file, _KEY)


def _require_good_now(certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        raise TlsUnusable(f"The certificate of {_CERT} has run out ({certificate.not_valid_after_utc:%Y-%m-%d %H:%M}).")
    if now < certificate.not_valid_before_utc:
        told = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M}"
        raise TlsUnusable(f"The certificate of {_CERT} is not good before {told}: is the clock right?")


def _certificates(file: Path, setting: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(file, setting))
    except ValueError:
        raise TlsUnusable(f"{setting} holds no certificate in PEM.") from None


def _key(file: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(_read(file, _KEY), password=None)
    except TypeError:
        raise TlsUnusable(f"The key of {_KEY} has a passphrase; it is needed without one.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise TlsUnusable(f"{_KEY} holds no private key in PEM.") from None


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsUnusable(f"{setting} cannot be read ({file}): {error.strerror}.") from None

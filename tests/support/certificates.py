"""An authority of the tests' own, and what it certifies."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Certified:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates of servers and clients; ``file`` is what those must be given who are to trust it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.file = folder / f"{name}.pem"
        own = _builder(self._name, self._key)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(self._signed(own))

    def certify(self, name: str, *, since: datetime | None = None, good_for: timedelta = 2 * _HOUR) -> Certified:
        """Return a certificate for a host, an address or a client; it began an hour ago, unless told otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(name), key, since=since, good_for=good_for)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
        found = Certified(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        found.certificate.write_bytes(self._signed(builder))
        found.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        found.key.chmod(0o600)
        return found

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.issuer_name(self._name).sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    since: datetime | None = None,
    good_for: timedelta = 2 * _HOUR,
) -> x509.CertificateBuilder:
    began = since or datetime.now(UTC) - _HOUR
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + good_for)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

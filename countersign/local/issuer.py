"""The local stack's own issuer of tokens: it stands in for the API gateway that signs people in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm
from jwt.utils import base64url_encode

from countersign.local.errors import StackError
from countersign.local.files import write_private

ISSUER = "urn:countersign:local"
_ALGORITHM = "ES256"


@dataclass(frozen=True)
class Issuer:
    """An ES256 key, and the file with its public half (RFC 7517) that verifiers are given."""

    key: ec.EllipticCurvePrivateKey
    jwks_file: Path

    def mint(
        self, *, subject: str, audience: str, account: str | None = None, lifetime: timedelta = timedelta(hours=1)
    ) -> str:
        """Return a token that names ``subject`` and, where given, the account he or she acts for."""
        claims = {"iss": ISSUER, "aud": audience, "sub": subject}
        if account is not None:
            claims["account"] = account
        return self.sign(claims, lifetime=lifetime)

    def sign(self, claims: Mapping[str, object], *, lifetime: timedelta) -> str:
        """Return a token with the claims, and with when it was made and runs out."""
        now = datetime.now(UTC)
        timed = {**claims, "iat": now, "exp": now + lifetime}
        return jwt.encode(timed, self.key, algorithm=_ALGORITHM, headers={"kid": _public_jwk(self.key)["kid"]})

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public half of the key (RFC 7517)."""
        return {"keys": [_public_jwk(self.key)]}


def load_or_make_issuer(data: Path) -> Issuer:
    """Return the issuer whose key is kept in ``data``, made at the first call; StackError when the key is no key."""
    key_file = data / "issuer-key.pem"
    if not key_file.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(key_file, pem.decode())
    key = _load(key_file)
    jwks_file = data / "jwks.json"
    write_private(jwks_file, json.dumps({"keys": [_public_jwk(key)]}))
    return Issuer(key=key, jwks_file=jwks_file)


def _load(key_file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except ValueError as error:
        raise StackError(f"{key_file} holds no private key: delete it, and a new one is made") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StackError(f"{key_file} holds a key of another kind: delete it, and a new one is made")
    return key


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    jwk = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    # RFC 7638: the thumbprint is of the required members, in order, without blanks.
    required = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    kid = base64url_encode(sha256(required.encode()).digest()).decode()
    return {**jwk, "kid": kid, "alg": _ALGORITHM, "use": "sig"}

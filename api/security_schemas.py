"""What goes over the wire about account security; ``EnrolmentOut`` and ``RecoveryCodesOut`` carry secrets."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import RevealChallenge
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import ChangeTo

_Verifier = Annotated[
    str | None,
    Field(
        min_length=43,
        max_length=128,
        pattern=r"^[A-Za-z0-9._~-]+$",
        description="Needed if a reveal challenge came when the change was begun or with the code of the present "
        "method; so always where there was no such method.",
        examples=["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
    ),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewTwoFactorChange(_In):
    """What to change two-factor authentication to."""

    to: ChangeTo = Field(examples=["sms"])
    phone: str | None = Field(
        default=None,
        max_length=32,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="For `sms`: where codes go, with + and the country code; the number on file if left out.",
        examples=["+442079460123"],
    )
    reveal_challenge: RevealChallenge = Field(
        default=None,
        description="Needed for `authenticator` while two-factor authentication is off: base64url(SHA-256(verifier)) "
        "without padding (S256, RFC 7636). Only with the verifier is the new authenticator's key shown.",
    )


class RecoveryCodeIn(_In):
    """A recovery code, in place of the code of an authenticator or phone that is lost."""

    code: str = Field(max_length=32, pattern=r"^[0-9A-Za-z -]{16,32}$", examples=["7K4M-9QXR-2B8D-HJ3N"])
    reveal_challenge: RevealChallenge = None


class EnrolmentIn(_In):
    """Asks for what a new authenticator is set up with."""

    reveal_verifier: _Verifier = None


class SecurityOut(BaseModel):
    """How the caller confirms; phone and email are masked."""

    model_config = ConfigDict(from_attributes=True)

    two_factor_method: TwoFactorMethod
    phone: str | None
    email: str
    recovery_codes_left: int
    open_change: UUID | None = Field(description="The request that changes it, while one is open in any account.")


class EnrolmentOut(BaseModel):
    """The seed of the new authenticator in base32, and the URI for a QR code (Key Uri Format)."""

    secret: str
    otpauth_uri: str


class RecoveryCodesOut(BaseModel):
    """Ten codes, each good once."""

    codes: list[str]

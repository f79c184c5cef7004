"""What goes over the wire. One schema here can carry a secret: ``SecretOut``."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from countersign.domain.codes import Window, resend_at
from countersign.domain.credentials import CredentialKind, CredentialStatus, SessionType
from countersign.domain.holding import held_until
from countersign.domain.permissions import Permission, funds_permissions
from countersign.domain.requests import CODE_STEPS, EXPIRY_OUTCOME, ChangeTo, Channel, Delivery, Journey, Outcome, Step
from countersign.domain.rules import Rules
from countersign.domain.stops import StopEffect
from countersign.effects.ending import is_overdue
from countersign.effects.holding import funds_begin_at
from countersign.effects.secrets import Shown
from countersign.effects.state import attempts_left
from countersign.storage.activity import LastUse
from countersign.storage.credentials import Credential
from countersign.storage.ledger import AuditEvent
from countersign.storage.managing import Entry
from countersign.storage.requests import Request

Whitelist = Annotated[
    str | list[Annotated[str, Field(max_length=100)]],
    Field(
        description="IPv4 or IPv6 addresses or networks, as a list or as text split by spaces, line breaks, `;` or "
        "`,`. Empty: the key works from any IP.",
        examples=["203.0.113.7; 2001:db8::/48"],
    ),
]
PermissionNames = Annotated[
    list[Annotated[str, Field(max_length=100)]],
    Field(description="`read` is always on.", examples=[["read", "trade"]], max_length=100),
]
Code = Annotated[
    str, Field(max_length=16, pattern=r"^ *[0-9]{3}[ -]?[0-9]{3} *$", description="Six digits.", examples=["123456"])
]


RevealChallenge = Annotated[
    str | None,
    Field(
        pattern=r"^[A-Za-z0-9_-]{43}$",
        description="For whatever is shown once: base64url(SHA-256(verifier)) without padding (S256, RFC 7636). Keep "
        "the verifier: it alone shows the secret.",
        examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
    ),
]

FundsFrom = Annotated[
    datetime | None,
    Field(
        description="Permissions that move funds are held back until then, because how a person is reached or "
        "confirms was changed; as far as it can be foreseen. Null: they are in effect with the rest."
    ),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewApiKey(_In):
    """The form of "+ NEW API KEY"."""

    name: str = Field(description="1 to 64 characters, unique in the account.", examples=["market maker 1"])
    permissions: PermissionNames = []
    ip_whitelist: Whitelist = ""


class NewFixCredentials(_In):
    """FOR TRADE SESSION or FOR MARKET DATA SESSION."""

    session_type: SessionType = Field(examples=["trade"])


class Edit(_In):
    """The form of "Edit": the whole new set of permissions and whitelist."""

    permissions: PermissionNames
    ip_whitelist: Whitelist
    acknowledge_deactivation: bool = Field(
        default=False,
        description="The tick that the key is deactivated by the edit and must be activated anew.",
        examples=[True],
    )


class TwoFactorCodeIn(_In):
    """The SMS or authenticator code."""

    code: Code
    step: Literal[Step.TWO_FACTOR_CODE, Step.NEW_FACTOR_CODE] | None = Field(
        default=None,
        description="The step that the code is meant for, where a change of two-factor asks for one after another: a "
        "code sent twice is then no wrong code at the step after it.",
        examples=["two_factor_code"],
    )
    reveal_challenge: RevealChallenge = None


class CodeIn(_In):
    """The code from the mail."""

    code: Code


class RevealIn(_In):
    """The verifier whose challenge came with the two-factor code."""

    reveal_verifier: str = Field(
        min_length=43,
        max_length=128,
        pattern=r"^[A-Za-z0-9._~-]+$",
        examples=["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
    )


class ActivationIn(_In):
    """ACTIVATE or ACTIVATE LATER."""

    when: Literal["now", "later"] = Field(examples=["now"])


class LinkIn(_In):
    """The token from the fragment of the mail's link."""

    token: str = Field(
        min_length=20,
        max_length=128,
        pattern=r"^[A-Za-z0-9_-]+$",
        examples=["9Xc1vQm3T0aJr7yqLk2WbE5sUoHdZ8fNpGxI4tVeKjM"],
    )


class DecisionIn(_In):
    """An account manager's decision about the version that was shown."""

    decision: Literal["activate", "reject"] = Field(examples=["reject"])
    reason: str = Field(
        default="", max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["The session is not agreed yet."]
    )
    version: int = Field(ge=1, le=2**31 - 1, description="The one that was shown.", examples=[1])


class _Used(BaseModel):
    last_used_at: datetime | None = Field(default=None, description="When a call with it was last allowed.")
    last_used_ip: str | None = Field(default=None, description="From where that came.")


class ApiKeyOut(_Used):
    """An API key, without its secret."""

    id: UUID
    name: str
    key: str
    permissions: tuple[Permission, ...]
    ip_whitelist: tuple[str, ...]
    status: CredentialStatus
    version: int
    funds_permissions_from: FundsFrom
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, credential: Credential, *, at: datetime, used: LastUse | None = None) -> "ApiKeyOut":
        """Return what an owner sees at ``at``."""
        funds = funds_permissions(credential.permissions)
        held = held_until(credential.funds_from, at=at) if funds else None
        shown = credential.model_dump(include=set(cls.model_fields))
        return cls(key=credential.public_id, funds_permissions_from=held, **shown, **_last_used(used))


class FixCredentialsOut(_Used):
    """FIX credentials, without their password."""

    id: UUID
    session_name: str
    username: str
    session_type: SessionType | None
    status: CredentialStatus
    version: int
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, credential: Credential, *, used: LastUse | None = None) -> "FixCredentialsOut":
        """Return what an owner sees."""
        shown = credential.model_dump(include=set(cls.model_fields))
        return cls(session_name=credential.name, username=credential.public_id, **shown, **_last_used(used))


class Deactivated(BaseModel):
    """What became of a deactivated credential."""

    id: UUID
    status: CredentialStatus
    superseded_request: UUID | None = Field(description="The request that this ended.")


class RequestOut(BaseModel):
    """One approval as it stands."""

    id: UUID
    journey: Journey
    workflow_id: str
    credential_id: UUID | None = Field(description="None when it is about a person's two-factor authentication.")
    credential_kind: CredentialKind | None
    name: str = Field(description="The API key's name, or the Session Name to quote to the account manager.")
    change_to: ChangeTo | None = Field(description="What a change of two-factor authentication leads to.")
    step: Step
    waiting_for: Literal["system", "owner", "account_manager", "nobody"]
    outcome: Outcome | None
    reason: str | None
    expires_at: datetime | None = Field(description="When the step runs out.")
    code_expires_at: datetime | None = Field(description="When the newest code, or authenticator window, runs out.")
    resend_at: datetime | None
    attempts_left: int | None
    channel: Channel | None
    delivery: Delivery | None
    delivery_failure: str | None
    permissions: tuple[Permission, ...]
    funds_permissions_from: FundsFrom
    ip_whitelist: tuple[str, ...]
    session_type: SessionType | None
    begun_by: UUID
    created_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, request: Request, *, rules: Rules, at: datetime) -> "RequestOut":
        """Return the request as it stands at ``at``: past its deadline it has ended, whoever sleeps."""
        overdue = is_overdue(request, at=at)
        step = Step.CLOSED if overdue else request.step
        outcome = EXPIRY_OUTCOME[request.step] if overdue else request.outcome
        asks = step in CODE_STEPS
        same = request.model_dump(include=set(cls.model_fields) - {"step", "outcome"})
        return cls.model_validate(
            {
                **same,
                "workflow_id": request.workflow_id,
                "credential_id": request.credential_id if request.journey.kind else None,
                "credential_kind": request.journey.kind,
                "step": step,
                "outcome": outcome,
                "waiting_for": _WAITING_FOR.get(step, "owner"),
                "expires_at": request.deadline if outcome is None else None,
                "code_expires_at": request.send_expires_at if asks else None,
                "resend_at": _resend_at(request, rules) if asks else None,
                "attempts_left": attempts_left(request, rules=rules) if asks else None,
                "channel": request.channel if asks else None,
                "delivery": request.delivery if asks else None,
                "delivery_failure": request.failure if asks else None,
                "funds_permissions_from": funds_begin_at(request, rules=rules, at=at),
                "begun_by": request.user_id,
            }
        )


class SecretOut(BaseModel):
    """The secret, once: API Key and API Secret, or Session Name, Username and Password."""

    kind: CredentialKind
    name: str
    api_key: str | None = None
    api_secret: str | None = None
    session_name: str | None = None
    username: str | None = None
    password: str | None = None

    @classmethod
    def of(cls, shown: Shown) -> "SecretOut":
        """Return the secret in the clear."""
        secret = shown.secret.get_secret_value()
        if shown.session_type is None:
            return cls(kind=CredentialKind.API_KEY, name=shown.name, api_key=shown.public_id, api_secret=secret)
        return cls(
            kind=CredentialKind.FIX,
            name=shown.name,
            session_name=shown.name,
            username=shown.public_id,
            password=secret,
        )


class StoppedOut(BaseModel):
    """What the first press of a mail's link did, and when."""

    effect: StopEffect
    stopped_at: datetime


class QueueEntry(BaseModel):
    """What an account manager decides on."""

    session_name: str
    session_type: SessionType | None
    account_id: UUID
    account_name: str
    status: CredentialStatus
    version: int
    request_id: UUID | None
    workflow_id: str | None
    step: Step | None
    asked_at: datetime | None

    @classmethod
    def of(cls, entry: Entry) -> "QueueEntry":
        """Return what the account manager sees."""
        return cls(workflow_id=entry.workflow_id, **entry.model_dump(exclude={"journey"}))


class StatementOut(BaseModel):
    """A signed statement for ``temporal workflow signal``."""

    statement: str
    workflow_id: str
    expires_at: datetime


class AuditEventOut(BaseModel):
    """One line of the account's audit trail."""

    number: int
    event: str
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    ip: str | None
    request_id: UUID | None
    credential_id: UUID | None
    details: dict[str, Any]

    @classmethod
    def of(cls, event: AuditEvent) -> "AuditEventOut":
        """Return the event."""
        return cls.model_validate({**event.model_dump(), "ip": str(event.ip) if event.ip else None})


_WAITING_FOR = {Step.STARTING: "system", Step.ACCOUNT_MANAGER: "account_manager", Step.CLOSED: "nobody"}


def whitelist_text(whitelist: str | list[str]) -> str:
    """Return the whitelist as the text a person would paste."""
    return whitelist if isinstance(whitelist, str) else " ".join(whitelist)


def _last_used(used: LastUse | None) -> dict[str, Any]:
    return {"last_used_at": used.at, "last_used_ip": str(used.ip)} if used else {}


def _resend_at(request: Request, rules: Rules) -> datetime | None:
    if request.send_number is None or request.send_opened_at is None or request.send_expires_at is None:
        return None
    window = Window(number=request.send_number, opened_at=request.send_opened_at, expires_at=request.send_expires_at)
    return resend_at(window, rules=rules)

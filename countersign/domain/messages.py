"""Messages to a request, and the verdict on each.

Every message can be sent as a signal or as an update of the same name. Codes travel here and nowhere else;
no model shows its input in an error, or logs would leak them.
"""

from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress, StringConstraints

from countersign.domain.errors import BY_SLUG, DomainError
from countersign.domain.requests import Channel, Journey, Outcome, Step

_CODE = Field(max_length=32, repr=False)
_CHALLENGE = Field(default=None, pattern=r"^[A-Za-z0-9_-]{43}$")

# PostgreSQL refuses NUL in text: a signal that carried one would be retried without end.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]


# An update keeps its first answer for ever, one of a failure of ours too; sent once more with this and anything after
# it, it is another update that counts as the same message.
AGAIN = "~again~"


def counts_as(update_id: str) -> str:
    """Return the key that an update counts under."""
    return update_id.partition(AGAIN)[0] or update_id


def _without_zone(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    # PostgreSQL's inet knows no zones (RFC 4007): a signal that named one would be retried without end.
    return ip_address(str(ip).partition("%")[0])


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class ActorKind(StrEnum):
    """Who acts: a signed-in person, the link in a mail to one, who signalled the workflow, ops, or time itself."""

    USER = "user"
    MAIL_LINK = "mail_link"
    SIGNAL = "signal"
    OPS = "ops"
    SYSTEM = "system"


class Actor(_Model):
    """Who acts and from where."""

    kind: ActorKind = ActorKind.SIGNAL
    user_id: UUID | None = None
    ip: Annotated[IPvAnyAddress, AfterValidator(_without_zone)] | None = None


SYSTEM = Actor(kind=ActorKind.SYSTEM)


class TwoFactorCode(_Model):
    """The two-factor code; whatever is shown once afterwards also needs its challenge (S256, RFC 7636).

    Where two steps ask for one after another, ``step`` says which is meant, so that a click too many is no wrong code.
    """

    kind: Literal["two_factor_code"] = "two_factor_code"
    actor: Actor = Actor()
    code: str = _CODE
    step: Step | None = None
    reveal_challenge: str | None = _CHALLENGE


class RecoveryCode(_Model):
    """One of the person's recovery codes, in place of the code of an authenticator or phone that is lost."""

    kind: Literal["recovery_code"] = "recovery_code"
    actor: Actor = Actor()
    code: str = _CODE
    reveal_challenge: str | None = _CHALLENGE


class ResendCode(_Model):
    """Asks for a new code, or for a new window of the authenticator."""

    kind: Literal["resend_code"] = "resend_code"
    actor: Actor = Actor()


class SecretSaved(_Model):
    """The tick that the secret was saved."""

    kind: Literal["secret_saved"] = "secret_saved"
    actor: Actor = Actor()


class Activate(_Model):
    """The ACTIVATE button."""

    kind: Literal["activate"] = "activate"
    actor: Actor = Actor()


class ActivateLater(_Model):
    """The ACTIVATE LATER button."""

    kind: Literal["activate_later"] = "activate_later"
    actor: Actor = Actor()


class ActivationCode(_Model):
    """The code from the mail, or the token of its link."""

    kind: Literal["activation_code"] = "activation_code"
    actor: Actor = Actor()
    code: str | None = Field(default=None, max_length=32, repr=False)
    link_token: str | None = Field(default=None, max_length=128, repr=False)


class AccountManagerDecision(_Model):
    """An account manager's signed statement; a name alone proves nothing."""

    kind: Literal["account_manager_decision"] = "account_manager_decision"
    actor: Actor = Actor()
    statement: str = Field(max_length=4096, repr=False)


class Cancel(_Model):
    """Ends the request."""

    kind: Literal["cancel"] = "cancel"
    actor: Actor = Actor()
    reason: Text | None = None


AnyMessage = (
    TwoFactorCode
    | RecoveryCode
    | ResendCode
    | SecretSaved
    | Activate
    | ActivateLater
    | ActivationCode
    | AccountManagerDecision
    | Cancel
)


class Envelope(_Model):
    """A message with its request, the key its effect is stored under, and the moment its handler was entered."""

    request_id: UUID
    key: Text
    at: datetime
    message: Annotated[AnyMessage, Field(discriminator="kind")]


class SendRef(_Model):
    """A code that is to be sent."""

    challenge_id: UUID
    number: int
    channel: Channel
    expires_at: datetime


class RequestState(_Model):
    """What the workflow needs to know of its request."""

    journey: Journey
    step: Step
    outcome: Outcome | None
    name: str
    deadline: datetime | None
    remind_at: datetime | None
    attempts_left: int | None
    unsent: SendRef | None


class Answer(_Model):
    """The answer to a message: done when ``problem`` is None, else the problem's type and what it carries."""

    problem: str | None = None
    detail: str | None = None
    extra: dict[str, Any] = {}

    def as_error(self) -> DomainError | None:
        """Return the problem as an error to raise, or None."""
        if self.problem is None:
            return None
        return BY_SLUG[self.problem](self.detail or "", **self.extra)


class Verdict(Answer):
    """The answer to a message, and the request as it stands then."""

    state: RequestState


class StartRequest(_Model):
    """The workflow's input."""

    request_id: UUID


class StepDue(_Model):
    """A deadline or reminder of a step has come."""

    request_id: UUID
    step: Step
    at: datetime


class RequestAt(_Model):
    """A request at a moment of its workflow's clock."""

    request_id: UUID
    at: datetime


def _models(base: type[_Model]) -> list[type[_Model]]:
    return [base, *(deeper for model in base.__subclasses__() for deeper in _models(model))]


# What could be used to act, by the name of its field: whoever hides a field from reprs hides it from ops too.
SECRET_FIELDS = frozenset(
    name for model in _models(_Model) for name, field in model.model_fields.items() if not field.repr
)

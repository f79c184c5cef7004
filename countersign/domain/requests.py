"""Requests: journeys, steps, outcomes, and what an end does to the credential."""

from enum import StrEnum

from countersign.domain.credentials import CredentialKind, CredentialStatus
from countersign.domain.people import TwoFactorMethod


class Journey(StrEnum):
    """One kind of approval; the value is the workflow type and the start of the workflow id."""

    CREATE_API_KEY = "create-api-key"
    CREATE_FIX = "create-fix-credentials"
    EDIT_API_KEY = "edit-api-key"
    ACTIVATE_API_KEY = "activate-api-key"
    ACTIVATE_FIX = "activate-fix-credentials"
    CHANGE_TWO_FACTOR = "change-two-factor"

    @property
    def kind(self) -> CredentialKind | None:
        """The kind of credential this journey is about; None for the one that is about a person."""
        if self is Journey.CHANGE_TWO_FACTOR:
            return None
        return CredentialKind.FIX if self in {Journey.CREATE_FIX, Journey.ACTIVATE_FIX} else CredentialKind.API_KEY

    @property
    def creates(self) -> bool:
        """Whether a credential comes into being, and with it a secret that is shown once."""
        return self in {Journey.CREATE_API_KEY, Journey.CREATE_FIX}

    @property
    def needs_two_factor(self) -> bool:
        """Whether the journey begins with a two-factor code, if the person has any two-factor method."""
        return self is not Journey.ACTIVATE_FIX


class Step(StrEnum):
    """What a request waits for."""

    STARTING = "starting"
    TWO_FACTOR_CODE = "two_factor_code"
    NEW_FACTOR_CODE = "new_factor_code"
    SECRET_SAVED = "secret_saved"  # noqa: S105 - the name of a step
    ACTIVATION_CHOICE = "activation_choice"
    ACTIVATION_CODE = "activation_code"
    ACCOUNT_MANAGER = "account_manager"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a request ended."""

    ACTIVATED = "activated"
    LEFT_INACTIVE = "left_inactive"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    REJECTED = "rejected"
    ABANDONED = "abandoned"
    SUPERSEDED = "superseded"
    CHANGED = "changed"


class ChangeTo(StrEnum):
    """What a change of two-factor authentication leads to."""

    AUTHENTICATOR = "authenticator"
    SMS = "sms"
    OFF = "off"
    RECOVERY_CODES = "recovery_codes"

    @property
    def enrols(self) -> bool:
        """Whether a new authenticator or phone must prove itself with a code of its own."""
        return self in {ChangeTo.AUTHENTICATOR, ChangeTo.SMS}

    @property
    def method(self) -> TwoFactorMethod:
        """The method that the person has afterwards; new recovery codes change none, and raise ``KeyError``."""
        return _METHODS[self]


_METHODS = {
    ChangeTo.AUTHENTICATOR: TwoFactorMethod.AUTHENTICATOR,
    ChangeTo.SMS: TwoFactorMethod.SMS,
    ChangeTo.OFF: TwoFactorMethod.NONE,
}


class Channel(StrEnum):
    """How a one-time code reaches a person; an authenticator makes its own."""

    AUTHENTICATOR = "authenticator"
    SMS = "sms"
    EMAIL = "email"


class Delivery(StrEnum):
    """Where a code that is sent stands."""

    NOT_NEEDED = "not_needed"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


_REFUSALS_TOLD = 10

TWO_FACTOR_STEPS = frozenset({Step.TWO_FACTOR_CODE, Step.NEW_FACTOR_CODE})
CODE_STEPS = TWO_FACTOR_STEPS | {Step.ACTIVATION_CODE}

EXPIRY_OUTCOME: dict[Step, Outcome] = {
    Step.TWO_FACTOR_CODE: Outcome.EXPIRED,
    Step.NEW_FACTOR_CODE: Outcome.EXPIRED,
    Step.SECRET_SAVED: Outcome.ABANDONED,
    Step.ACTIVATION_CHOICE: Outcome.LEFT_INACTIVE,
    Step.ACTIVATION_CODE: Outcome.LEFT_INACTIVE,
}

WRONG_CODES_OUTCOME: dict[Step, Outcome] = {
    Step.TWO_FACTOR_CODE: Outcome.REFUSED,
    Step.NEW_FACTOR_CODE: Outcome.REFUSED,
    Step.ACTIVATION_CODE: Outcome.LEFT_INACTIVE,
}


def status_after_end(*, step: Step, status: CredentialStatus) -> CredentialStatus:
    """Return the credential's status when a request ends at ``step`` without activating.

    Before the secret is acknowledged nobody has it, so the credential is discarded; later it stays, inactive;
    a status that the request never touched stays as it is. Every answer is ``status`` or a legal transition from it.
    """
    if step is Step.SECRET_SAVED and status is CredentialStatus.INACTIVE:
        return CredentialStatus.DISCARDED
    if status is CredentialStatus.AWAITING_ACTIVATION:
        return CredentialStatus.INACTIVE
    return status


def is_told(refused: int) -> bool:
    """Tell whether the audit trail tells of the refused decision with this number: of the first ten, then of fewer.

    It tells of the 100th, the 1000th and so on, so that no number of forged ones fills it.
    """
    return refused <= _REFUSALS_TOLD or (set(str(refused)) == {"0", "1"} and str(refused).count("1") == 1)

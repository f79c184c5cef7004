"""Words that are stored, sent or answered with: they outlive every version, so none is ever spelled anew."""

from enum import StrEnum

import pytest

from countersign.domain.audit import AuditTag
from countersign.domain.credentials import CredentialKind, CredentialStatus, SessionType
from countersign.domain.errors import BY_SLUG
from countersign.domain.freezing import HouseFreeze
from countersign.domain.messages import ActorKind
from countersign.domain.people import Role, TwoFactorMethod
from countersign.domain.permissions import Permission
from countersign.domain.requests import ChangeTo, Channel, Delivery, Journey, Outcome, Step
from countersign.domain.secrets import TokenKind
from countersign.domain.stops import StopEffect, StopKind

WORDS: dict[type[StrEnum], str] = {
    AuditTag: (
        "request:opened request:ended two-factor:passed two-factor:new-factor-passed two-factor:seed-shown "
        "two-factor:recovery-code-used two-factor:recovery-codes-shown code:wrong code:requested "
        "credential:created credential:edited credential:status secret:shown secret:saved activation:chosen "
        "account-manager:asked account-manager:reminded account-manager:decided "
        "account-manager:decision-refused account:issuing-frozen account:issuing-thawed ops:stopped user:changed "
        "credential:stopped credential:funds-held user:change-stopped session:begun session:ended session:others-ended"
    ),
    CredentialKind: "api_key fix",
    SessionType: "trade market_data",
    CredentialStatus: "inactive awaiting_activation active discarded",
    ActorKind: "user mail_link signal ops system",
    TwoFactorMethod: "none authenticator sms",
    Role: "owner member account_manager ops",
    Permission: "read trade funds_internal funds_wallet funds_external",
    Journey: (
        "create-api-key create-fix-credentials edit-api-key activate-api-key activate-fix-credentials change-two-factor"
    ),
    Step: (
        "starting two_factor_code new_factor_code secret_saved activation_choice activation_code account_manager closed"
    ),
    Outcome: "activated left_inactive expired cancelled refused rejected abandoned superseded changed",
    ChangeTo: "authenticator sms off recovery_codes",
    Channel: "authenticator sms email",
    Delivery: "not_needed sending sent failed",
    StopKind: "credential security_change",
    HouseFreeze: "none new all",
    StopEffect: "cancelled deactivated nothing_left frozen",
    TokenKind: "api_key api_secret fix_password",
}

PROBLEMS = {
    400: "cannot-be-carried-out sign-in-failed",
    401: "not-signed-in session-ended",
    403: (
        "forbidden prime-liquidity-owner-required two-factor-not-enabled issuing-frozen issuing-suspended "
        "not-the-requester cross-site not-known-here reveal-refused invalid-statement"
    ),
    404: "not-found",
    409: (
        "code-already-used conflict not-confirmed name-taken request-open acting-for-another request-closed "
        "not-at-this-step secret-not-shown wrong-status nothing-waiting version-changed too-many-credentials"
    ),
    408: "body-too-slow",
    410: "secret-gone link-expired",
    413: "body-too-large",
    414: "address-too-long",
    421: "misdirected",
    422: (
        "invalid-input invalid-name invalid-ip-whitelist unknown-permission nothing-changed "
        "acknowledgement-missing reveal-challenge-missing idempotency-key-reused wrong-code code-expired "
        "invalid-link"
    ),
    429: "resend-too-early too-many-codes too-many-wrong-codes too-many-requests too-many-calls too-many-sms",
    431: "headers-too-large",
    503: "temporarily-unavailable sms-suspended",
}


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_no_word_is_ever_spelled_anew(words: type[StrEnum]) -> None:
    assert set(WORDS[words].split()) <= {word.value for word in words}


def test_no_problem_ever_changes_its_type_or_its_status() -> None:
    known = {slug: status for status, slugs in PROBLEMS.items() for slug in slugs.split()}
    assert known.items() <= {slug: error.status for slug, error in BY_SLUG.items()}.items()

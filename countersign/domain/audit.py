"""The kinds of audit event, in one place."""

from enum import StrEnum


class AuditTag(StrEnum):
    """What happened; stored as text and never renamed."""

    REQUEST_OPENED = "request:opened"
    REQUEST_ENDED = "request:ended"
    TWO_FACTOR_PASSED = "two-factor:passed"
    NEW_FACTOR_PASSED = "two-factor:new-factor-passed"
    SEED_SHOWN = "two-factor:seed-shown"
    RECOVERY_CODE_USED = "two-factor:recovery-code-used"
    RECOVERY_CODES_SHOWN = "two-factor:recovery-codes-shown"
    CODE_WRONG = "code:wrong"
    CODE_REQUESTED = "code:requested"
    CREDENTIAL_CREATED = "credential:created"
    CREDENTIAL_EDITED = "credential:edited"
    CREDENTIAL_STATUS = "credential:status"
    CREDENTIAL_STOPPED = "credential:stopped"
    FUNDS_HELD = "credential:funds-held"
    SECRET_SHOWN = "secret:shown"  # noqa: S105 - the name of an event
    SECRET_SAVED = "secret:saved"  # noqa: S105 - the name of an event
    ACTIVATION_CHOSEN = "activation:chosen"
    MANAGER_ASKED = "account-manager:asked"
    MANAGER_REMINDED = "account-manager:reminded"
    MANAGER_DECIDED = "account-manager:decided"
    DECISION_REFUSED = "account-manager:decision-refused"
    ISSUING_FROZEN = "account:issuing-frozen"
    ISSUING_THAWED = "account:issuing-thawed"
    USER_CHANGED = "user:changed"
    USER_CHANGE_STOPPED = "user:change-stopped"

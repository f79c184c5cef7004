"""Requests: what a journey is about, and what its end does to the credential."""

import pytest

from countersign.domain.credentials import TRANSITIONS, CredentialKind, CredentialStatus
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import (
    CODE_STEPS,
    EXPIRY_OUTCOME,
    WRONG_CODES_OUTCOME,
    ChangeTo,
    Journey,
    Outcome,
    Step,
    is_told,
    status_after_end,
)


@pytest.mark.parametrize(
    ("journey", "kind", "creates", "needs_two_factor"),
    [
        (Journey.CREATE_API_KEY, CredentialKind.API_KEY, True, True),
        (Journey.CREATE_FIX, CredentialKind.FIX, True, True),
        (Journey.EDIT_API_KEY, CredentialKind.API_KEY, False, True),
        (Journey.ACTIVATE_API_KEY, CredentialKind.API_KEY, False, True),
        (Journey.ACTIVATE_FIX, CredentialKind.FIX, False, False),
        (Journey.CHANGE_TWO_FACTOR, None, False, True),
    ],
)
def test_each_journey_knows_what_it_is_about(
    journey: Journey,
    kind: CredentialKind | None,
    creates: bool,  # noqa: FBT001 - a column of the table above
    needs_two_factor: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    assert (journey.kind, journey.creates, journey.needs_two_factor) == (kind, creates, needs_two_factor)


def test_journeys_are_spelled_so_that_they_can_start_a_workflow_id() -> None:
    assert all(journey.value.replace("-", "").isalpha() and journey.value.islower() for journey in Journey)


def test_a_credential_whose_secret_nobody_acknowledged_is_discarded() -> None:
    assert status_after_end(step=Step.SECRET_SAVED, status=CredentialStatus.INACTIVE) is CredentialStatus.DISCARDED


@pytest.mark.parametrize("step", [Step.ACTIVATION_CHOICE, Step.ACTIVATION_CODE, Step.ACCOUNT_MANAGER])
def test_after_the_acknowledgement_the_credential_stays_and_is_inactive(step: Step) -> None:
    assert status_after_end(step=step, status=CredentialStatus.INACTIVE) is CredentialStatus.INACTIVE
    assert status_after_end(step=step, status=CredentialStatus.AWAITING_ACTIVATION) is CredentialStatus.INACTIVE


@pytest.mark.parametrize("status", [CredentialStatus.ACTIVE, CredentialStatus.INACTIVE])
def test_an_edit_or_activation_that_ends_at_its_two_factor_code_leaves_the_credential_alone(
    status: CredentialStatus,
) -> None:
    assert status_after_end(step=Step.TWO_FACTOR_CODE, status=status) is status


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("status", CredentialStatus)
def test_an_end_is_always_a_legal_transition_or_none_and_never_activates(step: Step, status: CredentialStatus) -> None:
    after = status_after_end(step=step, status=status)
    assert after is status or after in TRANSITIONS[status]
    assert after is status or after is not CredentialStatus.ACTIVE
    assert after is not CredentialStatus.AWAITING_ACTIVATION


def test_each_step_runs_out_with_its_own_outcome_and_the_account_manager_has_no_end() -> None:
    assert EXPIRY_OUTCOME == {
        Step.TWO_FACTOR_CODE: Outcome.EXPIRED,
        Step.NEW_FACTOR_CODE: Outcome.EXPIRED,
        Step.SECRET_SAVED: Outcome.ABANDONED,
        Step.ACTIVATION_CHOICE: Outcome.LEFT_INACTIVE,
        Step.ACTIVATION_CODE: Outcome.LEFT_INACTIVE,
    }


def test_the_fifth_wrong_code_refuses_the_request_or_leaves_the_key_inactive() -> None:
    assert WRONG_CODES_OUTCOME == {
        Step.TWO_FACTOR_CODE: Outcome.REFUSED,
        Step.NEW_FACTOR_CODE: Outcome.REFUSED,
        Step.ACTIVATION_CODE: Outcome.LEFT_INACTIVE,
    }
    assert set(WRONG_CODES_OUTCOME) == CODE_STEPS


@pytest.mark.parametrize(
    ("change_to", "enrols", "method"),
    [
        (ChangeTo.AUTHENTICATOR, True, TwoFactorMethod.AUTHENTICATOR),
        (ChangeTo.SMS, True, TwoFactorMethod.SMS),
        (ChangeTo.OFF, False, TwoFactorMethod.NONE),
    ],
)
def test_a_change_leads_to_a_method_and_a_new_one_proves_itself(
    change_to: ChangeTo,
    enrols: bool,  # noqa: FBT001 - a column of the table above
    method: TwoFactorMethod,
) -> None:
    assert (change_to.enrols, change_to.method) == (enrols, method)


def test_new_recovery_codes_are_no_method() -> None:
    assert not ChangeTo.RECOVERY_CODES.enrols
    with pytest.raises(KeyError):
        _ = ChangeTo.RECOVERY_CODES.method


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (1, True),
        (10, True),
        (11, False),
        (12, False),
        (99, False),
        (100, True),
        (101, False),
        (110, False),
        (1000, True),
    ],
)
def test_the_trail_tells_of_the_first_refused_decisions_and_then_of_fewer(refused: int, *, told: bool) -> None:
    assert is_told(refused) is told

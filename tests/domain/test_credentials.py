"""The one table of legal transitions."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.credentials import TRANSITIONS, CredentialStatus, move
from countersign.domain.errors import WrongStatus

INACTIVE = CredentialStatus.INACTIVE
AWAITING = CredentialStatus.AWAITING_ACTIVATION
ACTIVE = CredentialStatus.ACTIVE
DISCARDED = CredentialStatus.DISCARDED

LEGAL = {
    (INACTIVE, AWAITING),
    (INACTIVE, ACTIVE),
    (INACTIVE, DISCARDED),
    (AWAITING, ACTIVE),
    (AWAITING, INACTIVE),
    (ACTIVE, INACTIVE),
}

statuses = st.sampled_from(CredentialStatus)


def test_the_table_speaks_of_every_status() -> None:
    assert set(TRANSITIONS) == set(CredentialStatus)


@pytest.mark.parametrize("status", CredentialStatus)
@pytest.mark.parametrize("to", CredentialStatus)
def test_it_moves_exactly_along_the_legal_transitions(status: CredentialStatus, to: CredentialStatus) -> None:
    if (status, to) in LEGAL:
        assert move(status, to) is to
        return
    with pytest.raises(WrongStatus):
        move(status, to)


def test_the_refusal_names_both_statuses_and_leaves_the_http_status_alone() -> None:
    with pytest.raises(WrongStatus) as caught:
        move(DISCARDED, ACTIVE)
    assert caught.value.detail == "A credential that is discarded cannot become active."
    assert caught.value.extra == {"credential_status": DISCARDED}
    assert caught.value.status == 409


@given(statuses, st.lists(statuses, max_size=30))
def test_every_walk_is_legal_and_stays_where_it_was_when_refused(status: CredentialStatus, tries: list[str]) -> None:
    walk = [status]
    for to in map(CredentialStatus, tries):
        try:
            walk.append(move(walk[-1], to))
        except WrongStatus:
            assert (walk[-1], to) not in LEGAL
    assert all(step in LEGAL for step in pairwise(walk))


@given(st.lists(statuses, max_size=30))
def test_no_walk_leads_out_of_discarded(tries: list[CredentialStatus]) -> None:
    for to in tries:
        with pytest.raises(WrongStatus):
            move(DISCARDED, to)


def test_only_inactive_and_awaiting_credentials_become_active() -> None:
    assert {status for status, reachable in TRANSITIONS.items() if ACTIVE in reachable} == {INACTIVE, AWAITING}


def test_a_live_credential_is_deactivated_before_anything_else_happens_to_it() -> None:
    assert TRANSITIONS[ACTIVE] == {INACTIVE}


def test_only_an_inactive_credential_can_be_discarded() -> None:
    assert {status for status, reachable in TRANSITIONS.items() if DISCARDED in reachable} == {INACTIVE}


def test_every_status_but_discarded_can_become_inactive_again() -> None:
    assert all(INACTIVE in TRANSITIONS[status] for status in (AWAITING, ACTIVE))

"""Audit tags are stored for good: their spelling is fixed."""

import re

from countersign.domain.audit import AuditTag


def test_tags_are_spelled_subject_and_what_happened_to_it() -> None:
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*:[a-z]+(-[a-z]+)*", tag) for tag in AuditTag)


def test_no_two_events_share_a_tag() -> None:
    assert len(AuditTag.__members__) == len(set(AuditTag))

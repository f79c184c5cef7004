"""Calls and credentials of every kind."""

from ipaddress import ip_address
from uuid import UUID

from hypothesis import strategies as st

from countersign.domain.permissions import Permission
from countersign.verification.known import Known, Whitelist

CREDENTIAL = UUID(int=7)
NOW = 1_800_000_000.0
IP = ip_address("203.0.113.7")
SECRET = "css_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGabcdef"
# What JSON can carry: lone surrogates are none.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def known(**changes: object) -> Known:
    told = {
        "id": CREDENTIAL,
        "account_id": UUID(int=8),
        "is_active": True,
        "permissions": frozenset({Permission.READ, Permission.TRADE}),
        "funds_from": 0.0,
        "whitelist": Whitelist(()),
        "version": 2,
        "read_at": 0.0,
        "secret": SECRET.encode(),
    }
    return Known(**{**told, **changes})  # type: ignore[arg-type]

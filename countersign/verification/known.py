"""A credential as a verifier keeps it in memory, ready to be held against calls."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple
from uuid import UUID

from countersign.domain.credentials import SessionType
from countersign.domain.permissions import FUNDS, Permission
from countersign.domain.secrets import TokenKind, has_valid_checksum, looks_like, new_session_name
from countersign.domain.trading_limits import TradingLimit
from countersign.domain.verification import Allowed, Call, FixCall, SessionCall

Ip = IPv4Address | IPv6Address
_LONGEST_SESSION_NAME = len(new_session_name(SessionType.MARKET_DATA))


class By(StrEnum):
    """What a call names its credential by."""

    KEY = "key"
    SESSION_NAME = "session_name"
    ID = "id"


class Lookup(NamedTuple):
    """How a call names its credential."""

    by: By
    name: str

    @classmethod
    def of(cls, call: Call) -> "Lookup":
        """Return how this call does."""
        if isinstance(call, FixCall):
            return cls(By.SESSION_NAME, call.sender_comp_id)
        if isinstance(call, SessionCall):
            return cls(By.ID, str(call.credential_id))
        return cls(By.KEY, call.key)

    @property
    def is_plausible(self) -> bool:
        """Whether there can be such a credential: rubbish is not worth a question to the database."""
        if self.by is By.KEY:
            return looks_like(self.name) is TokenKind.API_KEY and has_valid_checksum(self.name)
        return self.name.isascii() and self.name.isprintable() and len(self.name) <= max(_LONGEST_SESSION_NAME, 36)


@dataclass(frozen=True)
class Known:
    """A credential; times are Unix seconds, ``read_at`` is a moment of the monotonic clock."""

    id: UUID
    account_id: UUID
    is_active: bool
    permissions: frozenset[Permission]
    funds_from: float
    whitelist: "Whitelist"
    version: int
    read_at: float
    secret: bytes = field(repr=False)
    username: str = ""
    password_mac: bytes = field(default=b"", repr=False)
    mac_key_id: str | None = None
    session_type: SessionType | None = None
    trading_limits: tuple[TradingLimit, ...] = ()
    _answers: dict[bool, Allowed] = field(default_factory=dict, compare=False, repr=False)

    def permissions_at(self, at: float) -> frozenset[Permission]:
        """Return the permissions in effect: those that move funds may be held back."""
        return self.permissions if at >= self.funds_from else self.permissions - FUNDS

    def allowed(self, at: float) -> Allowed:
        """Return the answer to a call that may be carried out; it is made once with and once without held funds."""
        is_held = at < self.funds_from
        answer = self._answers.get(is_held)
        if answer is None:
            answer = self._answers[is_held] = self._allowed(at)
        return answer

    def _allowed(self, at: float) -> Allowed:
        in_effect = self.permissions_at(at)
        return Allowed(
            credential_id=self.id,
            account_id=self.account_id,
            permissions=tuple(level for level in Permission if level in in_effect),
            session_type=self.session_type,
            trading_limits=self.trading_limits,
            version=self.version,
        )


class Whitelist:
    """The addresses that a credential works from; without entries it works from any."""

    def __init__(self, entries: Iterable[str]) -> None:
        networks = [ip_network(entry) for entry in entries]
        self._single = frozenset(each.network_address for each in networks if each.prefixlen == each.max_prefixlen)
        self._networks: list[IPv4Network | IPv6Network] = [
            each for each in networks if each.prefixlen < each.max_prefixlen
        ]

    @property
    def is_empty(self) -> bool:
        """Whether any address will do."""
        return not self._single and not self._networks

    def names(self, ip: Ip) -> bool:
        """Tell whether an entry holds the address, an IPv4-mapped one as the IPv4 address it is."""
        plain = unmapped(ip)
        return plain in self._single or any(plain in network for network in self._networks)


def unmapped(ip: Ip) -> Ip:
    """Return the IPv4 address that an IPv4-mapped one (RFC 4291, 2.5.5.2) stands for, else the address itself."""
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


# What calls with unknown keys are held against, so that they take as long as those with known ones. It is nobody's, and
# its secret, new in each process, is as long as ours are.
NOBODY = Known(
    id=UUID(int=0),
    account_id=UUID(int=0),
    is_active=False,
    permissions=frozenset(),
    funds_from=0.0,
    whitelist=Whitelist(()),
    version=0,
    read_at=0.0,
    secret=os.urandom(27).hex()[:53].encode(),
    password_mac=os.urandom(32),
)

"""IP whitelists as people paste them (article: Whitelist your IP addresses)."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import TypeVar

from countersign.domain.errors import InvalidWhitelist
from countersign.domain.quoting import quote, tell_by_problem

# Zero-width spaces and byte order marks come along when people paste from pages and files.
_SEPARATORS = re.compile("[\\s;,\u200b\ufeff]+")
_NAMED_IN_DETAIL = 100
_IPV4_MAPPED_PREFIX = 96

_NO_ADDRESS = "Not an IP address or network"
_HOST_BITS = "Not a network, since bits after the prefix are set"
_ZONE = "Zones (%) mean nothing outside of your machine"
_ANY_IP = "For any IP leave the whitelist empty"

Network = IPv4Network | IPv6Network
_Family = TypeVar("_Family", IPv4Network, IPv6Network)


def parse_whitelist(text: str, *, limit: int) -> tuple[str, ...]:
    """Return the entries in canonical form and in the order given, duplicates folded.

    Entries are IPv4 or IPv6 addresses or networks, split by spaces, line breaks, ``;`` or ``,``; IPv4-mapped IPv6
    (RFC 4291, 2.5.5.2) becomes IPv4. Empty text means any IP. Raises ``InvalidWhitelist`` naming every bad entry,
    or the limit. Bad are also networks with host bits (the network meant is named), zones, and ``0.0.0.0/0``,
    ``0.0.0.0``, ``::/0`` and ``::``: "any IP" has one spelling, so that nobody overlooks it.
    """
    good: dict[str, None] = {}
    bad: dict[str, str] = {}
    for entry in filter(None, _SEPARATORS.split(text)):
        try:
            good[_canonical(_network(entry))] = None
        except ValueError as problem:
            bad[entry] = str(problem)
    if bad:
        raise _refusal(bad)
    if len(good) > limit:
        raise InvalidWhitelist(f"At most {limit} entries; these are {len(good)}.", limit=limit)
    return tuple(good)


def widens(before: Iterable[str], after: Iterable[str]) -> bool:
    """Tell whether ``after`` lets in an address that ``before`` keeps out; both as ``parse_whitelist`` returns them.

    Networks are compared by what they hold, however they are cut. An empty whitelist lets in any address.
    """
    old, new = [ip_network(entry) for entry in before], [ip_network(entry) for entry in after]
    if not old or not new:
        return bool(old)
    # Merged, networks are as large as they can be: what all of them hold together lies within one.
    merged: list[Network] = [*_merged(old, IPv4Network), *_merged(old, IPv6Network)]
    return not all(any(_holds(each, network) for each in merged) for network in new)


def _merged(networks: list[Network], family: type[_Family]) -> Iterable[_Family]:
    return collapse_addresses(each for each in networks if isinstance(each, family))


def _holds(outer: Network, inner: Network) -> bool:
    return type(outer) is type(inner) and inner[0] in outer and inner[-1] in outer


def _network(entry: str) -> Network:
    if "%" in entry:
        raise ValueError(_ZONE)
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None
    plain = _without_mapping(network)
    if plain.network_address.is_unspecified and plain.prefixlen in {0, plain.max_prefixlen}:
        raise ValueError(_ANY_IP)
    if ip_address(entry.partition("/")[0]) != network.network_address:
        raise ValueError(_HOST_BITS)
    return plain


def _without_mapping(network: Network) -> Network:
    # A caller over IPv4 is never seen under its mapped address: such an entry would lock its owner out.
    if isinstance(network, IPv4Network) or network.prefixlen < _IPV4_MAPPED_PREFIX:
        return network
    mapped = network.network_address.ipv4_mapped
    return network if mapped is None else IPv4Network((mapped, network.prefixlen - _IPV4_MAPPED_PREFIX))


def _canonical(network: Network) -> str:
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def _refusal(bad: dict[str, str]) -> InvalidWhitelist:
    told = ((_shown(entry, problem), problem) for entry, problem in bad.items())
    return InvalidWhitelist(tell_by_problem(told, limit=_NAMED_IN_DETAIL), bad_entries=[quote(entry) for entry in bad])


def _shown(entry: str, problem: str) -> str:
    if problem != _HOST_BITS:
        return quote(entry)
    return f"{quote(entry)} (perhaps {_without_mapping(ip_network(entry, strict=False))})"

"""Whether an edit lets in addresses that were kept out before: networks are compared by what they hold."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.whitelist import widens

WIDER = {
    "any IP": (["203.0.113.7"], []),
    "another address": (["203.0.113.7"], ["203.0.113.8"]),
    "one more address": (["203.0.113.7"], ["203.0.113.7", "203.0.113.8"]),
    "a shorter prefix": (["203.0.113.0/25"], ["203.0.113.0/24"]),
    "the other family": (["203.0.113.7"], ["2001:db8::7"]),
    "the same number in the other family": (["0.0.0.1"], ["::1"]),
    "a gap between two": (["203.0.113.0/26", "203.0.113.128/25"], ["203.0.113.0/24"]),
    "half of it beyond the edge": (["203.0.113.64/26"], ["203.0.113.0/25"]),
}
NOT_WIDER = {
    "the same": (["203.0.113.7", "2001:db8::/48"], ["2001:db8::/48", "203.0.113.7"]),
    "fewer": (["203.0.113.7", "203.0.113.8"], ["203.0.113.8"]),
    "an address of a network": (["203.0.113.0/24"], ["203.0.113.9"]),
    "a part of a network": (["2001:db8::/32"], ["2001:db8:1::/48"]),
    "from any IP to one": ([], ["203.0.113.7"]),
    "from any IP to any IP": ([], []),
    "two halves joined": (["203.0.113.0/25", "203.0.113.128/25"], ["203.0.113.0/24"]),
    "four addresses joined": ([f"203.0.113.{last}" for last in range(4)], ["203.0.113.0/30"]),
    "one network cut in two": (["203.0.113.0/24"], ["203.0.113.0/25", "203.0.113.128/25"]),
}


@pytest.mark.parametrize("case", WIDER)
def test_it_is_wider(case: str) -> None:
    assert widens(*WIDER[case])


@pytest.mark.parametrize("case", NOT_WIDER)
def test_it_is_not_wider(case: str) -> None:
    assert not widens(*NOT_WIDER[case])


_EDGES = [ip_network("203.0.113.0/28"), ip_network("2001:db8::/124")]


@st.composite
def small_networks(draw: st.DrawFn) -> IPv4Network | IPv6Network:
    """Networks within 16 addresses of either family, so that few of them cover many."""
    edge: IPv4Network | IPv6Network = draw(st.sampled_from(_EDGES))
    prefix = draw(st.integers(edge.prefixlen, edge.max_prefixlen))
    cut: list[IPv4Network | IPv6Network] = list(edge.subnets(new_prefix=prefix))
    return draw(st.sampled_from(cut))


whitelists = st.lists(small_networks(), min_size=1, max_size=8)


@given(before=whitelists, after=whitelists)
def test_it_agrees_with_counting_every_address(
    before: list[IPv4Network | IPv6Network], after: list[IPv4Network | IPv6Network]
) -> None:
    old, new = ({address for network in networks for address in network} for networks in (before, after))

    assert widens([str(each) for each in before], [str(each) for each in after]) is not (new <= old)

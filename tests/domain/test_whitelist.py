"""The whitelist parser: what people paste, and what must not get through."""

import time
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from countersign.domain.errors import InvalidWhitelist
from countersign.domain.whitelist import parse_whitelist

LIMIT = 100

ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens here
MEANS_ANY_IP = {ip_network(text) for text in (ANYWHERE, "::", "::ffff:0:0", "::ffff:0:0/96")}

addresses = st.ip_addresses().filter(lambda address: ip_network(address) not in MEANS_ANY_IP)
separators = st.text(alphabet=" \t\r\n;,\u00a0\u200b\ufeff", min_size=1, max_size=4)


@st.composite
def any_networks(draw: st.DrawFn) -> IPv4Network | IPv6Network:
    address = draw(addresses)
    return ip_network((address, draw(st.integers(1, address.max_prefixlen))), strict=False)


networks = any_networks().filter(lambda network: network not in MEANS_ANY_IP)


def parse(text: str) -> tuple[str, ...]:
    return parse_whitelist(text, limit=LIMIT)


def refusal(text: str) -> InvalidWhitelist:
    with pytest.raises(InvalidWhitelist) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize("text", ["", "   ", "\n\r\n", ";,; ,", "\u00a0\u200b\ufeff"])
def test_empty_text_means_any_ip(text: str) -> None:
    assert parse(text) == ()


def test_it_splits_at_spaces_line_breaks_semicolons_and_commas() -> None:
    pasted = "192.0.2.1 192.0.2.2\n192.0.2.3\r\n192.0.2.4;192.0.2.5,192.0.2.6 ; ,\t192.0.2.7,"
    assert parse(pasted) == tuple(f"192.0.2.{last}" for last in range(1, 8))


def test_it_ignores_the_invisible_spaces_that_come_along_when_pasting() -> None:
    assert parse("\ufeff192.0.2.1\u200b,\u00a0192.0.2.2\u2028192.0.2.3") == ("192.0.2.1", "192.0.2.2", "192.0.2.3")


def test_it_takes_ipv4_ipv6_and_networks() -> None:
    assert parse("192.0.2.1 2001:db8::1 198.51.100.0/24 2001:db8::/32") == (
        "192.0.2.1",
        "2001:db8::1",
        "198.51.100.0/24",
        "2001:db8::/32",
    )


def test_it_folds_spellings_of_the_same_entry_and_keeps_the_order() -> None:
    assert parse("2001:DB8:0:0::1 192.0.2.1/32 2001:db8::1/128 192.0.2.1 2001:db8::1") == ("2001:db8::1", "192.0.2.1")


def test_it_reads_a_netmask_as_a_prefix() -> None:
    assert parse("198.51.100.0/255.255.255.0") == ("198.51.100.0/24",)


@pytest.mark.parametrize(
    ("mapped", "plain"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("::ffff:198.51.100.0/120", "198.51.100.0/24"),
    ],
)
def test_an_ipv4_address_in_ipv6_clothes_becomes_ipv4(mapped: str, plain: str) -> None:
    assert parse(f"{mapped} {plain}") == (plain,)


def test_a_small_ipv6_network_that_is_not_mapped_stays_ipv6() -> None:
    assert parse("2001:db8::1:0/112") == ("2001:db8::1:0/112",)


def test_it_names_every_bad_entry_at_once() -> None:
    error = refusal("192.0.2.1, 192.0.2.256; example.com 2001:db8:::1")
    assert error.extra["bad_entries"] == ["192.0.2.256", "example.com", "2001:db8:::1"]
    assert error.detail == "Not an IP address or network: 192.0.2.256, example.com, 2001:db8:::1."


def test_it_names_a_bad_entry_once_however_often_it_stands_there() -> None:
    assert refusal("nonsense nonsense").extra["bad_entries"] == ["nonsense"]


@pytest.mark.parametrize(
    "entry",
    [
        "192.0.2.01",
        "192.0.2",
        "192.0.2.1.5",
        "3221225985",
        "0xC0000201",
        "192.0.2.1:443",
        "http://192.0.2.1",
        "[2001:db8::1]",
        "192.0.2.1-192.0.2.9",
        "192.0.2.*",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/",
        "/24",
        "192.0.2.0/24/24",
        "2001:db8::/129",
        "192.0.2.\u0661",
        "192.0.2.\uff11",
        "192.0.2.0/\u0662\u0664",
        "-",
        "192.0.2.1'--",
    ],
)
def test_it_refuses_what_is_no_address(entry: str) -> None:
    assert refusal(entry).extra["bad_entries"] == [entry]


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        ("198.51.100.7/24", "198.51.100.0/24"),
        ("2001:db8::7/64", "2001:db8::/64"),
        ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
    ],
)
def test_it_refuses_a_network_with_host_bits_and_says_which_one_was_meant(entry: str, meant: str) -> None:
    error = refusal(entry)
    assert error.extra["bad_entries"] == [entry]
    assert error.detail.endswith(f"{entry} (perhaps {meant}).")


@pytest.mark.parametrize(
    "entry", ["0.0.0.0/0", ANYWHERE, "::/0", "::", "203.0.113.9/0", "2001:db8::1/0", "::ffff:0:0/96", "::ffff:0.0.0.0"]
)
def test_it_refuses_any_ip_in_disguise_and_says_to_leave_the_field_empty(entry: str) -> None:
    assert refusal(entry).detail == f"For any IP leave the whitelist empty: {entry}."


@pytest.mark.parametrize("entry", ["fe80::1%eth0", "fe80::1%1", "fe80::%eth0/64", "192.0.2.1%eth0"])
def test_it_refuses_zones(entry: str) -> None:
    error = refusal(entry)
    assert error.extra["bad_entries"] == [entry]
    assert "Zones" in error.detail


def test_it_groups_bad_entries_by_what_is_wrong_with_them() -> None:
    assert refusal("x 10.0.0.1/8 y 0.0.0.0/0").detail == (
        "Not an IP address or network: x, y. "
        "Not a network, since bits after the prefix are set: 10.0.0.1/8 (perhaps 10.0.0.0/8). "
        "For any IP leave the whitelist empty: 0.0.0.0/0."
    )


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\u202e", "\ud800", "\U000e0001"])
def test_it_names_control_characters_by_their_escape_sequence(character: str) -> None:
    error = refusal(f"192.0.2.1{character}")
    [named] = error.extra["bad_entries"]
    assert named == "192.0.2.1" + character.encode("unicode_escape").decode()
    assert (error.detail + named).isprintable()


def test_it_cuts_a_long_bad_entry() -> None:
    assert refusal("9" * 10_000).extra["bad_entries"] == ["9" * 60 + "…"]


def test_it_takes_as_many_entries_as_the_limit_and_not_one_more() -> None:
    hundred = " ".join(f"192.0.2.{last}" for last in range(1, LIMIT + 1))
    assert len(parse(hundred)) == LIMIT
    error = refusal(f"{hundred} 198.51.100.1")
    assert error.detail == "At most 100 entries; these are 101."
    assert error.extra == {"limit": LIMIT}


def test_duplicates_do_not_count_towards_the_limit() -> None:
    assert parse_whitelist("192.0.2.1 " * 10_000, limit=1) == ("192.0.2.1",)


def test_a_paste_of_ten_thousand_bad_entries_is_answered_quickly_and_names_all() -> None:
    began = time.process_time()
    error = refusal(" ".join(f"bad{number}" for number in range(10_000)))
    assert time.process_time() - began < 2
    assert len(error.extra["bad_entries"]) == 10_000
    assert error.detail.endswith("bad99 and 9900 more.")


@given(st.lists(st.one_of(addresses, networks), max_size=20), st.data())
def test_whatever_the_separators_every_good_entry_comes_through(
    entries: list[IPv4Address | IPv6Address | IPv4Network | IPv6Network], data: st.DataObject
) -> None:
    assume(not any(_is_mapped(entry) for entry in entries))
    text = "".join(f"{data.draw(separators)}{entry}" for entry in entries)
    assert [ip_network(entry) for entry in parse(text)] == list(dict.fromkeys(ip_network(entry) for entry in entries))


@given(st.lists(st.one_of(addresses, networks), max_size=20))
def test_what_came_out_goes_in_unchanged(
    entries: list[IPv4Address | IPv6Address | IPv4Network | IPv6Network],
) -> None:
    once = parse("\n".join(map(str, entries)))
    assert parse(" ".join(once)) == once


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_unspecified))
def test_every_mapped_address_is_stored_as_the_address_its_caller_is_seen_under(address: IPv4Address) -> None:
    assert parse(f"::ffff:{address}") == (str(address),)


@given(addresses, st.integers(1, 127))
def test_a_network_is_taken_only_without_host_bits(address: IPv4Address | IPv6Address, prefix: int) -> None:
    assume(prefix < address.max_prefixlen)
    network = ip_network((address, prefix), strict=False)
    assume(network.network_address != address)
    assert refusal(f"{address}/{prefix}").extra["bad_entries"] == [f"{address}/{prefix}"]


@given(st.text(max_size=200))
def test_any_text_is_either_parsed_to_addresses_or_refused_with_printable_reasons(text: str) -> None:
    try:
        said = parse(text)
    except InvalidWhitelist as error:
        said = (error.detail, *error.extra["bad_entries"])
    else:
        assert all(ip_network(entry) for entry in said)
    assert all(part.isprintable() for part in said)


@given(st.text(alphabet="0123456789abcdef.:/%", max_size=60))
def test_text_made_of_address_characters_is_refused_or_parsed_to_its_canonical_form(text: str) -> None:
    with suppress(InvalidWhitelist):
        entries = parse(text)
        assert all(str(ip_network(entry)).removesuffix("/32").removesuffix("/128") == entry for entry in entries)


def _is_mapped(entry: IPv4Address | IPv6Address | IPv4Network | IPv6Network) -> bool:
    address = ip_address(str(entry).partition("/")[0])
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None

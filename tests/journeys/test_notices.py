"""Which mails tell whom what happened to an API key, each once."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.answers import enter_wrong_codes
from tests.support.cast import Cast, Flow, Person
from tests.support.rows import notices, subjects

_EDIT = {"permissions": ["funds_external"], "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True}
_CODE = "Your code to activate “bot”"


def _owners(cast: Cast) -> list[Person]:
    return [cast.owner, cast.second_owner, cast.sms_owner, cast.bare_owner]


def _others(cast: Cast) -> list[Person]:
    return [cast.member, cast.outsider, cast.plain_owner, cast.account_manager, cast.unassigned_manager, cast.ops]


async def _events(cast: Cast) -> list[str]:
    """Return the events of the account's notices, each once an owner in the order they came."""
    rows, count = await notices(cast.core, cast.owner.account_id), len(_owners(cast))
    assert all(len({user for _, user in rows[at : at + count]}) == count for at in range(0, len(rows), count))
    return [event for event, _ in rows[::count]]


def _once(told: list[str]) -> set[str]:
    assert len(told) == len(set(told)), told
    return set(told)


async def _body(cast: Cast, person: Person, subject: str) -> str:
    await subjects(cast, person)
    [mail] = [mail for mail in cast.providers.mails_to(person.email) if mail["subject"] == subject]
    return str(mail["content"][0]["value"])


async def test_every_owner_and_nobody_else_is_told_once_of_a_creation_and_of_the_activation(cast: Cast) -> None:
    await cast.owner.active_api_key("bot")

    told = {"API key created: bot", "API key activated: bot"}
    for owner in _owners(cast):
        assert _once([each for each in await subjects(cast, owner) if each != _CODE]) == told
    for other in _others(cast):
        assert await subjects(cast, other) == []


async def test_the_code_goes_to_the_requester_alone(cast: Cast) -> None:
    await cast.owner.active_api_key("bot")

    with_code = [owner.name for owner in _owners(cast) if _CODE in await subjects(cast, owner)]

    assert with_code == ["owner"]


async def test_created_is_told_only_after_the_acknowledgement(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    await flow.reveal()
    assert await _events(cast) == []

    await flow.save()

    assert await _events(cast) == ["credential_created"]


async def _cancelled(flow: Flow) -> None:
    await flow.cancel()


async def _cancelled_after_the_code(flow: Flow) -> None:
    await flow.to_secret()
    await flow.cancel()


async def _refused(flow: Flow) -> None:
    await enter_wrong_codes(flow, 5)


@pytest.mark.parametrize("end", [_cancelled, _cancelled_after_the_code, _refused])
async def test_a_creation_that_leaves_nothing_is_told_to_nobody(
    cast: Cast, end: Callable[[Flow], Awaitable[None]]
) -> None:
    await end(await cast.owner.create_api_key())

    assert await _events(cast) == []


async def test_activate_later_is_told_as_created_and_no_more(cast: Cast) -> None:
    await cast.owner.inactive_api_key()

    assert await _events(cast) == ["credential_created"]


async def test_an_edit_is_told_as_edited_and_deactivated_then_as_activated(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot")
    flow = await cast.second_owner.begin(f"/api-keys/{key_id}/edits", _EDIT)
    assert await _events(cast) == ["credential_created", "more_access_requested"]

    await flow.to_activation_code()
    await flow.enter_activation_code()

    told = ["credential_created", "more_access_requested", "credential_edited", "credential_activated"]
    assert await _events(cast) == told
    for owner in (cast.owner, cast.sms_owner, cast.bare_owner):
        assert _once(await subjects(cast, owner)) == {
            "API key created: bot",
            "More access asked for: bot",
            "API key edited and deactivated: bot",
            "API key activated: bot",
        }


async def test_the_mail_about_an_edit_tells_who_did_it_and_what_the_key_may_do_now(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot")
    await (await cast.second_owner.begin(f"/api-keys/{key_id}/edits", _EDIT)).to_secret()

    body = await _body(cast, cast.owner, "API key edited and deactivated: bot")

    assert all(part in body for part in ("second_owner edited “bot”", "Can move funds: Funds External", "203.0.113.7"))


async def test_the_mail_about_a_creation_tells_who_did_it_and_what_the_key_may_do(cast: Cast) -> None:
    await cast.owner.inactive_api_key("bot", permissions=["trade", "funds_wallet"])

    body = await _body(cast, cast.second_owner, "API key created: bot")

    assert all(part in body for part in ("owner created “bot”", "Can move funds: Funds Wallet", "any IP address"))


async def test_an_edit_that_takes_away_is_told_to_nobody_when_it_is_cancelled_before_its_code(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    less = {**_EDIT, "permissions": ["read"]}
    await (await cast.owner.begin(f"/api-keys/{key_id}/edits", less)).cancel()

    assert await _events(cast) == ["credential_created"]


async def test_an_activation_is_told_to_every_owner(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    await (await cast.owner.begin(f"/api-keys/{key_id}/activations")).enter_code()

    assert await _events(cast) == ["credential_created", "credential_activated"]


async def test_a_deactivation_is_told_once_to_every_owner_however_often_it_is_asked_for(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key("bot")

    for _ in range(2):
        await cast.second_owner.post(f"/api-keys/{key_id}/deactivations")

    assert await _events(cast) == ["credential_created", "credential_activated", "credential_deactivated"]
    body = await _body(cast, cast.owner, "API key deactivated: bot")
    assert "Deactivated by second_owner" in body


async def test_the_same_message_sent_twice_is_told_once(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    await flow.reveal()

    for _ in range(2):
        assert (await flow.post("/secret-saved", key="saved")).status_code == 200

    assert await _events(cast) == ["credential_created"]


async def test_no_notice_carries_a_code_or_the_secret(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key("bot")).to_secret()
    secret = (await flow.reveal()).json()["api_secret"]
    await flow.save()
    await flow.choose("now")
    code = await flow.code()
    await flow.enter_activation_code(code)

    await subjects(cast, cast.second_owner)

    bodies = str(cast.providers.mails_to(cast.second_owner.email))
    assert "API key activated" in bodies
    assert secret not in bodies
    assert code not in bodies

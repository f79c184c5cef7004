"""Pages say when funds permissions begin, and because of what."""

from datetime import UTC, datetime, timedelta

from countersign.domain.messages import Actor, ActorKind
from countersign.effects.people import UserChange, change_user
from tests.support.cast import Cast, Person
from tests.support.pages import Reader

FUNDS = {"permissions": ["trade", "funds_external"], "ip_whitelist": "203.0.113.7"}
BECAUSE = "Because your phone number was changed on"


async def change_phone(person: Person) -> str:
    """Let the number change; return when funds begin, as pages say it."""
    at, change = datetime.now(UTC), UserChange(phone="+442079460123")
    await change_user(person.core.desk, person.id, change, at=at, actor=Actor(kind=ActorKind.OPS))
    return f"{at + timedelta(hours=24):%d %b %Y, %H:%M} UTC".lstrip("0")


async def test_the_forms_say_so_where_permissions_are_chosen(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot")
    begin, path = await change_phone(cast.owner), f"/settings/api-keys/{key_id}"
    reader, colleague = await Reader.signed_in(cast.owner), await Reader.signed_in(cast.second_owner)

    for form in ("/settings/api-keys/new", f"{path}/edit"):
        text = (await reader.get(form)).text
        assert BECAUSE in text
        assert f"permissions that move funds begin {begin}" in text
    assert "permissions that move funds begin" not in (await colleague.get(f"{path}/edit")).text.lower()


async def test_list_activation_and_success_say_so(cast: Cast) -> None:
    begin = await change_phone(cast.owner)
    flow = await (await cast.owner.create_api_key("mover", **FUNDS)).to_choice()
    reader, address = await Reader.signed_in(cast.owner), f"/settings/requests/{flow.id}"

    pages = [await reader.get(address)]
    await flow.to_activation_code()
    pages += [await reader.get(address), await reader.get(f"/activate/{flow.id}")]
    await flow.enter_activation_code()
    pages += [await reader.get(address)]

    assert [page for page in pages if f"Permissions that move funds begin {begin}" not in page.text] == []
    assert f"Funds begin {begin}" in (await reader.get("/settings/api-keys")).text


async def test_the_pop_up_before_an_activation_says_so_and_of_harmless_keys_says_nothing(cast: Cast) -> None:
    mover = await cast.owner.inactive_api_key("mover", **FUNDS)
    harmless = await cast.owner.inactive_api_key("harmless")
    await change_phone(cast.owner)
    reader = await Reader.signed_in(cast.owner)

    said = [BECAUSE in (await reader.get(f"/settings/api-keys/{each}/activate")).text for each in (mover, harmless)]

    assert said == [True, False]


async def test_another_owner_reads_of_the_hold_without_whose_security_it_was(cast: Cast) -> None:
    begin = await change_phone(cast.owner)
    key_id = await cast.owner.inactive_api_key("mover", **FUNDS)
    reader = await Reader.signed_in(cast.second_owner)

    page = await reader.get(f"/settings/api-keys/{key_id}/activate")

    assert f"Permissions that move funds begin {begin} , because account security was changed lately." in page.text
    assert f"Begin {begin}" in (await reader.get(f"/settings/api-keys/{key_id}")).text

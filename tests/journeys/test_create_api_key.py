import pytest

from countersign.domain.secrets import TokenKind, has_valid_checksum, looks_like
from tests.support.answers import enter_wrong_codes, problem
from tests.support.cast import Cast
from tests.support.rows import let_deadline_pass


async def test_a_key_created_with_an_authenticator_code_and_activated_by_email_is_active(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("market maker", permissions=["trade"], ip_whitelist="203.0.113.7")

    await flow.to_secret()
    secret = (await flow.reveal()).json()
    await flow.save()
    await flow.choose("now")
    await flow.enter_activation_code()

    assert await flow.outcome() == "activated"
    [key] = (await cast.owner.get("/api-keys")).json()
    assert (key["name"], key["key"], key["status"]) == ("market maker", secret["api_key"], "active")
    assert key["permissions"] == ["read", "trade"]
    assert await flow.handle.result() == "activated"


async def test_a_key_created_with_an_sms_code_and_activated_by_the_link_is_active(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()

    await flow.to_activation_code()
    [token] = await flow.link_tokens()
    response = await flow.post("/activation-link", {"token": token})

    assert response.json()["outcome"] == "activated"


async def test_activate_later_leaves_the_key_inactive(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()

    await flow.to_choice()
    await flow.choose("later")

    assert await flow.outcome() == "left_inactive"
    [key] = (await cast.owner.get("/api-keys")).json()
    assert key["status"] == "inactive"


async def test_an_unconfirmed_activation_ends_after_24_hours_and_leaves_the_key_inactive(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.to_activation_code()
    key_id = (await flow.shown())["credential_id"]

    await flow.skip(hours=24, seconds=20)

    assert await flow.outcome() == "left_inactive"
    assert (await cast.owner.get(f"/api-keys/{key_id}")).json()["status"] == "inactive"


async def test_a_choice_that_is_never_made_leaves_the_key_inactive_after_24_hours(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.to_choice()

    await flow.skip(hours=24, seconds=20)

    assert await flow.outcome() == "left_inactive"
    [key] = (await cast.owner.get("/api-keys")).json()
    assert key["status"] == "inactive"


async def test_a_request_tells_its_journey_step_and_whom_it_waits_for(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("market maker", permissions=["funds_wallet"], ip_whitelist="203.0.113.7")

    shown = await flow.shown()

    assert (shown["journey"], shown["step"], shown["waiting_for"]) == ("create-api-key", "two_factor_code", "owner")
    assert (shown["name"], shown["permissions"]) == ("market maker", ["read", "funds_wallet"])
    assert (shown["ip_whitelist"], shown["begun_by"]) == (["203.0.113.7"], str(cast.owner.id))
    assert shown["outcome"] is None


async def test_a_start_is_answered_with_the_address_of_its_request(cast: Cast) -> None:
    response = await cast.owner.post("/api-keys", {"name": "bot"})

    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/requests/{response.json()['id']}"
    assert response.json()["step"] == "starting"


async def test_read_is_on_although_it_was_not_asked_for(cast: Cast) -> None:
    await cast.owner.inactive_api_key(permissions=[])

    [key] = (await cast.owner.get("/api-keys")).json()

    assert key["permissions"] == ["read"]


async def test_an_unknown_permission_is_refused(cast: Cast) -> None:
    response = await cast.owner.post("/api-keys", {"name": "bot", "permissions": ["trade", "withdraw"]})

    assert problem(response) == (422, "unknown-permission")
    assert "withdraw" in response.json()["detail"]


async def test_the_whitelist_takes_text_as_people_paste_it(cast: Cast) -> None:
    pasted = " 203.0.113.7;2001:DB8::1,\n198.51.100.0/24  203.0.113.7\t2001:db8:1::/48; "

    await cast.owner.inactive_api_key(ip_whitelist=pasted)

    [key] = (await cast.owner.get("/api-keys")).json()
    assert key["ip_whitelist"] == ["203.0.113.7", "2001:db8::1", "198.51.100.0/24", "2001:db8:1::/48"]


async def test_the_whitelist_may_be_a_list(cast: Cast) -> None:
    flow = await cast.owner.create_api_key(ip_whitelist=["203.0.113.7", "203.0.113.8"])

    assert (await flow.shown())["ip_whitelist"] == ["203.0.113.7", "203.0.113.8"]


async def test_every_bad_whitelist_entry_is_named_at_once(cast: Cast) -> None:
    response = await cast.owner.post("/api-keys", {"name": "bot", "ip_whitelist": "1.2.3 203.0.113.7; example.com"})

    assert problem(response) == (422, "invalid-ip-whitelist")
    assert len(response.json()["bad_entries"]) == 2
    assert all(bad in response.json()["detail"] for bad in ("1.2.3", "example.com"))


async def test_an_empty_whitelist_means_any_ip(cast: Cast) -> None:
    await cast.owner.inactive_api_key(ip_whitelist="")

    [key] = (await cast.owner.get("/api-keys")).json()

    assert key["ip_whitelist"] == []


async def test_a_whitelist_has_at_most_100_entries(cast: Cast) -> None:
    entries = [f"203.0.113.{number}" for number in range(101)]

    too_many = await cast.owner.post("/api-keys", {"name": "bot", "ip_whitelist": entries})
    enough = await cast.owner.post("/api-keys", {"name": "bot", "ip_whitelist": entries[1:]})

    assert problem(too_many) == (422, "invalid-ip-whitelist")
    assert enough.status_code == 202


@pytest.mark.parametrize("name", ["", "   ", "n" * 65, "a\nb"])
async def test_a_name_is_required_and_readable(cast: Cast, name: str) -> None:
    assert problem(await cast.owner.post("/api-keys", {"name": name})) == (422, "invalid-name")


async def test_a_name_that_only_looks_different_is_taken(cast: Cast) -> None:
    await cast.owner.inactive_api_key("Market Maker")

    response = await cast.owner.post("/api-keys", {"name": " market  MAKER "})

    assert problem(response) == (409, "name-taken")


async def test_a_name_may_be_used_again_in_another_account(cast: Cast) -> None:
    await cast.owner.inactive_api_key("bot")

    assert (await cast.outsider.post("/api-keys", {"name": "bot"})).status_code == 202


async def test_an_open_creation_reserves_its_name_and_is_named_in_the_refusal(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("bot")

    response = await cast.second_owner.post("/api-keys", {"name": "BOT"})

    assert problem(response) == (409, "name-taken")
    assert response.json()["request_id"] == flow.id


async def test_a_cancelled_creation_gives_its_name_free(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("bot")
    await flow.cancel()

    assert (await cast.owner.post("/api-keys", {"name": "bot"})).status_code == 202


async def test_an_overdue_creation_does_not_stand_in_the_way_of_a_new_one(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("bot")
    await let_deadline_pass(cast.core, flow.id)

    await cast.owner.create_api_key("bot")

    assert await flow.outcome() == "expired"
    assert await flow.handle.result() == "expired"


async def test_an_overdue_request_is_shown_as_expired_before_anyone_closed_it(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await let_deadline_pass(cast.core, flow.id)

    shown = await flow.shown()

    assert (shown["step"], shown["outcome"], shown["waiting_for"]) == ("closed", "expired", "nobody")
    assert (await cast.owner.get("/requests?open=true")).json() == []


async def test_without_two_factor_it_stops_before_it_starts_and_tells_where_to_enable_it(cast: Cast) -> None:
    response = await cast.bare_owner.post("/api-keys", {"name": "bot"})

    assert problem(response) == (403, "two-factor-not-enabled")
    assert response.json()["enable_at"].startswith("http")
    assert (await cast.bare_owner.get("/requests")).json() == []


async def test_no_credential_exists_before_the_two_factor_code(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    assert (await cast.owner.get("/api-keys")).json() == []

    await flow.to_secret()

    [key] = (await cast.owner.get("/api-keys")).json()
    assert (key["id"], key["status"]) == ((await flow.shown())["credential_id"], "inactive")


async def test_key_and_secret_can_be_found_by_scanners(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.to_secret()

    secret = (await flow.reveal()).json()

    assert looks_like(secret["api_key"]) is TokenKind.API_KEY
    assert looks_like(secret["api_secret"]) is TokenKind.API_SECRET
    assert has_valid_checksum(secret["api_secret"])


async def test_a_refused_creation_leaves_nothing(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("bot")

    await enter_wrong_codes(flow, 5)

    assert await flow.outcome() == "refused"
    assert (await cast.owner.get("/api-keys")).json() == []
    assert (await cast.owner.post("/api-keys", {"name": "bot"})).status_code == 202


async def test_a_creation_cancelled_before_the_code_leaves_nothing(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()

    assert (await flow.cancel()).json()["outcome"] == "cancelled"

    assert (await cast.owner.get("/api-keys")).json() == []
    assert await flow.handle.result() == "cancelled"


async def test_a_creation_cancelled_before_the_choice_leaves_the_key_inactive(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.to_choice()

    assert (await flow.cancel()).json()["outcome"] == "cancelled"

    [key] = (await cast.owner.get("/api-keys")).json()
    assert key["status"] == "inactive"


async def test_a_creation_cancelled_while_the_mail_code_waits_leaves_the_key_inactive(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.to_activation_code()
    [waiting] = (await cast.owner.get("/api-keys")).json()

    await flow.cancel()

    [key] = (await cast.owner.get("/api-keys")).json()
    assert (waiting["status"], key["status"]) == ("awaiting_activation", "inactive")

from tests.support.cast import Cast


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

    await flow.skip(hours=24, seconds=1)

    assert await flow.outcome() == "left_inactive"

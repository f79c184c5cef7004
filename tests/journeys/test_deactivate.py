import pytest

from countersign.local.issuer import Issuer
from countersign.storage.database import scalar
from countersign.wiring import Parts
from tests.support.cast import Cast, Flow, Providers
from tests.support.fix import active_fix, all_mails, audit, credential_of, mails, name_of, problem, result_of
from tests.support.opened import AFTER_A_CREDENTIAL, Opened, edit, edit_at_choice, key_at_code
from tests.support.stage import set_stage


async def path_of(flow: Flow) -> str:
    shown = await flow.shown()
    kind = "fix-credentials" if shown["credential_kind"] == "fix" else "api-keys"
    return f"/{kind}/{shown['credential_id']}/deactivations"


@pytest.mark.parametrize("opened", AFTER_A_CREDENTIAL)
async def test_a_deactivation_wins_over_a_request_at_any_step(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)

    response = await cast.second_owner.post(await path_of(flow))

    assert response.json() == {
        "id": (await flow.shown())["credential_id"],
        "status": "inactive",
        "superseded_request": flow.id,
    }
    shown = await flow.shown()
    assert (shown["outcome"], (await credential_of(flow))["status"]) == ("superseded", "inactive")
    assert await result_of(flow) == "superseded"


@pytest.mark.parametrize("kind", ["api-keys", "fix-credentials"])
async def test_a_credential_whose_secret_was_not_saved_yet_is_discarded(cast: Cast, kind: str) -> None:
    flow = await (cast.owner.create_fix() if kind == "fix-credentials" else cast.owner.create_api_key())
    await flow.to_secret()
    path = await path_of(flow)

    response = await cast.owner.post(path)

    assert (response.json()["status"], response.json()["superseded_request"]) == ("discarded", flow.id)
    assert (await cast.owner.get(f"/{kind}")).json() == []
    assert problem(await flow.reveal()) == (410, "secret-gone")
    assert problem(await cast.owner.post(path)) == (404, "not-found")
    assert await result_of(flow) == "superseded"
    async with cast.core.database.connection() as connection:
        query = """SELECT count(*) FROM credentials c JOIN requests r ON r.credential_id = c.id WHERE r.id = %s
                   AND (c.secret_sealed IS NOT NULL OR c.password_mac IS NOT NULL OR r.reveal_sealed IS NOT NULL)"""
        assert await scalar(connection, query, (flow.id,)) == 0


@pytest.mark.parametrize("kind", ["api-keys", "fix-credentials"])
async def test_there_is_nothing_to_deactivate_before_the_two_factor_code(cast: Cast, kind: str) -> None:
    flow = await (cast.owner.create_fix() if kind == "fix-credentials" else cast.owner.create_api_key())

    assert problem(await cast.owner.post(await path_of(flow))) == (404, "not-found")
    assert await flow.step() == "two_factor_code"


@pytest.mark.parametrize("who", ["second_owner", "bare_owner"])
async def test_any_owner_deactivates_active_credentials_without_any_code(cast: Cast, who: str) -> None:
    fix = await active_fix(cast, cast.owner)

    response = await getattr(cast, who).post(f"/fix-credentials/{fix['id']}/deactivations")

    assert response.json() == {"id": fix["id"], "status": "inactive", "superseded_request": None}
    [event] = [each for each in await audit(cast.owner) if each["actor_id"] == str(getattr(cast, who).id)]
    assert (event["event"], event["details"]["after"]) == ("credential:status", "inactive")


async def test_any_owner_deactivates_an_active_api_key(cast: Cast) -> None:
    key = await cast.owner.active_api_key()

    response = await cast.second_owner.post(f"/api-keys/{key}/deactivations")

    assert response.json()["status"] == "inactive"
    assert (await cast.owner.get(f"/api-keys/{key}")).json()["status"] == "inactive"


async def test_a_deactivation_is_mailed_to_every_owner_with_who_did_it(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)

    await cast.second_owner.post(f"/fix-credentials/{fix['id']}/deactivations")

    for person in (cast.owner, cast.second_owner):
        [body] = await mails(person, f"FIX credentials deactivated: {fix['session_name']}")
        assert "second_owner" in body


async def test_repeating_a_deactivation_changes_nothing_and_tells_nobody_again(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)
    path = f"/fix-credentials/{fix['id']}/deactivations"
    first = await cast.owner.post(path)
    events = await audit(cast.owner)

    again = await cast.owner.post(path)

    assert again.json() == first.json()
    assert await audit(cast.owner) == events
    assert len([mail for mail in await all_mails(cast.owner) if "deactivated" in mail]) == 1


async def test_a_deactivated_credential_has_a_new_version(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)

    await cast.owner.post(f"/fix-credentials/{fix['id']}/deactivations")

    assert (await cast.owner.get(f"/fix-credentials/{fix['id']}")).json()["version"] == fix["version"] + 1


async def test_an_edit_that_was_superseded_keeps_what_it_applied(cast: Cast) -> None:
    flow = await edit_at_choice(cast)

    await cast.owner.post(await path_of(flow))

    assert (await credential_of(flow))["permissions"] == ["read"]


async def test_an_edit_superseded_before_its_code_applies_nothing(cast: Cast) -> None:
    flow = await edit(cast)
    code = await flow.code()

    await cast.owner.post(await path_of(flow))

    assert problem(await flow.enter_code(code)) == (409, "request-closed")
    assert (await credential_of(flow))["permissions"] == ["read", "trade"]


async def test_neither_code_nor_link_activates_what_was_deactivated_meanwhile(cast: Cast) -> None:
    flow = await key_at_code(cast)
    code, [token] = await flow.code(), await flow.link_tokens()

    await cast.owner.post(await path_of(flow))

    assert problem(await flow.enter_activation_code(code)) == (409, "request-closed")
    assert problem(await flow.post("/activation-link", {"token": token})) == (409, "request-closed")
    assert (await credential_of(flow))["status"] == "inactive"


async def test_one_kind_is_not_deactivated_through_the_other(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)

    assert problem(await cast.owner.post(f"/api-keys/{fix['id']}/deactivations")) == (404, "not-found")
    assert (await cast.owner.get(f"/fix-credentials/{fix['id']}")).json()["status"] == "active"


async def test_it_is_inactive_at_once_while_no_worker_runs_and_its_request_ends_when_one_is_back(
    cast: Cast, core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(core, issuer=issuer, providers=providers) as stage:
        async with stage.at_work():
            flow = await (await stage.cast.owner.create_fix()).to_account_manager()

        response = await stage.cast.owner.post(await path_of(flow))

        assert response.json()["status"] == "inactive"
        assert ((await flow.shown())["outcome"], (await credential_of(flow))["status"]) == ("superseded", "inactive")
        async with stage.at_work(chores=True):
            assert await result_of(flow) == "superseded"
        await mails(stage.cast.owner, f"FIX credentials deactivated: {await name_of(flow)}")


async def test_it_is_inactive_at_once_while_temporal_is_down(
    cast: Cast, core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(core, issuer=issuer, providers=providers, temporal_address="127.0.0.1:1") as stage:
        flow = await (await cast.owner.create_fix()).to_account_manager()
        path = await path_of(flow)
        usual, cast.owner.http = cast.owner.http, stage.cast.owner.http

        response = await cast.owner.post(path)

        cast.owner.http = usual
    assert response.json()["status"] == "inactive"
    await mails(cast.owner, f"FIX credentials deactivated: {await name_of(flow)}")
    assert await result_of(flow) == "superseded"

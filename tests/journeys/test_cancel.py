import pytest

from tests.support.cast import Cast
from tests.support.fix import (
    all_mails,
    audit,
    credential_of,
    decide,
    name_of,
    problem,
    queue,
    result_of,
    waiting_for_manager,
)
from tests.support.opened import (
    AFTER_A_CREDENTIAL,
    BEFORE_SAVED,
    BEFORE_THE_CODE,
    EVERY_STEP,
    ONE_OF_EACH_STEP,
    Opened,
    edit,
    edit_at_code,
    key_at_code,
)

UNTOUCHED_UNTIL_THE_CODE = {"edit": "active", "activation": "inactive"}


@pytest.mark.parametrize("opened", BEFORE_THE_CODE)
async def test_a_creation_cancelled_before_its_code_leaves_nothing(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)

    answer = (await flow.cancel()).json()

    assert (answer["step"], answer["outcome"], answer["waiting_for"]) == ("closed", "cancelled", "nobody")
    assert await result_of(flow) == "cancelled"
    assert (await cast.owner.get("/api-keys")).json() == (await cast.owner.get("/fix-credentials")).json() == []


@pytest.mark.parametrize("opened", BEFORE_SAVED)
async def test_a_creation_cancelled_before_saved_leaves_nothing_either(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)

    assert (await flow.cancel()).json()["outcome"] == "cancelled"

    assert (await cast.owner.get("/api-keys")).json() == (await cast.owner.get("/fix-credentials")).json() == []
    assert problem(await flow.reveal()) == (410, "secret-gone")
    assert await all_mails(cast.owner) == []


@pytest.mark.parametrize("opened", AFTER_A_CREDENTIAL)
async def test_a_request_cancelled_later_leaves_the_credential_inactive(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)

    assert (await flow.cancel()).json()["outcome"] == "cancelled"

    status = UNTOUCHED_UNTIL_THE_CODE.get(opened.__name__, "inactive")
    assert (await credential_of(flow))["status"] == status
    assert await result_of(flow) == "cancelled"


async def test_an_edit_cancelled_before_its_code_discards_everything(cast: Cast) -> None:
    flow = await edit(cast)

    await flow.cancel()

    assert (await credential_of(flow))["permissions"] == ["read", "trade"]


async def test_an_edit_cancelled_after_its_code_stays_applied(cast: Cast) -> None:
    flow = await edit_at_code(cast)

    await flow.cancel()

    key = await credential_of(flow)
    assert (key["permissions"], key["status"]) == (["read"], "inactive")


async def test_neither_code_nor_link_activates_what_was_cancelled(cast: Cast) -> None:
    flow = await key_at_code(cast)
    code, [token] = await flow.code(), await flow.link_tokens()
    await flow.cancel()

    assert problem(await flow.enter_activation_code(code)) == (409, "request-closed")
    assert problem(await flow.post("/activation-link", {"token": token})) == (409, "request-closed")


async def test_what_was_cancelled_waits_for_no_account_manager(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await flow.cancel()

    assert await queue(cast.account_manager) == []
    assert problem(await decide(cast.account_manager, await name_of(flow), "reject")) == (409, "nothing-waiting")


async def test_after_a_cancel_the_next_request_can_begin(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await flow.cancel()

    path = f"/fix-credentials/{(await credential_of(flow))['id']}/activations"
    assert (await cast.owner.post(path)).status_code == 202


@pytest.mark.parametrize("opened", ONE_OF_EACH_STEP)
async def test_any_owner_of_the_account_may_cancel_at_any_step(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)

    response = await cast.second_owner.delete(f"/requests/{flow.id}")

    assert response.json()["outcome"] == "cancelled"
    ended = (await audit(cast.owner, flow.id))[-1]
    assert (ended["event"], ended["actor_id"]) == ("request:ended", str(cast.second_owner.id))


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("member", (403, "prime-liquidity-owner-required")),
        ("outsider", (404, "not-found")),
        ("plain_owner", (403, "prime-liquidity-owner-required")),
        ("account_manager", (403, "prime-liquidity-owner-required")),
    ],
)
async def test_nobody_else_cancels(cast: Cast, who: str, refusal: tuple[int, str]) -> None:
    flow = await cast.owner.create_fix()

    assert problem(await getattr(cast, who).delete(f"/requests/{flow.id}")) == refusal
    assert await flow.step() == "two_factor_code"


async def test_cancelling_twice_is_409_with_the_outcome(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await flow.cancel()

    again = await flow.cancel()

    assert problem(again) == (409, "request-closed")
    assert again.json()["outcome"] == "cancelled"


async def test_what_was_activated_cannot_be_cancelled(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await decide(cast.account_manager, await name_of(flow))

    assert problem(await flow.cancel()) == (409, "request-closed")
    assert (await credential_of(flow))["status"] == "active"


@pytest.mark.parametrize("opened", EVERY_STEP)
async def test_a_workflow_cancelled_in_temporal_cancels_its_request(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)

    await flow.handle.cancel()

    assert await flow.outcome() == "cancelled"
    assert (await flow.shown())["reason"] == "cancelled in Temporal"
    assert await result_of(flow) == "cancelled"
    ended = (await audit(cast.owner, flow.id))[-1]
    assert (ended["event"], ended["actor_kind"]) == ("request:ended", "ops")


async def test_an_owner_of_one_account_more_cancels_only_for_the_account_named_in_the_token(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    async with cast.core.database.connection() as connection:
        query = "INSERT INTO memberships (account_id, user_id, role) VALUES (%s, %s, 'owner')"
        await connection.execute(query, (cast.owner.account_id, cast.outsider.id))

    assert problem(await cast.outsider.delete(f"/requests/{flow.id}")) == (404, "not-found")
    cast.outsider.account_id = cast.owner.account_id
    assert (await cast.outsider.delete(f"/requests/{flow.id}")).json()["outcome"] == "cancelled"

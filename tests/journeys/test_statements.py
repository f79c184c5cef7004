from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.domain.messages import (
    Activate,
    ActivateLater,
    ActivationCode,
    Cancel,
    ResendCode,
    SecretSaved,
    TwoFactorCode,
)
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import (
    audit,
    credential_of,
    decide,
    decided,
    name_of,
    problem,
    result_of,
    signal_decision,
    statement_for,
    waiting_for_manager,
)
from tests.support.patience import eventually

REFUSED = "account-manager:decision-refused"


async def refused(flow: Flow, ops: Person) -> list[dict[str, Any]]:
    """Return why the request's decisions were refused, once one was."""

    async def found() -> list[dict[str, Any]]:
        events = await audit(flow.person, flow.id, seen_by=ops)
        return [event["details"] for event in events if event["event"] == REFUSED]

    details: list[dict[str, Any]] = await eventually(found)
    return details


async def assert_dropped(flow: Flow, cast: Cast, *, because: str) -> None:
    """The decision was refused on the record, and the request waits on for a good one."""
    [details] = await refused(flow, cast.ops)
    assert because in details["detail"]
    assert (await flow.shown())["step"] == "account_manager"
    assert (await credential_of(flow))["status"] == "awaiting_activation"
    await signal_decision(flow, await statement_for(flow, cast.account_manager))
    assert await flow.outcome() == "activated"


@pytest.mark.parametrize(("decision", "outcome"), [("activate", "activated"), ("reject", "rejected")])
async def test_a_decision_by_signal_with_a_signed_statement_is_carried_out(
    cast: Cast, decision: str, outcome: str
) -> None:
    flow = await waiting_for_manager(cast.owner)
    body = {"decision": decision, "reason": "as agreed", "version": (await credential_of(flow))["version"]}
    path = f"/account-manager/fix-credentials/{await name_of(flow)}/statement"
    signed = (await cast.account_manager.post(path, body)).json()
    assert signed["workflow_id"] == flow.workflow_id

    await signal_decision(flow, signed["statement"])

    assert await flow.outcome() == outcome
    [event] = [each for each in await audit(cast.owner) if each["event"] == "account-manager:decided"]
    assert (event["actor_id"], event["details"]["decision"]) == (str(cast.account_manager.id), decision)


async def test_signing_a_statement_decides_nothing_by_itself(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    path = f"/account-manager/fix-credentials/{await name_of(flow)}/statement"

    response = await cast.account_manager.post(path, {"decision": "activate", "version": 1})

    good_for = datetime.fromisoformat(response.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9, seconds=50) < good_for <= timedelta(minutes=10)
    assert await flow.step() == "account_manager"


async def test_a_statement_is_signed_only_about_the_version_shown_and_only_while_something_waits(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    inactive = await cast.second_owner.inactive_fix()
    prefix = "/account-manager/fix-credentials"

    old = await cast.account_manager.post(
        f"{prefix}/{await name_of(flow)}/statement", {"decision": "activate", "version": 7}
    )
    idle = await cast.account_manager.post(
        f"{prefix}/{inactive['session_name']}/statement", {"decision": "activate", "version": 1}
    )

    assert (problem(old), problem(idle)) == ((409, "version-changed"), (409, "nothing-waiting"))


@pytest.mark.parametrize("statement", ["", "yes, activate it", "a.b.c", "é" * 99, "eyJhbGciOiJub25lIn0.e30."])
async def test_without_a_genuine_statement_a_signal_decides_nothing(cast: Cast, statement: str) -> None:
    flow = await waiting_for_manager(cast.owner)

    await signal_decision(flow, statement)

    await assert_dropped(flow, cast, because="")


async def test_a_statement_signed_with_another_key_ring_decides_nothing(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    key_ring = KeyRing.from_json(new_key_ring_json())
    await signal_decision(flow, await statement_for(flow, cast.account_manager, key_ring=key_ring))

    await assert_dropped(flow, cast, because="not signed by a key of this system")


async def test_a_statement_runs_out_after_10_minutes(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    statement = await statement_for(flow, cast.account_manager)

    await flow.skip(minutes=10, seconds=20)
    await signal_decision(flow, statement)

    await assert_dropped(flow, cast, because="expired")


async def test_a_statement_is_still_good_shortly_before(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    statement = await statement_for(flow, cast.account_manager)

    await flow.skip(minutes=9, seconds=50)
    await signal_decision(flow, statement)

    assert await flow.outcome() == "activated"


async def test_a_statement_is_good_once(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    used = "INSERT INTO used_statements (id, request_id) VALUES ('mine', %s)"
    async with cast.core.database.connection() as connection:
        await connection.execute(used, (flow.id,))

    await signal_decision(flow, await statement_for(flow, cast.account_manager, id="mine"))

    await assert_dropped(flow, cast, because="used before")


async def test_a_used_statement_does_not_work_on_the_next_request_either(cast: Cast) -> None:
    first = await waiting_for_manager(cast.owner)
    statement = await statement_for(first, cast.account_manager, decision="reject")
    await signal_decision(first, statement)
    assert await first.outcome() == "rejected"
    fix = await credential_of(first)

    second = await cast.owner.begin(f"/fix-credentials/{fix['id']}/activations")
    await signal_decision(second, statement)

    await assert_dropped(second, cast, because="about another request")


async def test_a_statement_about_another_request_decides_nothing(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    other = await waiting_for_manager(cast.second_owner)

    await signal_decision(flow, await statement_for(other, cast.account_manager))

    await assert_dropped(flow, cast, because="about another request")
    assert await other.step() == "account_manager"


async def test_a_statement_about_another_version_decides_nothing(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await signal_decision(flow, await statement_for(flow, cast.account_manager, credential_version=7))

    await assert_dropped(flow, cast, because="changed since it was shown")


@pytest.mark.parametrize("who", ["unassigned_manager", "owner", "ops", "outsider"])
async def test_a_genuine_statement_of_someone_who_may_not_decide_decides_nothing(cast: Cast, who: str) -> None:
    flow = await waiting_for_manager(cast.owner)

    await signal_decision(flow, await statement_for(flow, getattr(cast, who)))

    await assert_dropped(flow, cast, because="assigned to this account")


async def test_a_statement_of_an_unknown_person_decides_nothing(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await signal_decision(flow, await statement_for(flow, cast.account_manager, manager=UUID(int=0)))

    await assert_dropped(flow, cast, because="assigned to this account")


async def test_a_decision_signalled_before_the_choice_decides_nothing_then_or_later(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    await signal_decision(flow, await statement_for(flow, cast.account_manager))
    await flow.choose("now")

    assert await flow.step() == "account_manager"
    decided(await decide(cast.account_manager, await name_of(flow)))


async def test_a_whole_fix_creation_can_be_driven_by_signals(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    code = TwoFactorCode(code=cast.owner.authenticator_code(), reveal_challenge=flow.challenge)
    await flow.handle.signal("two_factor_code", code)
    await flow.until(lambda shown: shown["step"] == "secret_saved")
    assert (await flow.reveal()).status_code == 200
    await flow.handle.signal("secret_saved", SecretSaved())
    await flow.handle.signal("activate", Activate())
    await flow.until(lambda shown: shown["step"] == "account_manager")

    await signal_decision(flow, await statement_for(flow, cast.account_manager))

    assert await flow.outcome() == "activated"
    assert await result_of(flow) == "activated"


async def test_a_whole_api_key_creation_with_resends_can_be_driven_by_signals(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await flow.skip(minutes=2)
    await flow.handle.signal("resend_code", ResendCode())
    await flow.until(lambda _shown: len(cast.providers.texts_to(cast.sms_owner.phone)) == 2)
    code = TwoFactorCode(code=await flow.code(), reveal_challenge=flow.challenge)
    await flow.handle.signal("two_factor_code", code)
    await flow.until(lambda shown: shown["step"] == "secret_saved")
    assert (await flow.reveal()).status_code == 200
    await flow.handle.signal("secret_saved", SecretSaved())
    await flow.handle.signal("activate", Activate())
    await flow.until(lambda shown: shown["step"] == "activation_code")

    await flow.handle.signal("activation_code", ActivationCode(code=await flow.code()))

    assert await flow.outcome() == "activated"


async def test_the_mails_link_can_be_signalled_too(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    [token] = await flow.link_tokens()

    await flow.handle.signal("activation_code", ActivationCode(link_token=token))

    assert await flow.outcome() == "activated"


async def test_activate_later_can_be_signalled(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    await flow.handle.signal("activate_later", ActivateLater())

    assert await flow.outcome() == "left_inactive"


async def test_a_cancel_can_be_signalled_with_its_reason(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    await flow.handle.signal("cancel", Cancel(reason="asked for on the phone"))

    assert await flow.outcome() == "cancelled"
    assert (await flow.shown())["reason"] == "asked for on the phone"


async def test_five_wrong_codes_by_signal_refuse_too(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix()
    [code] = await flow.sent_codes("sms")
    wrong = TwoFactorCode(code=f"{(int(code) + 1) % 10**6:06}", reveal_challenge=flow.challenge)

    for _ in range(5):
        await flow.handle.signal("two_factor_code", wrong)

    assert await flow.outcome() == "refused"


async def test_signals_at_the_wrong_step_are_dropped_and_wedge_nothing(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    for name, message in (
        ("secret_saved", SecretSaved()),
        ("activate", Activate()),
        ("activate_later", ActivateLater()),
        ("activation_code", ActivationCode(code="123456")),
        ("activation_code", ActivationCode()),
        ("resend_code", ResendCode()),
        ("look_again", None),
    ):
        await (flow.handle.signal(name, message) if message else flow.handle.signal(name))
    await flow.to_account_manager()

    assert await flow.step() == "account_manager"

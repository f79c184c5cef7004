from datetime import UTC, datetime

import pytest

from countersign.domain.messages import Actor, ActorKind
from countersign.domain.people import TwoFactorMethod
from countersign.effects.people import UserChange, change_user
from tests.support.cast import Cast, Person
from tests.support.fix import audit, credential_of, problem, result_of, waiting_for_manager
from tests.support.opened import ONE_OF_EACH_STEP, Opened, key_at_code

OPS = Actor(kind=ActorKind.OPS)


async def change(person: Person, to: UserChange) -> None:
    await change_user(person.core.desk, person.id, to, at=datetime.now(UTC), actor=OPS)


async def change_email(person: Person) -> None:
    await change(person, UserChange(email=f"new.{person.id.hex}@example.com"))


@pytest.mark.parametrize("opened", ONE_OF_EACH_STEP)
async def test_a_changed_email_cancels_an_open_request_at_any_step(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)

    await change_email(flow.person)

    shown = await flow.shown()
    assert (shown["outcome"], shown["reason"]) == ("cancelled", "email, phone or two-factor method changed")
    assert await result_of(flow) == "cancelled"


@pytest.mark.parametrize(
    "to", [UserChange(phone="+442079460123"), UserChange(two_factor=TwoFactorMethod.NONE)], ids=["phone", "two-factor"]
)
async def test_a_changed_phone_or_method_cancels_an_open_request(cast: Cast, to: UserChange) -> None:
    flow = await cast.sms_owner.create_fix()
    [code] = await flow.sent_codes("sms")

    await change(cast.sms_owner, to)

    assert problem(await flow.enter_code(code)) == (409, "request-closed")
    assert await result_of(flow) == "cancelled"


async def test_neither_code_nor_link_sent_to_the_old_address_activates(cast: Cast) -> None:
    flow = await key_at_code(cast)
    code, [token] = await flow.code(), await flow.link_tokens()

    await change_email(cast.owner)

    assert problem(await flow.enter_activation_code(code)) == (409, "request-closed")
    assert problem(await flow.post("/activation-link", {"token": token})) == (409, "request-closed")
    assert (await credential_of(flow))["status"] == "inactive"


async def test_requests_of_other_owners_stay_open(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.second_owner)

    await change_email(cast.owner)

    assert await flow.step() == "account_manager"


async def test_after_two_factor_was_turned_off_creations_stop_before_they_start(cast: Cast) -> None:
    await change(cast.sms_owner, UserChange(two_factor=TwoFactorMethod.NONE))

    response = await cast.sms_owner.post("/fix-credentials", {"session_type": "trade"})

    assert problem(response) == (403, "two-factor-not-enabled")


async def test_the_change_is_in_the_audit_trail_without_the_addresses(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await change_email(cast.owner)

    events = await audit(cast.owner)

    assert [event["event"] for event in events] == ["request:opened", "user:changed", "request:ended"]
    assert events[2]["request_id"] == flow.id
    assert cast.owner.email not in str(events)
    assert f"new.{cast.owner.id.hex}" not in str(events)

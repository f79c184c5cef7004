"""A change of how a person is reached or confirms signs out every browser but the one it was made in."""

from datetime import UTC, datetime

import pytest

from countersign.domain.messages import Actor, ActorKind, TwoFactorCode
from countersign.domain.people import TwoFactorMethod
from countersign.effects.people import UserChange, change_user
from tests.support.cast import Cast, Flow
from tests.support.fix import mails, result_of
from tests.support.pages import Reader
from tests.support.rows import select
from tests.support.security import (
    begin_change,
    begin_on_page,
    changed,
    code_of,
    codes_sent_to,
    enter_on_page,
    new_code_on_page,
    new_phone_of,
    ok,
    standing,
)


async def test_turned_on_in_one_browser_all_others_of_the_person_are_signed_out(cast: Cast) -> None:
    nora, hers, thiefs, sams = (
        cast.bare_owner,
        *[await Reader.signed_in(cast.bare_owner) for _ in range(2)],
        (await Reader.signed_in(cast.sms_owner)),
    )
    flow = await begin_on_page(hers, nora, "authenticator")

    page = await enter_on_page(hers, flow, await new_code_on_page(hers, flow))

    assert "Save your recovery codes" in page.text
    assert await signed_in(hers, thiefs, sams) == [True, False, True]


async def test_a_browser_that_entered_the_codes_of_both_methods_stays_signed_in(cast: Cast) -> None:
    hers, other = [await Reader.signed_in(cast.owner) for _ in range(2)]
    flow = await begin_on_page(hers, cast.owner, "sms", phone=new_phone_of(cast.owner))
    await enter_on_page(hers, flow, cast.owner.authenticator_code())
    assert await signed_in(hers, other) == [True, True]

    [code] = await codes_sent_to(flow, new_phone_of(cast.owner))
    await enter_on_page(hers, flow, code)

    assert await flow.outcome() == "changed"
    assert await signed_in(hers, other) == [True, False]


async def test_a_change_over_the_api_signs_out_all_of_them(cast: Cast) -> None:
    browsers = [await Reader.signed_in(cast.owner) for _ in range(2)]

    await changed(cast.owner, "authenticator")

    assert await signed_in(*browsers) == [False, False]
    [mail] = await mails(cast.owner, "Two-factor authentication changed")
    assert "your other browsers were signed out" in mail


@pytest.mark.parametrize("how", ["another browser", "the API", "a signal"])
async def test_whoever_begins_a_change_and_has_the_code_entered_elsewhere_is_signed_out_too(
    cast: Cast, how: str
) -> None:
    thiefs, hers = [await Reader.signed_in(cast.owner) for _ in range(2)]
    flow = await begin_on_page(thiefs, cast.owner, "off")

    if how == "another browser":
        await enter_on_page(hers, flow, cast.owner.authenticator_code())
    elif how == "the API":
        ok(await flow.enter_code())
    else:
        await flow.handle.signal("two_factor_code", TwoFactorCode(code=code_of(cast.owner.seed)))

    assert await result_of(flow) == "changed"
    assert await signed_in(thiefs, hers) == [False, False]


async def test_a_second_code_entered_elsewhere_keeps_no_browser_signed_in(cast: Cast) -> None:
    first, second = [await Reader.signed_in(cast.owner) for _ in range(2)]
    flow = await begin_on_page(first, cast.owner, "sms", phone=new_phone_of(cast.owner))
    await enter_on_page(first, flow, cast.owner.authenticator_code())

    [code] = await codes_sent_to(flow, new_phone_of(cast.owner))
    await enter_on_page(second, flow, code)

    assert await flow.outcome() == "changed"
    assert await signed_in(first, second) == [False, False]


@pytest.mark.parametrize(
    "to",
    [
        UserChange(email="moved@example.com"),
        UserChange(phone="+442079460123"),
        UserChange(two_factor=TwoFactorMethod.NONE),
    ],
    ids=["email", "phone", "two-factor"],
)
async def test_what_ops_change_signs_out_all_browsers_of_the_person_and_nobody_elses(
    cast: Cast, to: UserChange
) -> None:
    hers, another, sams = [await Reader.signed_in(who) for who in (cast.owner, cast.owner, cast.sms_owner)]

    await change_user(cast.core.desk, cast.owner.id, to, at=datetime.now(UTC), actor=Actor(kind=ActorKind.OPS))

    assert await signed_in(hers, another, sams) == [False, False, True]


async def test_one_that_comes_to_nothing_signs_nobody_out_and_forgets_which_browser_began_it(cast: Cast) -> None:
    hers, other = [await Reader.signed_in(cast.owner) for _ in range(2)]
    flow = await begin_on_page(hers, cast.owner, "off")
    assert await keeps_a_session(flow)

    ok(await flow.cancel())

    assert await signed_in(hers, other) == [True, True]
    assert not await keeps_a_session(flow)


async def test_new_recovery_codes_change_no_method_and_sign_nobody_out(cast: Cast) -> None:
    browsers = [await Reader.signed_in(cast.owner) for _ in range(2)]

    await changed(cast.owner, "recovery_codes")

    assert await signed_in(*browsers) == [True, True]


async def test_one_begun_over_the_api_keeps_no_session(cast: Cast) -> None:
    assert not await keeps_a_session(await begin_change(cast.owner, "off"))
    assert (await standing(cast.owner))["open_change"]


async def signed_in(*browsers: Reader) -> list[bool]:
    return [await each.is_signed_in() for each in browsers]


async def keeps_a_session(flow: Flow) -> bool:
    query = "SELECT 1 FROM requests WHERE id = %s AND kept_session IS NOT NULL"
    return bool(await select(flow.person.core, query, flow.id))

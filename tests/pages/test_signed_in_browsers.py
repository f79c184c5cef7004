"""Signed-in browsers: a person sees them, signs the others out, and the audit trail tells of each sign-in."""

import logging

import pytest

from tests.support.cast import Cast, Person
from tests.support.fix import audit
from tests.support.pages import Reader
from tests.support.signing_in import Browser, Place


async def session_events(person: Person) -> list[tuple[str, str]]:
    """Return what the trail of the person's account tells of sessions, with whose they are."""
    return [
        (event["event"], event["actor_id"]) for event in await audit(person) if event["event"].startswith("session:")
    ]


async def test_signing_in_and_out_are_in_the_trail_of_the_account(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    await browser.post("/sign-out")

    owner_id = str(cast.owner.id)
    assert await session_events(cast.second_owner) == [("session:begun", owner_id), ("session:ended", owner_id)]


async def test_signing_out_without_a_session_is_in_no_trail(browser: Browser, cast: Cast) -> None:
    await browser.sign_in(cast.owner)
    await browser.post("/sign-out")
    await browser.post("/sign-out")

    assert len(await session_events(cast.owner)) == 2


async def test_who_belongs_to_no_account_signs_in_with_a_line_in_the_log(
    browser: Browser, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await browser.sign_in(cast.ops)

    assert f"session:begun: user {cast.ops.id}" in caplog.text
    assert cast.ops.email not in caplog.text


async def test_a_person_sees_how_many_browsers_are_signed_in(cast: Cast) -> None:
    here, _there = [await Reader.signed_in(cast.owner) for _ in range(2)]
    await Reader.signed_in(cast.second_owner)

    page = await here.get("/settings/sessions")

    assert (page.text.count("This browser"), page.text.count("Another browser")) == (1, 1)


async def test_signing_out_the_others_ends_them_at_once_and_nobody_elses(cast: Cast) -> None:
    here, there = [await Reader.signed_in(cast.owner) for _ in range(2)]
    colleague = await Reader.signed_in(cast.second_owner)
    form = (await here.get("/settings/sessions")).form_to("/settings/sessions/end-others")

    answer = await here.send(form)

    assert answer.status == 303
    assert [await each.is_signed_in() for each in (here, there, colleague)] == [True, False, True]
    assert await session_events(cast.owner) == [("session:others-ended", str(cast.owner.id))]


async def test_another_site_cannot_sign_the_others_out(cast: Cast) -> None:
    here, there = [await Reader.signed_in(cast.owner) for _ in range(2)]

    answer = await here.post("/settings/sessions/end-others", {}, site="cross-site")

    assert answer.status == 403
    assert await there.is_signed_in()


@pytest.mark.parametrize("who", ["member", "plain_owner", "account_manager", "ops"])
async def test_everyone_who_signs_in_sees_the_page(cast: Cast, who: str) -> None:
    reader = await Reader.signed_in(getattr(cast, who))

    assert "This browser" in (await reader.get("/settings/sessions")).text


async def test_a_new_sign_in_takes_the_place_of_the_browsers_old_session(
    browser: Browser, cast: Cast, place: Place
) -> None:
    await browser.sign_in(cast.owner)
    old = browser.session_token
    await browser.sign_in(cast.owner)

    async with place.browser() as thief:
        assert not await thief.is_signed_in(Cookie=f"countersign={old}")

import secrets
from datetime import timedelta

import pytest

from tests.support.answers import as_seen_by, problem
from tests.support.cast import Cast, Flow
from tests.support.rows import let_deadline_pass, let_reveal_age, notices, select

_TWO_MINUTES = timedelta(minutes=2)


async def _copies(flow: Flow) -> tuple[bool, bool | None]:
    """Tell whether the copy for the reveal is there, and the one for the verifier (None: no credential)."""
    [row] = await select(
        flow.person.core,
        """SELECT r.reveal_sealed IS NOT NULL, c.secret_sealed IS NOT NULL
           FROM requests r LEFT JOIN credentials c ON c.id = r.credential_id WHERE r.id = %s""",
        flow.id,
    )
    return bool(row[0]), row[1]


@pytest.fixture
async def flow(cast: Cast) -> Flow:
    """A creation whose two-factor code was right."""
    return await (await cast.owner.create_api_key("bot")).to_secret()


async def test_the_secret_is_shown_to_whoever_entered_the_code(flow: Flow) -> None:
    shown = (await flow.reveal()).json()

    assert shown["name"] == "bot"
    assert shown["api_key"].startswith("csk_")
    assert shown["api_secret"].startswith("css_")
    assert shown["password"] is None


async def test_the_secret_is_in_no_other_answer(flow: Flow) -> None:
    entered = await flow.until(lambda shown: shown["step"] == "secret_saved")
    secret = (await flow.reveal()).json()["api_secret"]
    saved = await flow.save()
    answers = [entered, saved.json(), (await flow.person.get("/api-keys")).json(), await flow.shown()]

    assert secret not in str(answers)


async def test_the_reveal_needs_the_verifier(flow: Flow) -> None:
    assert problem(await flow.reveal(secrets.token_urlsafe(32))) == (403, "reveal-refused")

    assert (await flow.reveal()).status_code == 200


async def test_the_challenge_is_no_verifier(flow: Flow) -> None:
    assert problem(await flow.reveal(flow.challenge)) == (403, "reveal-refused")


async def test_another_owner_does_not_see_the_secret_even_with_the_verifier(flow: Flow, cast: Cast) -> None:
    assert problem(await as_seen_by(cast.second_owner, flow).reveal()) == (403, "not-the-requester")


async def test_the_secret_is_not_shown_before_the_two_factor_code(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()

    assert problem(await flow.reveal()) == (409, "not-at-this-step")


async def test_an_edit_shows_no_secret(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    edit = {"permissions": [], "ip_whitelist": "", "acknowledge_deactivation": True}
    flow = await cast.owner.begin(f"/api-keys/{key_id}/edits", edit)
    await flow.to_secret()

    assert problem(await flow.reveal()) == (409, "not-at-this-step")


async def test_within_two_minutes_the_same_answer_can_be_had_again(flow: Flow) -> None:
    first = await flow.reveal()
    await let_reveal_age(flow.person.core, flow.id, timedelta(seconds=100))

    assert (await flow.reveal()).json() == first.json()


async def test_after_two_minutes_the_secret_is_gone_and_its_copy_erased(flow: Flow) -> None:
    await flow.reveal()
    await let_reveal_age(flow.person.core, flow.id, _TWO_MINUTES)

    assert problem(await flow.reveal()) == (410, "secret-gone")
    assert await _copies(flow) == (False, True)


async def test_asking_again_does_not_prolong_the_two_minutes(flow: Flow) -> None:
    await flow.reveal()
    await let_reveal_age(flow.person.core, flow.id, timedelta(seconds=100))
    await flow.reveal()
    await let_reveal_age(flow.person.core, flow.id, timedelta(seconds=20))

    assert problem(await flow.reveal()) == (410, "secret-gone")


async def test_a_secret_whose_two_minutes_are_over_can_still_be_acknowledged(flow: Flow) -> None:
    await flow.reveal()
    await let_reveal_age(flow.person.core, flow.id, _TWO_MINUTES)

    assert (await flow.save()).json()["step"] == "activation_choice"


async def test_once_saved_the_secret_is_gone_and_its_copy_erased(flow: Flow) -> None:
    await flow.reveal()
    await flow.save()

    assert problem(await flow.reveal()) == (410, "secret-gone")
    assert await _copies(flow) == (False, True)


async def test_saved_is_refused_before_the_secret_was_shown(flow: Flow) -> None:
    assert problem(await flow.save()) == (409, "secret-not-shown")
    assert await flow.step() == "secret_saved"


@pytest.mark.parametrize("when", ["now", "later"])
async def test_activate_and_activate_later_are_refused_before_saved(flow: Flow, when: str) -> None:
    await flow.reveal()

    assert problem(await flow.choose(when)) == (409, "not-at-this-step")
    assert await flow.step() == "secret_saved"


async def test_saved_a_second_time_is_refused(flow: Flow) -> None:
    await flow.reveal()
    await flow.save()

    assert problem(await flow.save()) == (409, "not-at-this-step")


@pytest.mark.parametrize("seen", [True, False])
async def test_a_secret_never_acknowledged_is_discarded_after_30_minutes(flow: Flow, *, seen: bool) -> None:
    if seen:
        await flow.reveal()

    await flow.skip(minutes=30)

    assert await flow.outcome() == "abandoned"
    assert await flow.handle.result() == "abandoned"
    assert (await flow.person.get("/api-keys")).json() == []
    assert await _copies(flow) == (False, False)
    assert await notices(flow.person.core, flow.person.account_id) == []


async def test_a_secret_whose_time_ran_out_is_not_shown_although_nobody_closed_the_request(flow: Flow) -> None:
    await let_deadline_pass(flow.person.core, flow.id)

    assert (await flow.shown())["outcome"] == "abandoned"
    assert problem(await flow.reveal()) == (410, "secret-gone")


async def test_a_secret_acknowledged_after_29_minutes_is_kept(flow: Flow) -> None:
    await flow.reveal()
    await flow.skip(minutes=29)

    assert (await flow.save()).json()["step"] == "activation_choice"


async def test_a_lost_secret_is_discarded_by_cancelling_and_its_name_is_free_again(flow: Flow) -> None:
    await flow.reveal()

    await flow.cancel()

    assert problem(await flow.reveal()) == (410, "secret-gone")
    assert (await flow.person.get("/api-keys")).json() == []
    assert await _copies(flow) == (False, False)
    again = await flow.person.inactive_api_key("bot")
    assert again != (await flow.shown())["credential_id"]


async def test_the_secret_kept_for_the_verifier_is_sealed(flow: Flow) -> None:
    secret = (await flow.reveal()).json()["api_secret"].encode()

    [row] = await select(
        flow.person.core,
        """SELECT c.secret_sealed, r.reveal_sealed
           FROM credentials c JOIN requests r ON r.credential_id = c.id WHERE r.id = %s""",
        flow.id,
    )
    assert all(secret not in bytes(sealed) for sealed in row)
    assert bytes(row[0]) != bytes(row[1])

"""Secrets: shown once, to whoever entered the code, and then gone."""

import hmac

import pytest
from pydantic import SecretStr, ValidationError

from countersign.adapters.keyring import Purpose
from countersign.domain.errors import (
    NameTaken,
    NotAtThisStep,
    NotTheRequester,
    PrimeLiquidityRequired,
    RevealRefused,
    SecretGone,
)
from countersign.domain.messages import Cancel, SecretSaved, TwoFactorCode
from countersign.domain.requests import Step
from countersign.domain.secrets import TokenKind, looks_like
from countersign.effects.secrets import Shown
from tests.support.house import NOW, TICK, VERIFIER, House, by, minutes


async def test_an_api_key_is_kept_sealed_for_its_verifier_and_shown_to_its_owner(house: House) -> None:
    case = await (await house.create_key(name="bot")).to_secret()
    request = await case.request()
    assert (request.step, request.deadline, request.revealed_at) == (Step.SECRET_SAVED, NOW + minutes(30), None)

    shown = await case.reveal()

    secret = shown.secret.get_secret_value()
    assert (shown.kind, shown.name, shown.session_type) == ("api_key", "bot", None)
    assert (looks_like(shown.public_id), looks_like(secret)) == (TokenKind.API_KEY, TokenKind.API_SECRET)
    assert secret not in repr(shown)
    query = """SELECT kind, name, name_key, public_id, permissions, ip_whitelist, status, created_by, secret_sealed,
                      password_mac, mac_key_id FROM credentials WHERE id = %s AND account_id = %s"""
    [(*plain, sealed, mac, key_id)] = await house.select(query, request.credential_id, house.account_id)
    assert plain == [
        "api_key",
        "bot",
        "bot",
        shown.public_id,
        ["read", "trade"],
        ["203.0.113.7"],
        "inactive",
        house.owner,
    ]
    bound_to = f"credential:{request.credential_id}"
    assert house.desk.keys.open(Purpose.VERIFIER, bytes(sealed), bound_to=bound_to).decode() == secret
    assert (mac, key_id) == (None, None)
    assert ("credential:created", {"public_id": shown.public_id}) in await house.events()


async def test_a_fix_password_is_kept_as_a_mac_alone(house: House) -> None:
    case = await (await house.create_fix()).to_secret()
    shown = await case.reveal()
    request = await case.request()
    password = shown.secret.get_secret_value()
    assert (shown.kind, shown.name, shown.session_type) == ("fix", request.name, "trade")
    assert (shown.public_id[:4], looks_like(password)) == ("csu_", TokenKind.FIX_PASSWORD)
    query = "SELECT kind, session_type, secret_sealed, password_mac, mac_key_id FROM credentials WHERE id = %s"
    [(kind, session_type, sealed, mac, key_id)] = await house.select(query, request.credential_id)
    keys = house.desk.keys
    message = f"credential:{request.credential_id}:{password}".encode()
    assert (kind, session_type, sealed, key_id) == ("fix", "trade", None, keys.current)
    assert bytes(mac) == hmac.digest(keys.key(Purpose.FIX_PASSWORD), message, "sha256")


async def test_the_copy_for_the_reveal_is_bound_to_its_request(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    [(sealed,)] = await house.select("SELECT reveal_sealed FROM requests WHERE id = %s", case.id)
    opened = house.desk.keys.open(Purpose.REVEAL, bytes(sealed), bound_to=f"request:{case.id}").decode()
    assert opened == (await case.reveal()).secret.get_secret_value()


async def test_the_first_showing_is_noted_and_the_same_answer_can_be_had_for_two_minutes(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    first = await case.reveal(at=NOW + minutes(1))
    assert (await case.request()).revealed_at == NOW + minutes(1)
    assert await case.reveal(at=NOW + minutes(3) - TICK) == first
    assert [event for event, _ in await house.events()].count("secret:shown") == 1
    assert (await case.request()).revealed_at == NOW + minutes(1)
    with pytest.raises(SecretGone):
        await case.reveal(at=NOW + minutes(3))
    with pytest.raises(SecretGone):
        await case.reveal(at=NOW + minutes(2))
    assert await house.select("SELECT reveal_sealed FROM requests WHERE id = %s", case.id) == [(None,)]


async def test_only_the_verifier_of_the_code_opens_it(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    for verifier in ("w" * 43, "", "v" * 42):
        with pytest.raises(RevealRefused):
            await case.reveal(verifier=verifier)
    assert (await case.request()).revealed_at is None
    await case.reveal()


async def test_a_request_without_a_challenge_shows_nothing(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    await house.change("UPDATE requests SET reveal_challenge = NULL WHERE id = %s", case.id)
    with pytest.raises(RevealRefused):
        await case.reveal(verifier="")


async def test_only_the_requester_sees_it_while_still_an_owner(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    with pytest.raises(NotTheRequester):
        await case.reveal(actor=by(house.sms_owner))
    await house.change("UPDATE memberships SET role = 'member' WHERE user_id = %s", house.owner)
    with pytest.raises(PrimeLiquidityRequired):
        await case.reveal()


async def test_before_the_code_there_is_nothing_to_show(house: House) -> None:
    starting = await house.start(house.owner)
    for case in (starting, await house.create_key()):
        with pytest.raises(NotAtThisStep) as refusal:
            await case.reveal()
        assert refusal.value.extra == {"step": (await case.request()).step}


async def test_a_journey_that_makes_no_secret_shows_none(house: House) -> None:
    key = await (await house.create_key()).left_inactive()
    case = await house.activate_key((await key.request()).credential_id)
    with pytest.raises(NotAtThisStep):
        await case.reveal()
    await case.cancel()
    with pytest.raises(NotAtThisStep):
        await case.reveal()


async def test_past_its_deadline_it_is_gone(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    with pytest.raises(SecretGone):
        await case.reveal(at=NOW + minutes(30))
    assert (await case.reveal(at=NOW + minutes(30) - TICK)).kind == "api_key"


async def test_saved_erases_the_copy_tells_the_owners_and_leaves_a_day_to_choose(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    await case.reveal()
    assert await house.mails() == set()

    assert await case.problem(SecretSaved(), at=NOW + minutes(1)) is None

    request = await case.request()
    assert (request.step, request.deadline) == (Step.ACTIVATION_CHOICE, NOW + minutes(24 * 60 + 1))
    assert request.saved_at == NOW + minutes(1)
    assert await house.select("SELECT reveal_sealed FROM requests WHERE id = %s", case.id) == [(None,)]
    assert await house.last_event() == ("secret:saved", {})
    assert await house.mails() == {("credential_created", house.owner), ("credential_created", house.sms_owner)}
    rows = await house.select("SELECT DISTINCT request_id FROM notices WHERE account_id = %s", house.account_id)
    assert rows == [(case.id,)]
    for verifier in (VERIFIER, "w" * 43):
        with pytest.raises(SecretGone):
            await case.reveal(verifier=verifier)


async def test_a_copy_that_was_erased_is_gone(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    await house.change("UPDATE requests SET reveal_sealed = NULL WHERE id = %s", case.id)
    with pytest.raises(SecretGone):
        await case.reveal()
    assert (await case.request()).revealed_at is None


async def test_saved_is_refused_before_the_secret_was_shown_and_at_every_other_step(house: House) -> None:
    case = await house.create_key()
    assert await case.problem(SecretSaved()) == "not-at-this-step"
    await case.to_secret()
    assert await case.problem(SecretSaved()) == "secret-not-shown"
    await case.reveal()
    assert await case.problem(SecretSaved(), actor=by(house.sms_owner)) == "not-the-requester"
    assert await case.problem(SecretSaved()) is None
    assert await case.problem(SecretSaved()) == "not-at-this-step"


async def test_without_a_reveal_challenge_no_code_is_used_up(house: House) -> None:
    case = await house.create_key()
    assert await case.problem(TwoFactorCode(code=case.authenticator())) == "reveal-challenge-missing"
    assert (await case.enter(case.authenticator())).problem is None


async def test_a_cancelled_creation_leaves_no_copy(house: House) -> None:
    case = await (await house.create_key()).to_secret()
    assert await case.problem(Cancel()) is None
    assert await house.select("SELECT reveal_sealed FROM requests WHERE id = %s", case.id) == [(None,)]
    with pytest.raises(SecretGone):
        await case.reveal()


def test_what_is_shown_never_stands_in_an_error_and_stays_as_it_is() -> None:
    shown = Shown(kind="api_key", name="bot", public_id="csk_1", secret=SecretStr("hidden"), session_type=None)
    with pytest.raises(ValidationError):
        shown.name = "another"  # type: ignore[misc]
    with pytest.raises(ValidationError) as refusal:
        Shown.model_validate({"kind": "api_key", "secret": ["hidden"]})
    assert "hidden" not in str(refusal.value)


async def test_the_name_of_a_lost_secret_is_free_as_soon_as_its_time_ran_out_whoever_ends_it(house: House) -> None:
    lost = await (await house.create_key(name="bot")).to_secret()

    again = await house.create_key(name="Bot", at=NOW + minutes(30))

    assert (await again.request()).step is Step.TWO_FACTOR_CODE
    assert (await lost.request()).outcome == "abandoned"


async def test_the_name_of_a_key_whose_activation_ran_out_is_not_free(house: House) -> None:
    kept = await (await house.create_key(name="bot")).to_secret()
    await kept.reveal()
    assert await kept.problem(SecretSaved()) is None

    with pytest.raises(NameTaken):
        await house.create_key(name="bot", at=NOW + minutes(25 * 60))

"""Recovery codes: in place of a lost factor, each once, and only for changing it."""

import hmac

from countersign.adapters.keyring import KeyRing, Purpose, new_key_ring_json
from countersign.domain.messages import RecoveryCode
from countersign.domain.requests import ChangeTo
from countersign.effects.recovery import replace_recovery_codes
from countersign.effects.work import Desk
from tests.support.cast import challenge_of
from tests.support.house import NOW, VERIFIER, Case, House, by


async def codes_of(case: Case, desk: Desk | None = None) -> list[str]:
    """Make the requester's recovery codes."""
    async with (desk or case.house.desk).on_request(case.id, at=NOW, actor=by(case.user_id)) as (work, request):
        return await replace_recovery_codes(work, request)


def typed(code: str) -> RecoveryCode:
    return RecoveryCode(code=code, reveal_challenge=challenge_of(VERIFIER))


async def test_ten_codes_are_made_and_kept_as_macs_bound_to_their_person(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    codes = await codes_of(case)
    keys = house.desk.keys
    kept = {
        (bytes(mac), key)
        for mac, key in await house.select(
            "SELECT code_mac, key_id FROM recovery_codes WHERE user_id = %s", house.owner
        )
    }
    key = keys.key(Purpose.RECOVERY_CODE)
    assert len(codes) == 10
    assert kept == {(hmac.digest(key, f"user:{house.owner}:{code}".encode(), "sha256"), keys.current) for code in codes}
    assert await house.last_event() == ("two-factor:recovery-codes-shown", {"codes": 10})
    assert await house.mails() == {("recovery_codes_shown", house.owner)}
    [(context, about)] = await house.select("SELECT context, request_id FROM notices WHERE user_id = %s", house.owner)
    assert (context["codes"], about) == (10, case.id)


async def test_a_code_stands_in_for_the_factor_once_however_it_is_typed(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    code, other, *_ = await codes_of(case)
    assert await case.problem(typed(f" {code.lower().replace('-', ' ')} ")) is None
    assert (await case.request()).step == "new_factor_code"
    events = dict(await house.events())
    assert events["two-factor:recovery-code-used"] == {"codes_left": 9}
    assert ("recovery_code_used", house.owner) in await house.mails()
    query = "SELECT context FROM notices WHERE user_id = %s AND event = 'recovery_code_used' AND request_id = %s"
    [(context,)] = await house.select(query, house.owner, case.id)
    assert context["codes_left"] == 9
    [(used,)] = await house.select(
        "SELECT used_at FROM recovery_codes WHERE user_id = %s AND used_at > '2000-1-1'", house.owner
    )
    assert used == NOW

    await case.cancel()
    again = await house.change_two_factor(house.owner, ChangeTo.SMS)
    assert await again.problem(typed(code)) == "wrong-code"
    assert (await again.request()).wrong_codes == 1
    assert await again.problem(typed(other)) is None


async def test_new_codes_end_the_earlier_ones(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    [old, *_], [new, *_] = await codes_of(case), await codes_of(case)
    assert await case.problem(typed(old)) == "wrong-code"
    assert await case.problem(typed(new)) is None


async def test_another_persons_code_is_wrong(house: House) -> None:
    theirs = await codes_of(await house.change_two_factor(house.sms_owner, ChangeTo.OFF))
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    assert await case.problem(typed(theirs[0])) == "wrong-code"
    await codes_of(case)
    assert await case.problem(typed(theirs[0])) == "wrong-code"


async def test_what_is_no_recovery_code_is_not_counted(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    await codes_of(case)
    assert await case.problem(typed("123456")) == "invalid-input"
    assert (await case.request()).wrong_codes == 0


async def test_they_share_the_freeze_with_all_codes(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    code, *_ = await codes_of(case)
    await house.change("UPDATE accounts SET frozen_at = now() WHERE id = %s", house.account_id)
    assert await case.problem(typed(code)) == "issuing-frozen"


async def test_a_code_whose_key_is_gone_is_wrong_and_breaks_nothing(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    lost = Desk(database=house.desk.database, keys=KeyRing.from_json(new_key_ring_json()), rules=house.desk.rules)
    code, *_ = await codes_of(case, lost)
    assert await case.problem(typed(code)) == "wrong-code"

"""What was made under a key that is current no more is good as long as the ring has the key."""

import json
from dataclasses import replace

import pytest

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.domain.messages import ActivationCode, RecoveryCode
from countersign.domain.requests import ChangeTo
from countersign.effects.recovery import replace_recovery_codes
from countersign.effects.work import Desk
from tests.support.cast import challenge_of
from tests.support.house import NOW, VERIFIER, Case, House, by

OLD, NEW = json.loads(new_key_ring_json()), json.loads(new_key_ring_json())
ROTATED = {"current": NEW["current"], "keys": OLD["keys"] | NEW["keys"]}


@pytest.fixture
async def house(desk: Desk) -> House:
    return await House.build(replace(desk, keys=KeyRing.from_json(json.dumps(OLD))))


def rotate(house: House) -> None:
    house.desk = replace(house.desk, keys=KeyRing.from_json(json.dumps(ROTATED)))


async def recovery_code(case: Case) -> RecoveryCode:
    """Make the requester's recovery codes; return one as it is typed."""
    async with case.house.desk.on_request(case.id, at=NOW, actor=by(case.user_id)) as (work, request):
        code, *_ = await replace_recovery_codes(work, request)
    return RecoveryCode(code=code, reveal_challenge=challenge_of(VERIFIER))


async def test_a_code_on_its_way_is_good(house: House) -> None:
    case = await house.create_key(house.sms_owner)
    rotate(house)
    assert (await case.enter(await case.sent())).problem is None


async def test_an_authenticator_and_a_sealed_secret_are_too(house: House) -> None:
    case, other = await house.create_key(), await (await house.create_key()).to_secret()
    rotate(house)
    assert (await other.reveal()).kind == "api_key"
    assert (await case.enter(case.authenticator(steps=1))).problem is None


async def test_a_link_in_a_mail_is_too(house: House) -> None:
    case = await (await house.create_key()).to_waiting()
    rotate(house)
    assert await case.problem(ActivationCode(link_token=await case.link())) is None


async def test_a_recovery_code_is_too_and_a_new_one_is_under_the_new_key(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.SMS)
    old = await recovery_code(case)
    rotate(house)
    assert await case.problem(old) is None
    await case.cancel()
    again = await house.change_two_factor(house.owner, ChangeTo.SMS)
    assert await again.problem(await recovery_code(again)) is None
    keys = await house.select("SELECT DISTINCT key_id FROM recovery_codes WHERE user_id = %s", house.owner)
    assert keys == [(NEW["current"],)]

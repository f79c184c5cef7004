"""What a changed email, phone or two-factor method does, on real PostgreSQL and real Temporal."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from countersign.domain.errors import Conflict, InvalidInput, NotFound, NothingChanged
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.people import Role, TwoFactorMethod
from countersign.effects import opening
from countersign.effects.people import UserChange, change_user, parse_email, parse_phone
from countersign.effects.thawing import thaw
from countersign.storage import accounts, ledger, oversight, requests, users
from countersign.storage.ledger import AuditEvent
from countersign.storage.requests import Request
from countersign.storage.users import User
from countersign.wiring import Parts
from tests.support.cast import Cast, Person

_OPS = Actor(kind=ActorKind.OPS)


def _now() -> datetime:
    return datetime.now(UTC)


async def _change(core: Parts, person: Person, *, after: timedelta = timedelta(), **change: object) -> list[Request]:
    wanted = UserChange(**change)  # type: ignore[arg-type]
    return await change_user(core.desk, person.id, wanted, at=_now() + after, actor=_OPS)


async def _stored(core: Parts, person: Person) -> User:
    async with core.database.connection() as connection:
        found = await users.get(connection, person.id)
    assert found
    return found


async def _events(core: Parts, account_id: UUID | None) -> list[AuditEvent]:
    assert account_id
    async with core.database.connection() as connection:
        events = await ledger.events(connection, account_id, before=None, limit=500)
    return [event for event in events if event.event == "user:changed"]


def _email() -> str:
    return f"new.{uuid4().hex}@example.com"


async def test_a_changed_email_cancels_open_requests_and_their_workflows_end(cast: Cast, core: Parts) -> None:
    flow = await cast.owner.create_api_key()

    cancelled = await _change(core, cast.owner, email=_email())

    assert [str(request.id) for request in cancelled] == [flow.id]
    assert await flow.outcome() == "cancelled"
    assert await flow.handle.result() == "cancelled"


@pytest.mark.parametrize("change", [UserChange(phone="+12025550123"), UserChange(two_factor=TwoFactorMethod.NONE)])
async def test_a_changed_phone_or_method_cancels_open_requests(cast: Cast, core: Parts, change: UserChange) -> None:
    flow = await cast.sms_owner.create_api_key()

    await change_user(core.desk, cast.sms_owner.id, change, at=_now(), actor=_OPS)

    assert await flow.outcome() == "cancelled"


async def test_requests_are_cancelled_in_every_account_of_the_person(cast: Cast, core: Parts) -> None:
    assert cast.outsider.account_id
    here = await cast.owner.create_api_key()
    async with core.database.transaction() as connection:
        away = cast.outsider.account_id
        await accounts.add_member(connection, account_id=away, user_id=cast.owner.id, role=Role.OWNER)
    async with core.desk.on_account(away, at=_now(), actor=_OPS) as work:
        there = await opening.create_api_key(
            work, cast.owner.id, name="elsewhere", permissions=["trade"], ip_whitelist=""
        )

    cancelled = await _change(core, cast.owner, email=_email())

    assert {str(request.id) for request in cancelled} == {here.id, str(there.id)}
    for account in (cast.owner.account_id, away):
        assert len(await _events(core, account)) == 1


async def test_other_peoples_requests_stay_open(cast: Cast, core: Parts) -> None:
    flow = await cast.sms_owner.create_api_key()

    assert await _change(core, cast.owner, email=_email()) == []

    assert await flow.step() == "two_factor_code"


async def test_credentials_that_waited_for_the_account_manager_become_inactive(cast: Cast, core: Parts) -> None:
    flow = await cast.owner.create_fix()
    await flow.to_account_manager()

    await _change(core, cast.owner, phone="+12025550123")

    shown = await flow.until(lambda shown: shown["outcome"] is not None)
    credential = (await cast.owner.get(f"/fix-credentials/{shown['credential_id']}")).json()
    assert (shown["outcome"], credential["status"]) == ("cancelled", "inactive")


async def test_a_secret_that_was_not_saved_is_discarded(cast: Cast, core: Parts) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()

    await _change(core, cast.owner, email=_email())

    assert await flow.outcome() == "cancelled"
    assert (await cast.owner.get("/api-keys")).json() == []


async def test_a_request_past_its_deadline_ends_expired_and_not_cancelled(cast: Cast, core: Parts) -> None:
    flow = await cast.owner.create_api_key()

    await _change(core, cast.owner, after=timedelta(minutes=31), email=_email())

    assert await flow.outcome() == "expired"


async def test_what_an_account_manager_began_by_name_is_cancelled_too(cast: Cast, core: Parts) -> None:
    credential = await cast.owner.inactive_fix()
    account_id = cast.owner.account_id
    assert account_id
    async with core.desk.on_account(account_id, at=_now(), actor=_OPS) as work:
        begun = await opening.activate_fix_credentials(work, cast.account_manager.id, UUID(credential["id"]))

    [cancelled] = await _change(core, cast.account_manager, email=_email())

    assert cancelled.id == begun.id
    assert len(await _events(core, account_id)) == 1


async def test_the_audit_event_masks_what_changed(cast: Cast, core: Parts) -> None:
    email = _email()
    before = cast.owner.email

    await _change(core, cast.owner, email=email, phone="+12025550123")

    [event] = await _events(core, cast.owner.account_id)
    assert event.actor_kind == "ops"
    assert event.details["email"]["after"] == "n•••@example.com"
    assert event.details["phone"]["after"] == "•••23"
    assert event.details["user_id"] == str(cast.owner.id)
    for whole in (email, before, "+12025550123", cast.owner.phone):
        assert whole not in event.model_dump_json()


async def test_turning_two_factor_off_forgets_the_authenticator(cast: Cast, core: Parts) -> None:
    await _change(core, cast.owner, two_factor=TwoFactorMethod.NONE)

    stored = await _stored(core, cast.owner)
    assert (stored.two_factor_method, stored.totp_seed) == (TwoFactorMethod.NONE, None)


async def test_another_contact_keeps_the_authenticator(cast: Cast, core: Parts) -> None:
    await _change(core, cast.owner, email=_email())

    assert (await _stored(core, cast.owner)).totp_seed is not None


async def test_codes_by_sms_need_a_phone_number_which_may_come_with_the_change(cast: Cast, core: Parts) -> None:
    assert cast.owner.account_id
    person = Person("no phone", core, cast.owner.http, cast.providers, cast.owner.issuer)
    async with core.database.transaction() as connection:
        await users.insert(connection, user_id=person.id, name="No Phone", email=person.email)
        await accounts.add_member(connection, account_id=cast.owner.account_id, user_id=person.id, role=Role.OWNER)

    with pytest.raises(InvalidInput):
        await _change(core, person, two_factor=TwoFactorMethod.SMS)
    await _change(core, person, two_factor=TwoFactorMethod.SMS, phone="+1 202 555 0123")

    stored = await _stored(core, person)
    assert (stored.two_factor_method, stored.phone) == (TwoFactorMethod.SMS, "+12025550123")


async def test_nobody_but_the_owner_sets_up_an_authenticator(cast: Cast, core: Parts) -> None:
    with pytest.raises(InvalidInput):
        await _change(core, cast.sms_owner, two_factor=TwoFactorMethod.AUTHENTICATOR)


async def test_a_change_that_changes_nothing_cancels_nothing(cast: Cast, core: Parts) -> None:
    flow = await cast.owner.create_api_key()

    for change in (UserChange(), UserChange(email=cast.owner.email)):
        with pytest.raises(NothingChanged):
            await change_user(core.desk, cast.owner.id, change, at=_now(), actor=_OPS)

    assert await flow.step() == "two_factor_code"
    assert await _events(core, cast.owner.account_id) == []


async def test_the_email_of_someone_else_is_refused_and_all_stays_as_it_was(cast: Cast, core: Parts) -> None:
    flow = await cast.owner.create_api_key()

    with pytest.raises(Conflict) as refused:
        await _change(core, cast.owner, email=cast.second_owner.email, phone="+12025550123")

    assert cast.second_owner.email not in str(refused.value)
    assert (await _stored(core, cast.owner)).phone == cast.owner.phone
    assert await flow.step() == "two_factor_code"


async def test_a_user_without_an_account_is_not_changed_unseen(cast: Cast, core: Parts) -> None:
    with pytest.raises(Conflict):
        await _change(core, cast.ops, email=_email())

    assert (await _stored(core, cast.ops)).email == cast.ops.email


async def test_an_unknown_user_is_not_found(core: Parts) -> None:
    with pytest.raises(NotFound):
        await change_user(core.desk, uuid4(), UserChange(email=_email()), at=_now(), actor=_OPS)


@pytest.mark.parametrize("text", ["02025550123", "+447700900123", "+1", "call me", ""])
def test_what_is_no_phone_number_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_phone(text)

    assert not text or text not in str(refused.value)


@pytest.mark.parametrize("text", ["a@@example.com", "a b@example.com", "example.com", "", "a@b\x00.com"])
def test_what_is_no_email_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_email(text)

    assert not text or text not in str(refused.value)


def test_a_change_keeps_addresses_out_of_its_repr() -> None:
    assert "example" not in repr(UserChange(email="someone@example.com", phone="+12025550123"))


async def test_thawing_lets_the_account_issue_again_and_is_audited(cast: Cast, core: Parts) -> None:
    account_id = cast.owner.account_id
    assert account_id
    async with core.database.connection() as connection:
        await accounts.set_frozen(connection, account_id, _now())
    assert (await cast.owner.post("/api-keys", {"name": "bot"})).status_code == 403

    async with core.desk.on_account(account_id, at=_now(), actor=_OPS) as work:
        await thaw(work)

    await cast.owner.create_api_key()
    async with core.database.connection() as connection:
        events = await ledger.events(connection, account_id, before=None, limit=10)
    assert "account:issuing-thawed" in [event.event for event in events]


async def test_the_accounts_of_a_person_come_in_lock_order(cast: Cast, core: Parts) -> None:
    async with core.database.transaction() as connection:
        for _ in range(5):
            account_id = uuid4()
            await accounts.insert(connection, account_id=account_id, name="more", prime_liquidity=True)
            await accounts.assign_manager(connection, account_id=account_id, user_id=cast.account_manager.id)
        found = await oversight.accounts_concerning(connection, cast.account_manager.id)

    assert len(found) == 6
    assert found == sorted(found)


async def test_the_codes_of_a_request_are_listed_over_all_its_steps(cast: Cast, core: Parts) -> None:
    flow = await cast.sms_owner.create_api_key()
    await flow.to_activation_code()
    await flow.code()

    async with core.database.connection() as connection:
        request = await requests.get(connection, UUID(flow.id))
        assert request
        deliveries = await oversight.deliveries_of(connection, request.id)
        events = await oversight.events_of(connection, request)

    assert [(each.step, each.delivery) for each in deliveries] == [
        ("two_factor_code", "sent"),
        ("activation_code", "sent"),
    ]
    assert [event.number for event in events] == sorted(event.number for event in events)

"""Where ops stop and freeze: counts first, then a reason, and for everything a number besides."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from pydantic import SecretStr

from api.pages import ops_stop
from countersign.adapters.keyring import Purpose
from countersign.domain.freezing import HouseFreeze
from countersign.effects.issuance import frozen_house
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.wiring import Parts, parts
from tests.support.answers import problem
from tests.support.cast import Cast, Providers
from tests.support.databases import OwnDatabase
from tests.support.emergencies import active_fix, active_key, house_frozen, outcome, status, told_by_ops
from tests.support.house import House
from tests.support.pages import Form, Page, Reader
from tests.support.stage import api_of

ADDRESS = "/ops/stop"


@dataclass
class Desk:
    """Somebody of ops, an owner, and an account with something to stop, on a database apart."""

    core: Parts
    otto: Reader
    owner: Reader
    cast: Cast
    house: House

    async def asks(self, what: str, which: object = "") -> Page:
        return await self.otto.get(f"{ADDRESS}/check?what={what}&which={which}")

    async def confirms(self, what: str, which: object = "", **typed: str) -> Page:
        form = (await self.asks(what, which)).form_to(ADDRESS)
        return await self.otto.post(form.action, {**form.fields, "reason": "leaked, ticket 7", **typed})


@pytest.fixture(scope="module")
async def apart(settings: Settings, postgres: EmbeddedPostgres) -> Settings:
    own = OwnDatabase.make_migrated(postgres)
    return settings.model_copy(update={"database_url": SecretStr(own.app_url)})


@pytest.fixture(scope="module")
async def apart_core(apart: Settings) -> AsyncIterator[Parts]:
    async with parts(apart, purposes=frozenset(Purpose), lazy=True) as core:
        yield core


@pytest.fixture
async def ops(apart: Settings, apart_core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Desk]:
    async with api_of(apart) as http:
        cast = await Cast.enter(apart_core, http=http, issuer=issuer, providers=providers)
        otto, owner = await Reader.signed_in(cast.ops, http), await Reader.signed_in(cast.owner, http)
        yield Desk(apart_core, otto, owner, cast, await House.build(apart_core.desk))


async def frozen(ops: Desk) -> HouseFreeze | None:
    found = await frozen_house(ops.core.desk)
    return found.frozen if found else None


async def test_a_key_is_counted_first_and_stopped_once_a_reason_is_given(ops: Desk) -> None:
    key = await active_key(ops.house)
    asked = await ops.house.edit_key(key, permissions=["read"], ip_whitelist="")

    counted = await ops.asks("key", key)
    assert all(part in counted.text for part in ("Active API keys 1", "Active FIX credentials 0", "Open requests 1"))
    assert await status(ops.house, key) == "active"
    unreasoned = await ops.otto.send(counted.form_to(ADDRESS), reason="  ")
    assert (unreasoned.status, "Say why" in unreasoned.text) == (422, True)
    assert await status(ops.house, key) == "active"

    stopped = await ops.confirms("key", key)

    assert "1 credential went off, 1 request ended" in stopped.text
    assert await status(ops.house, key) == "inactive"
    assert await outcome(asked) is not None
    assert (await told_by_ops(ops.house))[0]["by"] == "ops"


async def test_the_trail_names_the_person_and_the_mail_does_not(ops: Desk) -> None:
    await ops.confirms("key", await active_key(ops.house))

    query = "SELECT actor_kind, actor_id FROM audit_events WHERE account_id = %s AND event = 'ops:stopped'"
    assert await ops.house.select(query, ops.house.account_id) == [("ops", ops.cast.ops.id)]
    query = "SELECT DISTINCT context->>'actor_name' FROM notices WHERE event = 'credential_deactivated'"
    assert await ops.house.select(query) == [("The exchange's operations team",)]


@pytest.mark.parametrize("by", ["id", "name"])
async def test_an_account_is_found_by_its_id_or_name_and_stopped(ops: Desk, by: str) -> None:
    key, fix, name = await active_key(ops.house), await active_fix(ops.house), uuid4().hex
    await ops.house.change("UPDATE accounts SET name = %s WHERE id = %s", name, ops.house.account_id)

    stopped = await ops.confirms("account", ops.house.account_id if by == "id" else name.upper())

    assert "2 credentials went off" in stopped.text
    assert {await status(ops.house, each) for each in (key, fix)} == {"inactive"}
    assert (await ops.house.row()).frozen_at is not None


async def test_everything_needs_the_number_of_what_is_active(ops: Desk) -> None:
    keys = [await active_key(ops.house) for _ in range(3)]
    for typed in ("all", "", "1000000"):
        refused = await ops.confirms("everything", count=typed)
        assert (refused.status, "are active now: confirm with that number" in refused.text) == (409, True)
    assert {await status(ops.house, key) for key in keys} == {"active"}
    assert await frozen(ops) is None

    refused = await ops.confirms("everything")
    told = refused.text.partition(" credentials are active now")[0].rpartition(" ")[2]
    stopped = await ops.confirms("everything", count=told)

    try:
        assert f"{told} credentials went off" in stopped.text
        assert {await status(ops.house, key) for key in keys} == {"inactive"}
        assert await frozen(ops) is HouseFreeze.ALL
        again = await ops.confirms("everything", count="0")
        assert "Nothing was left to stop" in again.text
    finally:
        await ops.confirms("thaw")


async def test_what_takes_longer_than_a_press_goes_on_with_the_next(ops: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    houses = [await House.build(ops.core.desk) for _ in range(9)]
    keys = [await active_key(house) for house in houses]
    monkeypatch.setattr(ops_stop, "_PRESS_SECONDS", 0)
    page = await ops.confirms("everything", count="9")
    try:
        presses = 1
        while forms := [form for form in page.forms if form.action == ADDRESS]:
            assert "Not all of it is stopped yet" in page.text
            page, presses = await ops.otto.send(forms[0]), presses + 1
        assert presses > 1
        assert {await status(*each) for each in zip(houses, keys, strict=True)} == {"inactive"}
    finally:
        await ops.confirms("thaw")


@pytest.mark.parametrize(("typed", "level"), [({}, HouseFreeze.NEW), ({"open_too": "true"}, HouseFreeze.ALL)])
async def test_issuing_is_frozen_and_thawed_for_the_whole_exchange(
    ops: Desk, typed: dict[str, str], level: HouseFreeze
) -> None:
    form = (await ops.asks("freeze")).form_to(ADDRESS)
    form.fields.pop("open_too")
    await ops.otto.post(form.action, {**form.fields, "reason": "leaked, ticket 7", **typed})
    assert await frozen(ops) is level
    told = (await ops.otto.get(ADDRESS)).text
    assert "Issuing is frozen for the whole exchange" in told
    assert "by ops: leaked, ticket 7" in told
    assert "is not frozen any more" in (await ops.confirms("thaw")).text
    assert await frozen(ops) is None
    assert (await ops.confirms("thaw")).status == 409


async def test_issuing_is_frozen_and_thawed_for_one_account(ops: Desk) -> None:
    await ops.confirms("freeze", ops.house.account_id)
    assert (await ops.house.row()).frozen_at is not None
    await ops.confirms("thaw", ops.house.account_id)
    assert (await ops.house.row()).frozen_at is None
    assert await frozen(ops) is None


async def test_owners_read_on_every_page_that_issuing_is_frozen(ops: Desk) -> None:
    pages = ("/settings/api-keys", "/settings/security")
    assert not [path for path in pages if "no new credentials" in (await ops.owner.get(path)).text]
    async with house_frozen(ops.core.desk, HouseFreeze.NEW):
        for path in pages:
            text = (await ops.owner.get(path)).text
            assert "The exchange issues no new credentials at present." in text
            assert "What you have begun goes on." in text
    await ops.confirms("freeze", ops.cast.owner.account_id)
    assert "is frozen for Home." in (await ops.owner.get(pages[0])).text


async def test_an_owner_who_begins_something_meanwhile_reads_why_not(ops: Desk) -> None:
    async with house_frozen(ops.core.desk, HouseFreeze.NEW):
        form = {"name": "bot", "permissions": "trade"}
        refused = await ops.owner.post("/settings/api-keys/new", form)
        by_api = await ops.cast.owner.post("/api-keys", {"name": "bot", "permissions": ["trade"]})
    assert problem(by_api) == (403, "issuing-suspended")
    assert refused.status == 403
    assert "The exchange issues and activates no credentials at present." in refused.text


@pytest.mark.parametrize(
    ("what", "which", "status_code"),
    [
        ("key", "", 422),
        ("key", "nobody", 404),
        ("account", "%00%25", 404),
        ("account", "Home", 409),
        ("freeze", "nobody", 404),
        ("rubbish", "x", 422),
    ],
)
async def test_what_is_not_found_is_said_and_nothing_is_stopped(
    ops: Desk, what: str, which: str, status_code: int
) -> None:
    assert (await ops.asks(what, which)).status == status_code
    assert (await ops.otto.post(ADDRESS, {"what": what, "which": which, "reason": "x"})).status == status_code


@pytest.mark.parametrize("who", ["owner", "account_manager", "member"])
async def test_nobody_else_sees_it_or_stops_anything(ops: Desk, who: str) -> None:
    stranger = await Reader.signed_in(getattr(ops.cast, who), ops.otto.http)
    key = await active_key(ops.house)
    order = Form(ADDRESS, "post", {"what": "key", "which": str(key), "reason": "mine"})

    assert (await stranger.get(ADDRESS)).status == 403
    assert (await stranger.get(f"{ADDRESS}/check?what=key&which={key}")).status == 403
    assert (await stranger.send(order)).status == 403
    assert (await Reader(ops.otto.http).send(order)).status == 401
    assert await status(ops.house, key) == "active"


async def test_a_form_of_another_site_stops_nothing(ops: Desk) -> None:
    key = await active_key(ops.house)
    order = {"what": "key", "which": str(key), "reason": "theirs"}

    assert (await ops.otto.post(ADDRESS, order, site="cross-site")).status == 403
    assert await status(ops.house, key) == "active"

"""What ops see: the search over requests, and one request."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest

from countersign.settings import Settings
from tests.support.cast import Cast, Flow
from tests.support.fix import decide, name_of, waiting_for_manager
from tests.support.pages import Page, Reader
from tests.support.rows import change
from tests.support.stage import api_of

TEMPORAL_UI = "https://temporal.example"


@pytest.fixture(scope="module")
async def http_with_temporal_ui(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with api_of(settings.model_copy(update={"temporal_ui_url": TEMPORAL_UI})) as client:
        yield client


@pytest.fixture
async def otto(cast: Cast, http_with_temporal_ui: httpx.AsyncClient) -> Reader:
    return await Reader.signed_in(cast.ops, http_with_temporal_ui)


def shown_on(page: Page) -> list[str]:
    """Return the ids of the requests that the list shows, in its order."""
    return [link.rpartition("/")[2] for link in page.links if link.startswith("/ops/requests/")]


async def ended(cast: Cast, name: str) -> Flow:
    flow = await cast.owner.create_api_key(name)
    await flow.cancel()
    return flow


async def rename_home(cast: Cast, name: str) -> None:
    await change(cast.core, "UPDATE accounts SET name = %s WHERE id = %s", name, cast.owner.account_id)


async def test_a_request_is_found_by_each_of_its_names(cast: Cast, otto: Reader) -> None:
    key = await cast.owner.create_api_key("Über 東京 100%_fast")
    fix = await waiting_for_manager(cast.sms_owner)
    shown, session_name = await key.shown(), await name_of(fix)
    await rename_home(cast, f"House {key.id}")

    wanted = {
        key.id: [key.id],
        key.workflow_id: [key.id],
        f" {key.id.upper()} ": [key.id],
        str(shown["credential_id"]): [key.id],
        session_name.lower().replace("-", " "): [fix.id],
        f"use {key.id[:-3]}": [fix.id, key.id],
        str(cast.owner.account_id): [fix.id, key.id],
        "nothing of the kind": [],
    }
    for text, ids in wanted.items():
        assert shown_on(await otto.get(f"/ops/requests?q={quote(text)}")) == ids, text
    for text in ("Über 東京 100%_fast", "ÜBER 東京 100%_"):
        assert key.id in shown_on(await otto.get(f"/ops/requests?q={quote(text)}"))
    assert key.id not in shown_on(await otto.get(f"/ops/requests?q={quote('Über 東京 100__')}"))


async def test_the_search_is_narrowed_by_status_journey_and_step(cast: Cast, otto: Reader) -> None:
    over = await ended(cast, "over")
    waits = await cast.owner.create_api_key("waits")
    fix = await waiting_for_manager(cast.owner)
    account = f"/ops/requests?q={cast.owner.account_id}"

    assert shown_on(await otto.get(account)) == [fix.id, waits.id, over.id]
    assert shown_on(await otto.get(f"{account}&status=open")) == [fix.id, waits.id]
    assert shown_on(await otto.get(f"{account}&status=ended")) == [over.id]
    assert shown_on(await otto.get(f"{account}&journey=create-api-key")) == [waits.id, over.id]
    assert shown_on(await otto.get(f"{account}&step=account_manager")) == [fix.id]
    assert shown_on(await otto.get(f"{account}&status=open&journey=create-api-key&step=two_factor_code")) == [waits.id]


async def test_what_is_past_its_deadline_has_ended_whoever_sleeps(cast: Cast, otto: Reader) -> None:
    flow = await cast.owner.create_api_key()
    await change(cast.core, "UPDATE requests SET deadline = now() - interval '1 second' WHERE id = %s", flow.id)
    account = f"/ops/requests?q={cast.owner.account_id}"

    assert shown_on(await otto.get(f"{account}&status=open")) == []
    page = await otto.get(f"{account}&status=ended")
    assert shown_on(page) == [flow.id]
    assert "Time ran out" in page.text


async def test_fifty_stand_on_a_page_and_older_leads_to_the_rest(cast: Cast, otto: Reader) -> None:
    flow = await ended(cast, "first")
    copy = """INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey, step, outcome,
                                    name, name_key, two_factor_method, created_at)
              SELECT gen_random_uuid(), account_id, user_id, gen_random_uuid(), 1, journey, step, outcome, 'copy',
                     'copy', two_factor_method, created_at FROM requests, generate_series(1, 60) WHERE id = %s"""
    await change(cast.core, copy, flow.id)

    first = await otto.get(f"/ops/requests?q={cast.owner.account_id}&status=ended")
    [older] = [link for link in first.links if "before=" in link]
    second = await otto.get(older)

    assert (len(shown_on(first)), len(shown_on(second))) == (50, 11)
    assert len({*shown_on(first), *shown_on(second)}) == 61
    assert not [link for link in second.links if "before=" in link]


@pytest.mark.parametrize(
    "query", ["before=rubbish", "before=2026-01-01~x", "status=x&journey=y&step=z", "q=%00%25%5c", "q=%F0%9F%98%80"]
)
async def test_rubbish_in_the_address_is_no_fault(otto: Reader, query: str) -> None:
    assert (await otto.get(f"/ops/requests?{query}")).status == 200


async def test_one_request_is_shown_with_its_codes_and_events_and_never_a_code(cast: Cast, otto: Reader) -> None:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()
    await flow.enter_code("000000" if code != "000000" else "111111")

    page = await otto.get(f"/ops/requests/{flow.id}")

    told = ("Home", "sms_owner", "Tries left 4", "Two-factor code, 1 SMS Sent", "Wrong code; tries left: 4", flow.id)
    assert all(part in page.text for part in told), page.text
    hidden = (code, cast.sms_owner.phone, cast.sms_owner.email)
    assert not [part for part in hidden if part in page.response.text]


async def test_it_leads_into_the_temporal_ui(cast: Cast, otto: Reader) -> None:
    flow = await cast.owner.create_api_key()

    page = await otto.get(f"/ops/requests/{flow.id}")

    namespace = cast.core.settings.temporal_namespace
    assert f"{TEMPORAL_UI}/namespaces/{namespace}/workflows/create-api-key%2F{flow.id}" in page.links


async def test_without_a_temporal_ui_there_is_no_link(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()

    page = await (await Reader.signed_in(cast.ops)).get(f"/ops/requests/{flow.id}")

    assert page.status == 200
    assert not [link for link in page.links if "workflows" in link]


async def test_an_account_managers_decision_reads_well(cast: Cast, otto: Reader) -> None:
    flow = await waiting_for_manager(cast.owner)
    await decide(cast.account_manager, await name_of(flow), "reject", reason="Not agreed.")

    page = await otto.get(f"/ops/requests/{flow.id}")

    assert "Rejected: Not agreed." in page.text
    assert "account_manager" in page.text


async def test_an_open_page_that_looks_again_is_left_alone_until_something_changes(cast: Cast, otto: Reader) -> None:
    flow = await cast.owner.create_api_key()
    seen = await otto.get(f"/ops/requests/{flow.id}")
    [look] = [part.split('"')[0] for part in seen.response.text.split('hx-get="') if "?state=" in part.split('"')[0]]

    unchanged = await otto.get(look.replace("&amp;", "&"), fragment=True)
    await flow.cancel()
    changed = await otto.get(look.replace("&amp;", "&"), fragment=True)

    assert (unchanged.status, changed.status) == (204, 200)


@pytest.mark.parametrize("who", ["owner", "account_manager", "member"])
async def test_the_pages_are_for_ops_alone(cast: Cast, who: str) -> None:
    reader = await Reader.signed_in(getattr(cast, who))
    flow = await cast.owner.create_api_key()

    assert [(await reader.get(path)).status for path in ("/ops/requests", f"/ops/requests/{flow.id}")] == [403, 403]


async def test_an_unknown_request_is_404(otto: Reader) -> None:
    assert (await otto.get("/ops/requests/00000000-0000-0000-0000-000000000000")).status == 404

"""The account manager's console: the queue, the search, and deciding."""

import pytest

from countersign.domain.people import Role
from countersign.local.issuer import Issuer
from countersign.storage import accounts
from countersign.wiring import Parts
from tests.support.cast import Cast, Person, Providers
from tests.support.fix import active_fix, decide, decided, execute, name_of, waiting_for_manager
from tests.support.pages import Page, Reader
from tests.support.stage import set_stage, settle

ASKED_AGO = "UPDATE requests SET asked_at = now() - interval '3 hours 5 minutes 30 seconds' WHERE id = %s"
ANOTHER_VERSION = "UPDATE credentials SET version = version + 1 WHERE name = %s"


@pytest.fixture
async def amy(cast: Cast) -> Reader:
    return await Reader.signed_in(cast.account_manager)


async def waiting(cast: Cast) -> str:
    """Return the Session Name of FIX credentials that wait for the account manager."""
    return await name_of(await waiting_for_manager(cast.owner))


async def confirmation(reader: Reader, name: str, decision: str) -> Page:
    """Go from the credentials' panel to the confirmation, as its link leads."""
    seen = await reader.get(f"/account-manager/{name}", fragment=True)
    [link] = [link for link in seen.links if link.startswith(f"/account-manager/{name}/{decision}?")]
    return await reader.get(link, fragment=True)


async def status_of(owner: Person, name: str) -> str:
    [found] = [each for each in (await owner.get("/fix-credentials")).json() if each["session_name"] == name]
    return str(found["status"])


async def belong(person: Person, account_of: Person) -> None:
    assert account_of.account_id is not None
    async with person.core.database.connection() as connection:
        await accounts.add_member(connection, account_id=account_of.account_id, user_id=person.id, role=Role.MEMBER)


async def look_after(manager: Person, account_of: Person) -> None:
    assert account_of.account_id is not None
    async with manager.core.database.connection() as connection:
        await accounts.assign_manager(connection, account_id=account_of.account_id, user_id=manager.id)


async def test_the_queue_shows_what_waits_oldest_first_and_for_how_long(cast: Cast, amy: Reader) -> None:
    younger = await waiting_for_manager(cast.owner)
    older = await waiting_for_manager(cast.sms_owner, "market_data")
    await execute(cast.core, ASKED_AGO, older.id)

    page = await amy.get("/account-manager")

    first, second = await name_of(older), await name_of(younger)
    assert page.text.index(first) < page.text.index(second)
    row = page.text[page.text.index(first) : page.text.index(second)]
    assert all(part in row for part in ("Home", "Market data session", "sms_owner", "waits 3 h 5 min"))
    assert "waits less than a minute" in page.text


async def test_what_waits_for_others_is_not_in_the_queue(cast: Cast, amy: Reader) -> None:
    foreign = await name_of(await waiting_for_manager(cast.outsider))
    await look_after(cast.unassigned_manager, cast.outsider)

    assert foreign not in (await amy.get("/account-manager")).text
    assert foreign in (await (await Reader.signed_in(cast.unassigned_manager)).get("/account-manager")).text


@pytest.mark.parametrize("typed", ["whole", "as read out", "a part"])
async def test_fix_credentials_are_found_by_their_session_name_as_it_is_quoted(
    cast: Cast, amy: Reader, typed: str
) -> None:
    name = str((await cast.owner.inactive_fix())["session_name"])
    other = str((await cast.owner.inactive_fix())["session_name"])
    quoted = {
        "whole": name,
        "as read out": name.lower().replace("-", " ").replace("0", "o").replace("1", "l"),
        "a part": name[-7:].lower(),
    }

    page = await amy.get(f"/account-manager?q={quoted[typed]}")

    assert name in page.text
    assert other not in page.text
    assert "Inactive" in page.text


async def test_active_credentials_are_found_too_and_foreign_ones_are_not(cast: Cast, amy: Reader) -> None:
    mine = await active_fix(cast, cast.owner)
    foreign = await cast.outsider.inactive_fix()
    await look_after(cast.unassigned_manager, cast.outsider)

    page = await amy.get("/account-manager?q=cs")

    assert mine["session_name"] in page.text
    assert foreign["session_name"] not in page.text


async def test_whoever_looks_after_no_account_is_told_so(cast: Cast) -> None:
    page = await (await Reader.signed_in(cast.unassigned_manager)).get("/account-manager")

    assert page.status == 200
    assert "You look after no account yet." in page.text
    assert "/account-manager" not in [form.action for form in page.forms]


@pytest.mark.parametrize("who", ["owner", "ops", "member"])
async def test_the_console_is_for_account_managers_alone(cast: Cast, who: str) -> None:
    page = await (await Reader.signed_in(getattr(cast, who))).get("/account-manager")

    assert page.status == 403


async def test_credentials_of_accounts_of_others_are_not_there(cast: Cast, amy: Reader) -> None:
    foreign = await cast.outsider.inactive_fix()
    path = f"/account-manager/{foreign['session_name']}"

    form = {"decision": "activate", "version": "1"}
    answers = [await amy.get(path), await amy.get(f"{path}/activate"), await amy.post(f"{path}/decision", form)]

    assert [answer.status for answer in answers] == [404, 404, 404]


async def test_the_panel_tells_who_asked_and_what_happened(cast: Cast, amy: Reader) -> None:
    page = await amy.get(f"/account-manager/{await waiting(cast)}")

    told = ("Home", "Trade session", "Awaiting activation", "Asked by owner", "Account manager was asked", "Created")
    assert all(part in page.text for part in told)


@pytest.mark.parametrize("fragment", [True, False], ids=["with script", "without script"])
async def test_activating_asks_for_a_second_look_and_then_activates(cast: Cast, amy: Reader, *, fragment: bool) -> None:
    name = await waiting(cast)
    asked = await confirmation(amy, name, "activate")
    assert f"Activate {name}?" in asked.text
    assert await status_of(cast.owner, name) == "awaiting_activation"

    done = await amy.send(asked.form_to(f"/account-manager/{name}/decision"), fragment=fragment)

    assert (done.status, f"Activated: {name}" in done.text) == (200, True)
    assert await status_of(cast.owner, name) == "active"


async def test_sending_the_same_form_twice_decides_once(cast: Cast, amy: Reader) -> None:
    name = await waiting(cast)
    form = (await confirmation(amy, name, "activate")).form_to(f"/account-manager/{name}/decision")

    answers = [await amy.send(form, fragment=True) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]


async def test_rejecting_needs_a_reason(cast: Cast, amy: Reader) -> None:
    name = await waiting(cast)
    asked = await confirmation(amy, name, "reject")

    refused = await amy.send(asked.form_to(f"/account-manager/{name}/decision"), reason=" \n ", fragment=True)

    assert refused.status == 422
    assert "Say why" in refused.text
    assert await status_of(cast.owner, name) == "awaiting_activation"


async def test_a_rejection_reaches_the_owner_with_its_reason_on_one_line(cast: Cast, amy: Reader) -> None:
    flow = await waiting_for_manager(cast.owner)
    name = await name_of(flow)
    form = (await confirmation(amy, name, "reject")).form_to(f"/account-manager/{name}/decision")

    done = await amy.send(form, reason="Not agreed yet.\r\nCall me.", fragment=True)

    assert f"Rejected: {name}" in done.text
    shown = await flow.shown()
    assert (shown["outcome"], shown["reason"]) == ("rejected", "Not agreed yet. Call me.")


async def test_a_reason_too_long_is_refused_and_kept(cast: Cast, amy: Reader) -> None:
    name = await waiting(cast)
    form = (await confirmation(amy, name, "reject")).form_to(f"/account-manager/{name}/decision")

    refused = await amy.send(form, reason="x" * 501, fragment=True)

    assert "at most 500" in refused.text
    assert "x" * 501 in refused.response.text


async def test_a_decision_is_bound_to_the_version_that_was_shown(cast: Cast, amy: Reader) -> None:
    name = await waiting(cast)
    form = (await confirmation(amy, name, "reject")).form_to(f"/account-manager/{name}/decision")
    await execute(cast.core, ANOTHER_VERSION, name)

    refused = await amy.send(form, reason="Not agreed.", fragment=True)

    assert refused.status == 409
    assert "changed since it was shown" in refused.text
    again = refused.form_to(f"/account-manager/{name}/decision")
    assert int(again.fields["version"]) == int(form.fields["version"]) + 1
    assert "Not agreed." in refused.text
    assert await status_of(cast.owner, name) == "awaiting_activation"


async def test_a_version_that_changed_before_the_confirmation_is_told(cast: Cast, amy: Reader) -> None:
    name = await waiting(cast)
    await execute(cast.core, ANOTHER_VERSION, name)

    page = await amy.get(f"/account-manager/{name}/activate?version=1", fragment=True)

    assert page.status == 409
    assert "changed since it was shown" in page.text
    assert page.forms[-1].method == "dialog"


async def test_what_another_account_manager_decided_meanwhile_is_shown_and_the_reason_kept(
    cast: Cast, amy: Reader
) -> None:
    name = await waiting(cast)
    form = (await confirmation(amy, name, "reject")).form_to(f"/account-manager/{name}/decision")
    decided(await decide(cast.account_manager, name))

    refused = await amy.send(form, reason="Not agreed.", fragment=True)

    assert refused.status == 409
    assert all(part in refused.text for part in ("Your reason was: Not agreed.", "Active", "Activated"))
    assert await status_of(cast.owner, name) == "active"


async def test_while_no_worker_answers_the_form_stays_and_counts_once_when_sent_again(
    core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(core, issuer=issuer, providers=providers, message_timeout_seconds=1) as stage:
        async with stage.at_work():
            flow = await waiting_for_manager(stage.cast.owner)
            name = await name_of(flow)
            await settle(flow)
        amy = await Reader.signed_in(stage.cast.account_manager)
        form = (await confirmation(amy, name, "reject")).form_to(f"/account-manager/{name}/decision")

        unanswered = await amy.send(form, reason="Not agreed.", fragment=True)
        async with stage.at_work():
            kept = unanswered.form_to(f"/account-manager/{name}/decision")
            done = await amy.send(kept, reason="Not agreed.", fragment=True)

    assert (unanswered.status, kept.fields["key"]) == (503, form.fields["key"])
    assert "Not agreed." in unanswered.text
    assert f"Rejected: {name}" in done.text


async def test_credentials_that_nobody_asked_about_are_activated_by_name(cast: Cast, amy: Reader) -> None:
    name = str((await cast.owner.inactive_fix())["session_name"])
    seen = await amy.get(f"/account-manager/{name}", fragment=True)
    assert "No activation was asked for" in seen.text
    assert not [link for link in seen.links if "/reject" in link]
    asked = await confirmation(amy, name, "activate")
    assert "nobody has asked for it" in asked.text

    done = await amy.send(asked.form_to(f"/account-manager/{name}/decision"), fragment=True)

    assert done.status == 200, done.text
    assert await status_of(cast.owner, name) == "active"


async def test_before_the_owner_chose_there_is_nothing_to_decide(cast: Cast, amy: Reader) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    page = await amy.get(f"/account-manager/{await name_of(flow)}", fragment=True)

    assert "no activation was asked for yet" in page.text
    assert not [link for link in page.links if "version=" in link]


async def test_nobody_decides_on_an_account_of_his_or_her_own(cast: Cast, amy: Reader) -> None:
    name = await waiting(cast)
    await belong(cast.account_manager, cast.owner)

    page = await amy.get(f"/account-manager/{name}", fragment=True)
    refused = await amy.post(f"/account-manager/{name}/decision", {"decision": "activate", "version": "1"})

    assert "You belong to this account yourself." in page.text
    assert not [link for link in page.links if "version=" in link]
    assert (refused.status, await status_of(cast.owner, name)) == (403, "awaiting_activation")


async def test_an_open_panel_that_looks_again_is_left_alone_until_something_changes(cast: Cast, amy: Reader) -> None:
    flow = await waiting_for_manager(cast.owner)
    name = await name_of(flow)
    seen = await amy.get(f"/account-manager/{name}", fragment=True)
    [look] = [part.split('"')[0] for part in seen.response.text.split('hx-get="') if "?state=" in part.split('"')[0]]

    unchanged = await amy.get(look.replace("&amp;", "&"), fragment=True)
    await flow.cancel()
    changed = await amy.get(look.replace("&amp;", "&"), fragment=True)

    assert (unchanged.status, changed.status) == (204, 200)
    assert "cancelled" in changed.text


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_form_of_another_site_decides_nothing(cast: Cast, amy: Reader, site: str) -> None:
    name = await waiting(cast)
    form = (await confirmation(amy, name, "activate")).form_to(f"/account-manager/{name}/decision")

    refused = await amy.post(form.action, form.fields, site=site)

    assert refused.status == 403
    assert await status_of(cast.owner, name) == "awaiting_activation"

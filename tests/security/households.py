"""Two customers of the exchange, each with requests at every step; and a walk that calls every route with success."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.cast import Cast
from tests.support.fix import decide, decided, name_of, waiting_for_manager
from tests.support.rows import change, select
from tests.support.security import begin_change, enrolment, enter_recovery_code, new_code, ok, recovery_codes
from tests.support.stops import ASKED, link_to, pressed

_UNTICKED = {"permissions": ["read", "funds_wallet"], "ip_whitelist": "203.0.113.9"}
EDIT = {**_UNTICKED, "acknowledge_deactivation": True}


async def make_unique(cast: Cast, *, domain: str, last_digits: str) -> None:
    """Let all that is told of the household's people and account, masked or not, be told of no other's."""
    core, owner = cast.core, cast.owner
    home = owner.account_id
    await change(core, "UPDATE accounts SET name = %s WHERE id = %s", f"Account of {domain}", home)
    query = """UPDATE users SET email = replace(email, 'example.com', %s),
               phone = left(phone, -2) || %s, name = name || ' of ' || %s
               WHERE id IN (SELECT user_id FROM memberships WHERE account_id = %s)"""
    await change(core, query, domain, last_digits, domain, home)


async def markers_of(cast: Cast, *, mark: str) -> set[str]:
    """Return what is unique to the household's account by now; ``mark`` begins the names of its keys."""
    query = """SELECT id::text FROM accounts WHERE id = %(home)s
         UNION SELECT name FROM accounts WHERE id = %(home)s
         UNION SELECT unnest(ARRAY[id::text, credential_id::text]) FROM requests WHERE account_id = %(home)s
         UNION SELECT unnest(ARRAY[id::text, public_id]) FROM credentials WHERE account_id = %(home)s
         UNION SELECT name FROM requests WHERE account_id = %(home)s AND (name ^@ %(mark)s OR name ^@ 'CS-')
         UNION SELECT unnest(ARRAY[u.id::text, u.name, u.email, u.phone, '•••' || right(u.phone, 2),
                                   '•••@' || split_part(u.email, '@', 2)])
               FROM users u JOIN memberships m ON m.user_id = u.id WHERE m.account_id = %(home)s"""
    async with cast.core.database.connection() as connection:
        rows = await connection.execute(query, {"home": cast.owner.account_id, "mark": mark})
        return {row[0] async for row in rows if row[0]}


async def furnish(cast: Cast, *, mark: str, whole: bool) -> None:
    """Open requests that wait at different steps, or at every one, beside credentials that nothing is open about."""
    sam = cast.sms_owner
    await sam.create_api_key(f"{mark} at code")
    await (await sam.create_api_key(f"{mark} at secret")).to_secret()
    await waiting_for_manager(sam, "market_data")
    if not whole:
        return
    await (await sam.create_api_key(f"{mark} at choice")).to_choice()
    await (await sam.create_api_key(f"{mark} at mail")).to_activation_code()
    await sam.create_fix()
    await sam.active_api_key(f"{mark} active")
    await sam.inactive_api_key(f"{mark} inactive")
    await sam.inactive_fix()


async def ids_of(casts: list[Cast]) -> dict[str, list[str]]:
    """Return real ids for the parameters of paths, oldest first."""
    homes = [cast.owner.account_id for cast in casts]
    core = casts[0].core
    requests = await select(core, "SELECT id FROM requests WHERE account_id = ANY(%s) ORDER BY created_at, id", homes)
    held: Any = await select(
        core, "SELECT id, name, kind FROM credentials WHERE account_id = ANY(%s) ORDER BY created_at, id", homes
    )
    stops = await select(core, "SELECT id FROM stops WHERE account_id = ANY(%s) ORDER BY created_at, id", homes)
    return {
        "request_id": [str(row[0]) for row in requests],
        "stop_id": [str(row[0]) for row in stops],
        "credential_id": [str(row[0]) for row in held],
        "session_name": [row[1] for row in held if row[2] == "fix"],
    }


async def walk(cast: Cast, *, mark: str) -> None:
    """Call every operation so that it succeeds."""
    for part in _PARTS:
        await part(cast, mark)


async def _look_around(cast: Cast, mark: str) -> None:
    owner = cast.second_owner
    for path in ("/api-keys", "/fix-credentials", "/requests", "/requests?open=true&limit=3", "/security"):
        assert (await owner.get(path)).status_code == 200
    assert (await cast.ops.get(f"/audit-events?account_id={owner.account_id}")).status_code == 200
    assert (await owner.get("/audit-events?limit=500")).status_code == 200
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await owner.http.get(path)).status_code == 200


async def _keep_a_key(cast: Cast, mark: str) -> None:
    sam = cast.sms_owner
    key = await sam.active_api_key(f"{mark} walked")
    ok(await sam.get(f"/api-keys/{key}"))
    ok(await sam.get(f"/api-keys/{key}/activity"))
    edit = await sam.begin(f"/api-keys/{key}/edits", EDIT)
    await edit.skip(minutes=3)
    ok(await edit.post("/two-factor-code/resend"))
    await edit.to_activation_code()
    await edit.skip(minutes=3)
    ok(await edit.post("/activation-code/resend"))
    ok(await edit.post("/activation-link", {"token": (await edit.link_tokens())[-1]}))
    ok(await sam.post(f"/api-keys/{key}/deactivations"))
    again = await sam.begin(f"/api-keys/{key}/activations")
    ok(await again.enter_code())
    await (await sam.create_api_key(f"{mark} cancelled")).cancel()


async def _keep_fix(cast: Cast, mark: str) -> None:
    sam, manager = cast.sms_owner, cast.account_manager
    flow = await waiting_for_manager(sam)
    name, shown = await name_of(flow), await flow.shown()
    about = f"/account-manager/fix-credentials/{name}"
    entry = ok(await manager.get(about))
    assert (await manager.get("/account-manager/queue")).status_code == 200
    ok(await manager.post(f"{about}/statement", {"decision": "activate", "version": entry["version"]}))
    decided(await decide(manager, name))
    fix = f"/fix-credentials/{shown['credential_id']}"
    ok(await sam.get(fix))
    ok(await sam.get(f"{fix}/activity"))
    ok(await sam.post(f"{fix}/deactivations"))
    await sam.begin(f"{fix}/activations")
    decided(await decide(manager, name, "reject", reason=f"{mark} not agreed"))


async def _change_two_factor(cast: Cast, mark: str) -> None:
    nora = cast.bare_owner
    enrolling = await begin_change(nora, "authenticator")
    await enrolment(enrolling)
    ok(await enrolling.enter_code(await new_code(enrolling)))
    codes = await recovery_codes(enrolling)
    away = await begin_change(nora, "off")
    ok(await enter_recovery_code(away, codes[0]))


async def _stop_by_mail(cast: Cast, mark: str) -> None:
    owner = cast.second_owner
    await owner.create_api_key(f"{mark} stopped", permissions=["funds_wallet"])
    assert await pressed(owner.http, await link_to(owner, ASKED)) == "cancelled"


_PARTS: list[Callable[[Cast, str], Awaitable[None]]] = [
    _look_around,
    _keep_a_key,
    _keep_fix,
    _change_two_factor,
    _stop_by_mail,
]

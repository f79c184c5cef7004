"""What ails services, keys and the audit trail, brought about on the local stack."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from uuid import UUID

import httpx

from countersign.adapters.keyring import Purpose, new_key_ring_json
from countersign.domain.audit import canonical
from countersign.local.files import write_private
from countersign.storage import ledger
from countersign.wiring import parts
from tests.runbook.scenes_of_requests import Variables, _countersign
from tests.runbook.town import Town
from tests.support.chains import EVENT
from tests.support.processes import wait_until

SEPTEMBER = datetime(2025, 9, 15, tzinfo=UTC)


def api_is_down(town: Town) -> Iterator[Variables]:
    with town.still("api"):
        yield {}
    yield {}


def worker_is_down(town: Town) -> Iterator[Variables]:
    town.key("begun before").sent()
    with town.still("worker"):
        # A worker that has nothing to do asks Temporal for work once a minute.
        wait_until(lambda: httpx.get(f"{town.stack.url}/readyz").json()["worker"] == "down", patience=240)
        yield {}
    time.sleep(6)
    yield {}


def verifier_is_down(town: Town) -> Iterator[Variables]:
    with town.still("verifier"):
        yield {"VERIFIER": f"http://127.0.0.1:{town.stack.ports['VERIFIER_']}"}
    time.sleep(3)
    yield {}


def temporal_is_down(town: Town) -> Iterator[Variables]:
    with town.still("temporal"):
        yield {}
    yield {}


def database_is_down(town: Town) -> Iterator[Variables]:
    with town.still("postgres"):
        yield {}
    yield {}


def database_is_full_or_read_only(town: Town) -> Iterator[Variables]:
    drop = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = 'countersign' AND pid <> pg_backend_pid()"""
    read_only = "ALTER DATABASE countersign SET default_transaction_read_only = on"
    town.change(read_only, drop, as_superuser=True)
    wait_until(lambda: httpx.get(f"{town.stack.url}/readyz").json()["database"] == "read_only")
    yield {}
    town.change(
        "SET default_transaction_read_only = off",
        "ALTER DATABASE countersign RESET default_transaction_read_only",
        drop,
        as_superuser=True,
    )
    time.sleep(1)
    yield {}


def sms_suspended(town: Town) -> Iterator[Variables]:
    town.change("UPDATE sms_days SET made = 10000")
    yield {}
    town.restart(COUNTERSIGN_RULES__SMS_PER_DAY="20000")
    yield {}
    town.change("UPDATE sms_days SET made = 10")


def keys_do_not_fit(town: Town) -> Iterator[Variables]:
    wrong = town.folder / "wrong-ring.json"
    write_private(wrong, new_key_ring_json())
    yield {"WRONG_RING": str(wrong), "COUNTERSIGN_WORKER_PORT": "0"}


def rotate_the_keys(town: Town) -> Iterator[Variables]:
    yield {}
    town.restart()
    yield {}
    town.restart()
    yield {"OLD_KEY": _keys(town)[0]}


def _keys(town: Town) -> list[str]:
    return town.rows("SELECT key_id FROM key_checks ORDER BY created_at")


def a_signing_key_of_the_gateway_leaked(town: Town) -> Iterator[Variables]:
    old = town.stack.person("sam").token()
    yield {"OLD_TOKEN": old}
    town.stack.stop()
    for name in ("issuer-key.pem", "jwks.json"):
        (town.stack.data / name).unlink()
    town.stack.start()
    yield {}


def audit_checkpoint_is_old(town: Town) -> Iterator[Variables]:
    town.key("unsigned").sent()
    yield {"CHECKPOINTS": str(town.stack.data / "audit-checkpoints.jsonl")}


def the_audit_trail_does_not_verify(town: Town) -> Iterator[Variables]:
    _countersign(town, "audit", "checkpoint")
    tamper = "UPDATE audit_events SET ip = '198.51.100.1' WHERE number = 7"
    [before] = town.rows("SELECT coalesce(host(ip), '') FROM audit_events WHERE number = 7 LIMIT 1") or [""]
    town.change("SET session_replication_role = replica", tamper, as_superuser=True)
    yield {"CHECKPOINTS": str(town.stack.data / "audit-checkpoints.jsonl"), "ACCOUNT": town.account_id()}
    back = "UPDATE audit_events SET ip = NULL WHERE number = 7" if not before else None
    restore = back or "UPDATE audit_events SET ip = '127.0.0.1' WHERE number = 7"
    town.change("SET session_replication_role = replica", restore, as_superuser=True)
    yield {}


def archive_old_audit_months(town: Town) -> Iterator[Variables]:
    town.change(
        "ALTER TABLE audit_events DETACH PARTITION audit_events_before",
        """SELECT attach_audit_partition('audit_events_2025_09',
               $$FOR VALUES FROM ('2025-09-01+00') TO ('2025-10-01+00')$$)""",
    )
    asyncio.run(_tell_of_september(town))
    _countersign(town, "audit", "checkpoint")
    yield {"ARCHIVE": str(town.folder / "audit-2025-09.jsonl")}


async def _tell_of_september(town: Town) -> None:
    """Let the account have an event of long ago, as a process would whose clock said so."""
    account_id = UUID(town.account_id())
    async with (
        parts(town.stack.settings, purposes=frozenset({Purpose.PAYLOAD, Purpose.AUDIT}), lazy=True) as core,
        core.database.transaction() as connection,
    ):
        head = await ledger.head(connection, account_id)
        event = EVENT._replace(
            account_id=str(account_id), number=head.number + 1, at=SEPTEMBER, key_id=core.keys.current
        )
        mac = core.keys.mac(Purpose.AUDIT, head.mac + canonical(event))
        await ledger.append(connection, [event._replace(mac=mac)], after=head)


def restore_from_a_backup(town: Town) -> Iterator[Variables]:
    folder = town.folder / "backup"
    yield {"FOLDER": str(folder)}
    town.key("after the backup").sent()
    _countersign(town, "audit", "checkpoint")
    town.stack.stop()
    checkpoints = town.stack.data / "audit-checkpoints.jsonl"
    old = town.folder / "checkpoints-of-before.jsonl"
    old.write_bytes(checkpoints.read_bytes())
    yield {"OLD_CHECKPOINTS": str(old)}
    checkpoints.unlink()
    town.stack.start()
    yield {}
    _countersign(town, "accounts", "thaw", town.account_id())


def housekeeping(town: Town) -> Iterator[Variables]:
    ended = town.key("long over").sent()
    ended.begun.person.call("DELETE", f"/v1/requests/{ended.id}")
    ended.begun.until(lambda shown: shown["outcome"] is not None)
    town.change("UPDATE requests SET closed_at = now() - interval '401 days' WHERE name = 'long over'")
    yield {}
    wait_until(lambda: not town.rows("SELECT 1 FROM requests WHERE name = 'long over'"))
    time.sleep(1)
    yield {}


def out_of_service_for_maintenance(town: Town) -> Iterator[Variables]:
    with ExitStack() as stopped:
        yield {}
        stopped.enter_context(town.still("worker"))
    yield {}


def roll_back_a_release(town: Town) -> Iterator[Variables]:
    with town.worker_of("1.1"):
        town.waiting_fix()
        yield {}
        yield {}
        yield {}
        _countersign(town, "versions", "promote", "1.1")
    _countersign(town, "versions", "back", "local", "--no-hold")


def a_build_has_no_workers(town: Town) -> Iterator[Variables]:
    with town.worker_of("1.2"):
        town.key("on a build that goes").sent()
    _countersign(town, "versions", "back", "local")
    wait_until(lambda: "No worker of 1.2" in _countersign(town, "versions", "show"), patience=240)
    yield {}
    yield {}
    time.sleep(5)
    yield {}

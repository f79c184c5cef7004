"""What customers and account managers call about, brought about on the local stack."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.adapters.standins import Mood
from tests.runbook.town import Town
from tests.support.processes import wait_until

Variables = dict[str, str]


def where_a_request_stands(town: Town) -> Iterator[Variables]:
    waiting = town.waiting_fix()
    yield waiting.variables()
    yield {}


def sms_do_not_arrive(town: Town) -> Iterator[Variables]:
    sent = town.key("market maker").sent()
    yield sent.variables()
    town.twilio.mood = Mood.BROKEN
    stuck = town.key("arbitrage")
    wait_until(lambda: len([each for each in town.twilio.received if each.mood is Mood.BROKEN]) > 1)
    yield stuck.variables()
    town.twilio.mood = Mood.GOOD
    stuck.begun.until(lambda shown: shown["delivery"] == "sent")
    yield {}
    town.twilio.mood = Mood.REFUSING
    refused = town.key("hedge")
    refused.begun.until(lambda shown: shown["delivery"] == "failed")
    town.twilio.mood = Mood.GOOD
    yield refused.variables()


def mails_do_not_go_out(town: Town) -> Iterator[Variables]:
    town.wait("SELECT 1 WHERE NOT EXISTS (SELECT FROM notices WHERE sent_at IS NULL)")
    yield {"ACCOUNT": town.account_id()}
    town.sendgrid.mood = Mood.UNAUTHORIZED
    town.key("withdrawals", permissions=("trade", "funds_wallet"))
    town.wait("SELECT 1 FROM notices WHERE failure IS NOT NULL AND sent_at IS NULL")
    yield {}
    town.sendgrid.mood = Mood.GOOD
    wait_until(lambda: not town.rows("SELECT 1 FROM notices WHERE sent_at IS NULL"))
    yield {}


def outbox_is_stuck(town: Town) -> Iterator[Variables]:
    town.change(
        """INSERT INTO notices (id, account_id, user_id, event, context, created_at)
           SELECT gen_random_uuid(), m.account_id, m.user_id, 'of_a_newer_release', '{}', now() - interval '2 hours'
           FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.email = 'sam@example.com'"""
    )
    town.wait("SELECT 1 FROM notices WHERE unwritable")
    yield {}
    town.change("UPDATE notices SET event = 'issuing_frozen', failed_at = now() WHERE unwritable")
    yield {}


def an_approval_hangs(town: Town) -> Iterator[Variables]:
    hanging = town.key("grid bot").sent()
    yield hanging.variables()
    yield {}


def account_manager_queue_is_old(town: Town) -> Iterator[Variables]:
    waiting = town.waiting_fix()
    town.change("UPDATE requests SET asked_at = asked_at - interval '30 hours' WHERE step = 'account_manager'")
    account = {"ACCOUNT": town.account_id(), "MANAGER": town.person_id("ulf")}
    yield {**waiting.variables(), **account}
    yield {}


def a_customer_lost_the_phone_or_authenticator(town: Town) -> Iterator[Variables]:
    yield {"USER_ID": town.person_id("nora")}
    town.change("UPDATE users SET phone = '+12025550188', two_factor_method = 'sms' WHERE email = 'nora@example.com'")
    yield {}


def an_api_key_of_a_customer_leaked(town: Town) -> Iterator[Variables]:
    active = town.active_key("leaked bot")
    credential = active.shown()["credential_id"]
    [key] = town.rows("SELECT public_id FROM credentials WHERE id = %s", credential)
    yield {"KEY": key, "ACCOUNT": town.account_id()}


def stop_an_account(town: Town) -> Iterator[Variables]:
    town.active_key("attacked bot")
    town.waiting_fix()
    yield {"ACCOUNT": town.account_id()}
    yield {}


def stop_everything(town: Town) -> Iterator[Variables]:
    town.active_key("last bot")
    yield {}
    [active] = town.rows("SELECT count(*)::text FROM credentials WHERE status = 'active'")
    yield {"ACTIVE": active}
    yield {}


def freeze_what_is_issued(_town: Town) -> Iterator[Variables]:
    yield {}
    yield {}


def this_wasnt_me(town: Town) -> Iterator[Variables]:
    asked = town.key("drain", permissions=("trade", "funds_external"))
    wait_until(lambda: any("drain" in text and "/stop/" in text for text in town.mails()))
    link = next(text for text in reversed(town.mails()) if "drain" in text).split("/stop/")[1].split()[0]
    stop_id, token = link.split("#")
    httpx.post(f"{town.stack.url}/v1/stops/{stop_id}", json={"token": token}).raise_for_status()
    yield {**asked.variables(), "ACCOUNT": town.account_id()}


def wrong_codes_rise(town: Town) -> Iterator[Variables]:
    tried = town.key("guessed").sent()
    for code in ("000000", "111111", "222222"):
        tried.begun.person.call("POST", f"/v1/requests/{tried.id}/two-factor-code", tried.begun.code_body(code))
    yield {"ACCOUNT": town.account_id()}


def an_account_is_frozen(town: Town) -> Iterator[Variables]:
    _countersign(town, "accounts", "contain", town.account_id())
    yield {"ACCOUNT": town.account_id()}
    yield {}


def decisions_refused(town: Town) -> Iterator[Variables]:
    waiting = town.waiting_fix()
    amy, account = town.person_id("amy"), town.account_id()
    signed = _countersign(town, "fix", "sign", waiting.shown()["name"], "--decision", "activate", "--as", "amy")
    _countersign(town, "accounts", "withdraw", account, amy)
    line = next(each for each in signed.splitlines() if "temporal workflow signal" in each)
    _shell(town, line)
    town.wait("SELECT 1 FROM requests WHERE decisions_refused > 0 AND id = %s", waiting.id)
    yield {**waiting.variables(), "ACCOUNT": account}
    _countersign(town, "accounts", "assign", account, amy)


def a_workflow_was_terminated_by_mistake(town: Town) -> Iterator[Variables]:
    ended = town.key("terminated").sent()
    yield ended.variables()
    _shell(town, f"temporal workflow terminate --workflow-id {ended.variables()['WORKFLOW']} --reason mistake")
    time.sleep(2)
    yield {}


def a_worker_cannot_replay(town: Town) -> Iterator[Variables]:
    stuck = town.key("caught between releases").sent()
    variables = stuck.variables()
    with town.without("worker"), _careless_worker(town):
        _shell(town, f"temporal workflow signal --workflow-id {variables['WORKFLOW']} --name look_again")
        wait_until(lambda: "WorkflowTaskFailed" in _shell(town, _history_of(variables["WORKFLOW"])))
        # Temporal reports a problem after five failed attempts.
        deadline = time.monotonic() + 150
        while "create-api-key" not in _shell(town, _REPORTED) and time.monotonic() < deadline:
            time.sleep(2)
        yield variables
    _shell(town, f"temporal workflow signal --workflow-id {variables['WORKFLOW']} --name look_again")
    time.sleep(15)
    yield {}


_REPORTED = (
    "temporal workflow list --query \"TemporalReportedProblems IN ('category=WorkflowTaskFailed')"
    " AND ExecutionStatus = 'Running'\""
)


def _history_of(workflow_id: str) -> str:
    return f"temporal workflow show --workflow-id {workflow_id}"


@contextmanager
def _careless_worker(town: Town) -> Iterator[None]:
    process = subprocess.Popen(
        (sys.executable, "-m", "tests.runbook.careless_worker"), env={**os.environ, **town.stack.environment}
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def add_an_account_manager_or_somebody_of_ops(town: Town) -> Iterator[Variables]:
    new = "3d9f0f6e-6d8f-4d6b-9f43-0c5d8a5f7b11"
    yield {"USER_ID": new, "ACCOUNT": town.account_id()}


def _countersign(town: Town, *words: str) -> str:
    return _shell(town, f"{sys.executable} -m countersign " + " ".join(f"'{word}'" for word in words))


def _shell(town: Town, line: str) -> str:
    environment = {
        "PATH": f"{sys.executable.rpartition('/')[0]}:/usr/bin:/bin",
        "HOME": str(town.folder),
        "COUNTERSIGN_DATA": str(town.stack.data),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{town.stack.ports['TEMPORAL']}",
    }
    done = subprocess.run(("/bin/bash", "-c", line), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

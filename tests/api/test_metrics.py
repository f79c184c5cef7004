"""Metrics: what happens and what waits, and nobody's data."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from api.app import create_app
from api.metrics import Metrics
from countersign.dispatch.reconcile import Kind
from countersign.domain.errors import BY_SLUG
from countersign.domain.messages import AnyMessage
from countersign.domain.requests import Channel, Delivery, Journey, Step
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage.database import Database
from tests.support.cast import Cast
from tests.support.databases import OwnDatabase
from tests.support.openapi import operations
from tests.support.stage import api_of, through


async def scrape(client: httpx.AsyncClient) -> list[Sample]:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return [sample for family in text_string_to_metric_families(response.text) for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


async def test_answers_are_counted_by_the_template_of_their_route(cast: Cast, settings: Settings) -> None:
    async with api_of(settings) as client:
        headers = {"Authorization": f"Bearer {cast.owner.token}"}
        for number in range(3):
            await client.get(f"/v1/requests/{number}", headers=headers)
        await client.post("/codec/decode", content=b"")
        await client.get("/nowhere/near")
        await client.post("/v1/api-keys", content=b"x" * 100_000, headers=headers)
        await client.request("BREW", "/healthz")
        samples = await scrape(client)

    count = "countersign_http_requests_total"
    assert value(samples, count, route="/v1/requests/{request_id}", method="GET", status="422") == 3
    assert value(samples, count, route="unknown", method="GET", status="404") == 1
    assert value(samples, count, status="413") == 1
    assert value(samples, count, method="other", status="405") == 1
    assert value(samples, count, status="401", method="POST") == 1
    assert value(samples, count) == 7
    timed = "countersign_http_request_duration_seconds"
    assert value(samples, f"{timed}_count", route="/v1/requests/{request_id}") == 3
    assert 0 < value(samples, f"{timed}_sum", route="/v1/requests/{request_id}") < 3
    assert value(samples, f"{timed}_bucket", route="/v1/requests/{request_id}", le="+Inf") == 3


async def test_labels_hold_nobodys_data(cast: Cast, settings: Settings) -> None:
    async with api_of(settings) as client:
        with through(cast.sms_owner, client), through(cast.account_manager, client):
            flow = await cast.sms_owner.create_api_key("a very private name")
            await flow.enter_code("000000")
            await cast.account_manager.get("/account-manager/fix-credentials/CS-TRD-SECRET")
        samples = await scrape(client)

    allowed: dict[str, Callable[[str], object]] = {
        "route": {operation.path for operation in operations()}.__contains__,
        "method": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}.__contains__,
        "status": re.compile(r"[2-5]\d\d").fullmatch,
        "le": re.compile(r"[\d.]+|\+Inf").fullmatch,
        "journey": set(map(str, Journey)).__contains__,
        "step": set(map(str, Step)).__contains__,
        "problem": BY_SLUG.__contains__,
        "at_least": re.compile(r"\d+").fullmatch,
        "part": {"database", "temporal", "keys"}.__contains__,
        "state": {"idle", "busy"}.__contains__,
        "channel": {Channel.SMS, Channel.EMAIL}.__contains__,
        "delivery": {Delivery.SENT, Delivery.FAILED}.__contains__,
        "message": {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(AnyMessage)}.__contains__,
        "result": {*BY_SLUG, "done", "taken", "refused", "sent", "failed", "postponed"}.__contains__,
        "kind": set(map(str, Kind)).__contains__,
        "chore": re.compile(r"[a-z_]+").fullmatch,
    }
    for sample in samples:
        for name, text in sample.labels.items():
            assert allowed[name](text), sample
    assert any(sample.labels.get("route") == "/v1/requests/{request_id}/two-factor-code" for sample in samples)


async def test_what_waits_is_read_from_the_database(postgres: EmbeddedPostgres) -> None:
    database = Database(OwnDatabase.make_migrated(postgres).owner_url, pool_size=1)
    await database.open()
    try:
        empty = await _samples_of(database)
        async with database.connection() as connection:
            await connection.execute(WAITING)
        full = await _samples_of(database)
    finally:
        await database.close()

    assert value(empty, "countersign_database_up") == 1
    assert [value(empty, name) for name in GAUGES] == [0, 0, 0]
    assert value(full, "countersign_notices_waiting") == 2
    assert 600 <= value(full, "countersign_oldest_notice_seconds") < 660
    assert 7_200 <= value(full, "countersign_oldest_account_manager_wait_seconds") < 7_260
    waiting = {"journey": "create-fix-credentials", "step": "account_manager"}
    assert value(full, "countersign_open_requests", **waiting) == 2
    assert value(full, "countersign_open_requests") == 3


async def test_each_app_counts_for_itself(settings: Settings) -> None:
    async with api_of(settings) as one, api_of(settings) as other:
        await one.get("/healthz")
        counted = [
            value(await scrape(client), "countersign_http_requests_total", route="/healthz") for client in (one, other)
        ]

    assert counted == [1, 0]


def test_an_app_without_a_database_can_be_made_many_times(settings: Settings, tmp_path: Path) -> None:
    for _ in range(3):
        assert isinstance(create_app(settings).state.metrics, Metrics)


async def test_it_asks_for_no_token_and_may_not_be_stored(http: httpx.AsyncClient) -> None:
    response = await http.get("/metrics")

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"


async def _samples_of(database: Database) -> list[Sample]:
    text = (await Metrics().exposition(database, task_queue="x")).decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


GAUGES = [
    "countersign_notices_waiting",
    "countersign_oldest_notice_seconds",
    "countersign_oldest_account_manager_wait_seconds",
]
WAITING = """
WITH a AS (INSERT INTO accounts (id, name, prime_liquidity) VALUES (gen_random_uuid(), 'Home', true) RETURNING id),
     u AS (INSERT INTO users (id, name, email, two_factor_method)
           VALUES (gen_random_uuid(), 'owner', 'o@example.com', 'none') RETURNING id),
     n AS (INSERT INTO notices (id, account_id, user_id, event, context, created_at, sent_at, failed_at)
           SELECT gen_random_uuid(), a.id, u.id, 'credential_created', '{}', now() - age, sent, failed
           FROM a, u, (VALUES (interval '10 minutes', null::timestamptz, null::timestamptz), ('1 minute', null, null),
                              ('1 day', now(), null), ('1 day', null, now())) AS v (age, sent, failed))
INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey, step, outcome, name,
                      name_key, two_factor_method, asked_at)
SELECT gen_random_uuid(), a.id, u.id, gen_random_uuid(), 1, journey, step, outcome, 'x', 'x' || n, 'none', now() - age
FROM a, u, (VALUES (1, 'create-fix-credentials', 'account_manager', null, interval '2 hours'),
                   (2, 'create-fix-credentials', 'account_manager', null, '1 hour'),
                   (3, 'create-api-key', 'two_factor_code', null, null),
                   (4, 'create-fix-credentials', 'closed', 'activated', '9 hours'))
     AS v (n, journey, step, outcome, age)
"""

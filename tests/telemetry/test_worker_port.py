"""The port of a worker: it answers whatever is down, says what is, and tells what the worker did."""

from pathlib import Path

import pytest
from prometheus_client.samples import Sample
from pydantic import SecretStr

from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.worker_port import PortUnusable, Standing, serving
from tests.support.cast import Providers
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.proxy import Proxy
from tests.support.stage import ended, stage_of
from tests.telemetry.check_deployed import metrics_named
from tests.telemetry.processes import documented, families, samples_of, told_of_itself, value, worker_process

# Prometheus' own word, and what Temporal's SDK tells of only once it has happened.
_UNSEEN = {"up", "temporal_request_failure_total", "temporal_workflow_task_execution_failed_total"}
ALL_UP = {"database": "up", "keys": "up", "temporal": "up", "worker": "up"}
PART = "countersign_part_up"


async def test_it_tells_what_is_down_and_once_all_is_up_what_the_worker_has_done(
    settings: Settings,
    postgres: EmbeddedPostgres,
    temporal: EmbeddedTemporal,
    issuer: Issuer,
    providers: Providers,
    tmp_path: Path,
) -> None:
    own = OwnDatabase.make_migrated(postgres)
    async with Proxy.to(temporal.port) as to_temporal, Proxy.to(postgres.port) as to_database:
        changes = {"database_url": SecretStr(own.app_url), "task_queue": "with-a-port"}
        there = settings.model_copy(update=changes)
        cut_off = there.model_copy(
            update={
                "database_url": SecretStr(own.app_url.replace(f":{postgres.port}/", f":{to_database.port}/")),
                "temporal_address": f"127.0.0.1:{to_temporal.port}",
            }
        )
        await to_temporal.cut()
        await to_database.cut()
        async with (
            stage_of(there, issuer=issuer, providers=providers) as stage,
            worker_process(
                cut_off.model_copy(update={"task_queue": stage.core.settings.task_queue}), tmp_path
            ) as worker,
        ):
            alone = samples_of(await worker.scrape())
            unreached = {"database": "unknown", "keys": "unknown", "temporal": "down", "worker": "down"}
            assert await worker.ready() == (503, unreached)
            assert [(each.labels, each.value) for each in alone if each.name == PART] == [({"part": "temporal"}, 0)]

            await to_temporal.mend()
            without_database = {"database": "down", "keys": "down", "temporal": "up", "worker": "down"}
            await eventually(worker.ready, lambda ready: ready == (503, without_database))
            halfway = samples_of(await worker.scrape())
            assert (value(halfway, PART, part="temporal"), value(halfway, PART, part="database")) == (1, 0)

            await to_database.mend()
            await eventually(worker.ready, lambda ready: ready == (200, ALL_UP))
            flow = await stage.cast.sms_owner.create_api_key()
            await flow.enter_code("000000" if await flow.code() != "000000" else "000001")
            await flow.to_activation_code()
            await flow.enter_activation_code()
            assert await ended(flow) == "activated"
            text = await eventually(worker.scrape, _tells_of_a_mail)
            done = samples_of(text)
            api = await stage.cast.owner.http.get("/metrics")

            await to_temporal.cut()
            await eventually(worker.ready, lambda ready: ready == (503, {**ALL_UP, "temporal": "down"}))
            await to_temporal.mend()
            assert await worker.stop() == 0

    _assert_told(done)
    assert told_of_itself(text) | told_of_itself(api.text) == documented()
    assert metrics_named() - families(text) - families(api.text) - _UNSEEN == set()
    for private in (stage.cast.sms_owner.email, stage.cast.sms_owner.phone[1:], flow.id, "127.0.0.1"):
        assert private not in text


def _assert_told(done: list[Sample]) -> None:
    journey = "create-api-key"
    assert [value(done, PART, part=part) for part in ("temporal", "database", "keys")] == [1, 1, 1]
    assert value(done, "countersign_requests_started_total", journey=journey) == 1
    assert value(done, "countersign_requests_ended_total", journey=journey, outcome="activated") == 1
    steps = ("two_factor_code", "secret_saved", "activation_choice", "activation_code")
    timed = "countersign_step_duration_seconds"
    assert [value(done, f"{timed}_count", journey=journey, step=step) for step in steps] == [1, 1, 1, 1]
    assert 0 < value(done, f"{timed}_sum", journey=journey) < 60
    verdicts = "countersign_verdicts_total"
    assert value(done, verdicts, message="two_factor_code", result="wrong-code") == 1
    assert value(done, verdicts, message="two_factor_code", result="done") == 1
    assert value(done, verdicts) == 5
    assert value(done, "countersign_codes_total", channel="sms", delivery="sent") == 1
    assert value(done, "countersign_codes_total", channel="email", delivery="sent") == 1
    assert value(done, "countersign_provider_call_duration_seconds_count", channel="sms", result="taken") == 1
    assert value(done, "countersign_chore_last_success_timestamp_seconds", chore="beat") > 1_700_000_000
    assert value(done, "countersign_database_pool_requests_total") > 10
    assert value(done, "temporal_workflow_completed_total") == 1
    assert value(done, "temporal_worker_task_slots_available") > 0


def _tells_of_a_mail(text: str) -> bool:
    return value(samples_of(text), "countersign_notices_total", result="sent") >= 1


async def test_a_port_that_is_taken_is_told_in_a_line_with_what_to_set(settings: Settings) -> None:
    async with Proxy.to(1) as taken:
        with pytest.raises(PortUnusable) as caught:
            async with serving(settings.model_copy(update={"worker_port": taken.port}), Standing()):
                pass

    assert f"127.0.0.1:{taken.port} (Address already in use)" in str(caught.value)
    assert "COUNTERSIGN_WORKER_PORT" in str(caught.value)

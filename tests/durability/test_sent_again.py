"""A message that could not be carried out is sent again with the same key, and then it counts, once."""

from datetime import timedelta

import pytest

from countersign import wiring
from tests.support.answers import problem
from tests.support.fix import audit
from tests.support.rows import change, select
from tests.support.stage import Stage
from workflows import storage_steps


@pytest.fixture
def gives_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_steps, "_ROUNDS", 1)
    monkeypatch.setattr(storage_steps, "_ONE_TRY", timedelta(seconds=2))
    monkeypatch.setattr(wiring, "PASSED_THROUGH", (*wiring.PASSED_THROUGH, "workflows.storage_steps"))


async def test_a_message_that_could_not_be_carried_out_counts_once_when_it_is_sent_again_with_its_key(
    stage: Stage, gives_up_at_once: None
) -> None:
    async with stage.at_work():
        flow = await stage.cast.sms_owner.create_api_key()
        code = await flow.code()
        [(key_id,)] = await select(stage.core, "SELECT key_id FROM challenges WHERE request_id = %s", flow.id)
        await change(stage.core, "UPDATE challenges SET key_id = 'gone' WHERE request_id = %s", flow.id)
        for _ in range(2):
            assert problem(await flow.enter_code(code, key="mine")) == (503, "temporarily-unavailable")

        await change(stage.core, "UPDATE challenges SET key_id = %s WHERE request_id = %s", key_id, flow.id)

        answers = [await flow.enter_code(code, key="mine") for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 200]
        events = [each["event"] for each in await audit(stage.cast.sms_owner, flow.id)]
        assert events.count("two-factor:passed") == events.count("credential:created") == 1

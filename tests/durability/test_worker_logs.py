"""What a worker logs of what fails in it: which workflow, which activity, which kind of error, none of its words."""

import logging
from collections.abc import Iterator
from io import StringIO
from uuid import uuid4

import pytest
from temporalio.worker import Worker

from countersign.logs import Discreet
from countersign.wiring import Parts
from tests.durability.failing_workflow import Failing, fail
from tests.support.patience import eventually
from tests.support.sandbox import sandboxed


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What a worker process writes, at the most talkative level."""
    stream, root = StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(stream), root.level
    handler.setFormatter(Discreet())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


async def test_a_failing_activity_and_a_failing_workflow_are_told_without_what_they_say(
    core: Parts, written: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    queue, workflow_id = f"failing-{uuid4()}", f"failing/{uuid4()}"
    worker = Worker(core.client, task_queue=queue, workflows=[Failing], activities=[fail], workflow_runner=sandboxed())

    async def has_failed() -> bool:
        return "Failed activation" in written.getvalue() or "Failing workflow" in written.getvalue()

    async with worker:
        handle = await core.client.start_workflow(Failing.run, "hush", id=workflow_id, task_queue=queue)
        await eventually(has_failed)
        await handle.terminate()

    console = capfd.readouterr()
    for text in (written.getvalue(), console.out, console.err):
        assert "hush" not in text
        assert "olivia" not in text
        assert "493817" not in text
        assert "Traceback" not in text
    assert workflow_id in written.getvalue()
    assert "RuntimeError at fail:" in written.getvalue()

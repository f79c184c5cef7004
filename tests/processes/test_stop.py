import psutil
import pytest

from tests.support.processes import RunningStack


@pytest.mark.prove
def test_sigterm_ends_the_stack_with_every_process_and_the_next_start_finds_its_data(stack: RunningStack) -> None:
    before = stack.person("sam").get("/v1/audit-events")
    processes = stack.processes()
    assert len(processes) >= 5

    assert stack.stop() == 0

    assert [each for each in processes if psutil.pid_exists(each.pid) and each.is_running()] == []
    stack.start()
    assert stack.person("sam").get("/v1/audit-events") == before

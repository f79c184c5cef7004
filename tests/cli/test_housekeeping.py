"""``countersign housekeeping``: by hand what the schedule does every day."""

from tests.cli.terminal import Terminal


def test_it_says_what_would_go_and_then_what_went(terminal: Terminal) -> None:
    would = terminal.run("housekeeping", "--dry-run")

    assert would == "Would be removed: nothing. Requests take with them what belongs to them.\n"
    assert terminal.run("housekeeping") == "Removed: nothing.\n"


def test_a_worker_sees_to_it_that_it_is_done_on_schedule(terminal: Terminal) -> None:
    assert "housekeeping/countersign" in terminal.schedules()

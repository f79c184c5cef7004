"""A workflow that uses every way a payload can travel, for the tests of the payload codec."""

from datetime import timedelta

from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.exceptions import ActivityError, ApplicationError


class Note(BaseModel):
    text: str


@activity.defn
async def echo(note: Note) -> Note:
    if not activity.info().is_local:
        activity.heartbeat("needle-heartbeat")
    return Note(text=f"{note.text}-echoed")


@activity.defn
async def fail(note: Note) -> None:
    raise ApplicationError(f"needle-message-{note.text}", "needle-detail", type="Refused", non_retryable=True)


@workflow.defn
class Child:
    @workflow.run
    async def run(self, note: Note) -> Note:
        return Note(text=f"{note.text}-child")


@workflow.defn
class Listener:
    """Listens until it is told to finish; returns what it heard, in order."""

    @workflow.init
    def __init__(self, note: Note) -> None:
        self.seen = [note.text]
        self.done = False

    @workflow.run
    async def run(self, note: Note) -> list[str]:  # noqa: ARG002 - @workflow.init takes it too
        await workflow.wait_condition(lambda: self.done)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.seen

    @workflow.signal
    def tell(self, note: Note) -> None:
        self.seen.append(note.text)

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.update
    def ask(self, note: Note) -> Note:
        if note.text == "refuse":
            raise ApplicationError("needle-update-refused", type="Refused")
        self.seen.append(note.text)
        return Note(text=f"{note.text}-answered")


@workflow.defn
class Everything(Listener):
    """Uses every way before it listens."""

    @workflow.init
    def __init__(self, note: Note) -> None:
        super().__init__(note)

    @workflow.run
    async def run(self, note: Note) -> list[str]:
        workflow.set_current_details("needle-current-details")
        seconds = timedelta(seconds=10)
        local = await workflow.execute_local_activity(
            echo, Note(text="needle-local"), start_to_close_timeout=seconds, summary="needle-local-summary"
        )
        remote = await workflow.execute_activity(
            echo, Note(text="needle-activity"), start_to_close_timeout=seconds, summary="needle-activity-summary"
        )
        child = await workflow.execute_child_workflow(Child.run, Note(text="needle-child"))
        self.seen += [local.text, remote.text, child.text, await self.failure()]
        await workflow.sleep(0.01, summary="needle-timer-summary")
        return await super().run(note)

    async def failure(self) -> str:
        try:
            await workflow.execute_activity(fail, Note(text="x"), start_to_close_timeout=timedelta(seconds=10))
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError):
                return f"{cause.message}|{cause.details[0]}|{cause.type}"
        return "no failure"

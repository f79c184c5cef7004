"""Database steps: each is one effect in one transaction, and safe to run again."""

from dataclasses import dataclass

from temporalio import activity

from activities.names import (
    APPLY_MESSAGE,
    AWAIT_STORAGE,
    BEGIN_REQUEST,
    EXPIRE_STEP,
    GIVE_UP_SENDING,
    READ_STATE,
    REMIND_ACCOUNT_MANAGERS,
)
from countersign.domain.messages import Envelope, RequestAt, RequestState, SendRef, StepDue, Verdict
from countersign.domain.requests import Delivery
from countersign.effects import deliveries, messages, progress
from countersign.effects.work import Desk
from countersign.telemetry.metrics import CODES


@dataclass(frozen=True)
class RequestActivities:
    """The effects, as activities."""

    desk: Desk

    @activity.defn(name=BEGIN_REQUEST.name)
    async def begin_request(self, start: RequestAt) -> RequestState:
        """Take a starting request to its first step."""
        return await progress.begin(self.desk, start)

    @activity.defn(name=READ_STATE.name)
    async def read_state(self, request: RequestAt) -> RequestState:
        """Return the request as it stands."""
        return await progress.read(self.desk, request)

    @activity.defn(name=APPLY_MESSAGE.name)
    async def apply_message(self, envelope: Envelope) -> Verdict:
        """Carry out a message, or repeat the verdict it got before."""
        return await messages.apply_message(self.desk, envelope)

    @activity.defn(name=EXPIRE_STEP.name)
    async def expire_step(self, due: StepDue) -> RequestState:
        """End a request whose deadline has come."""
        return await progress.expire_step(self.desk, due)

    @activity.defn(name=REMIND_ACCOUNT_MANAGERS.name)
    async def remind_account_managers(self, due: StepDue) -> RequestState:
        """Put reminders into the outbox."""
        return await progress.remind(self.desk, due)

    @activity.defn(name=GIVE_UP_SENDING.name)
    async def give_up_sending(self, ref: SendRef) -> bool:
        """Record that a code could not be delivered while it was good."""
        failure = "The provider did not take it in time."
        await deliveries.record_delivery(self.desk, ref, delivery=Delivery.FAILED, failure=failure)
        CODES.labels(ref.channel, Delivery.FAILED).inc()
        return True

    @activity.defn(name=AWAIT_STORAGE)
    async def await_storage(self) -> None:
        """Return once the database answers; Temporal repeats it until then."""
        await self.desk.database.ping()

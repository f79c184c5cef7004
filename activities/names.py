"""The light side of the activities: their names and what goes in and out, for workflows to call."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from countersign.domain.messages import Envelope, RequestAt, RequestState, SendRef, StepDue, Verdict

Input = TypeVar("Input")
Output = TypeVar("Output")


@dataclass(frozen=True)
class Call(Generic[Input, Output]):
    """An activity's name with its types."""

    name: str
    takes: type[Input]
    returns: type[Output]


BEGIN_REQUEST = Call("begin_request", RequestAt, RequestState)
APPLY_MESSAGE = Call("apply_message", Envelope, Verdict)
READ_STATE = Call("read_state", RequestAt, RequestState)
EXPIRE_STEP = Call("expire_step", StepDue, RequestState)
REMIND_ACCOUNT_MANAGERS = Call("remind_account_managers", StepDue, RequestState)
SEND_CODE = Call("send_code", SendRef, bool)
GIVE_UP_SENDING = Call("give_up_sending", SendRef, bool)
AWAIT_STORAGE = "await_storage"
# Each is an activity, and the workflow that runs it.
RECONCILE = "reconcile"
HOUSEKEEPING = "housekeeping"

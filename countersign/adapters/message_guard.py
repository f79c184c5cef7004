"""Guards workflows against messages with the wrong number of arguments, or with none where one is due.

The SDK drops a signal and rejects an update whose argument it cannot decode, but calls the handler with one argument
too few or too many, and with None for a null of any type: an error there fails the workflow task again and again, and
the workflow is stuck. A ``temporal workflow signal`` without ``--input`` is enough.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


class MessageGuard(Interceptor):
    """For ``Worker(interceptors=[MessageGuard()])``: drops such a signal, fails such an update."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002, ARG002 - the SDK's name
        """Return the part that runs beside each workflow."""
        return _Guard


class _Guard(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        if _fits(workflow.get_signal_handler(input.signal), input.args):
            await super().handle_signal(input)
        else:
            workflow.logger.warning("Dropped the signal %s: wrong number of arguments", input.signal)

    async def handle_update_handler(self, input: HandleUpdateInput) -> object:  # noqa: A002 - the SDK's name
        if _fits(workflow.get_update_handler(input.update), input.args):
            return await super().handle_update_handler(input)
        raise ApplicationError("The message has the wrong number of arguments.", type="invalid-input")


def _fits(handler: Callable[..., Any] | None, args: Sequence[Any]) -> bool:
    if handler is None:
        return True  # a dynamic handler takes anything
    function, bound = _unbound(handler)
    try:
        _signature(function).bind(*bound, *args)
    except TypeError:
        return False
    return None not in args


@lru_cache(maxsize=256)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _unbound(handler: Callable[..., Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    # Unbound, or the cache would keep every workflow that was ever told something.
    if inspect.ismethod(handler):
        return handler.__func__, (handler.__self__,)
    # The SDK binds a coroutine method by a closure over `fn` and `obj` whose own signature takes anything.
    code, cells = getattr(handler, "__code__", None), getattr(handler, "__closure__", None)
    if code is not None and cells is not None and {"fn", "obj"} <= set(code.co_freevars):
        enclosed = dict(zip(code.co_freevars, cells, strict=True))
        return enclosed["fn"].cell_contents, (enclosed["obj"].cell_contents,)
    return handler, ()

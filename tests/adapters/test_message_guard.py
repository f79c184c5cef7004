"""The guard: a message with too few or too many arguments, or a null, never reaches its handler."""

from collections.abc import Callable
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.worker import HandleSignalInput, HandleUpdateInput

from countersign.adapters import message_guard
from countersign.adapters.message_guard import MessageGuard, _fits, _Guard


class Journey:
    async def cancel(self, message: str) -> str:
        return message

    async def note(self, message: str, more: str = "") -> None: ...


def bound(method: Any, instance: object) -> Callable[..., Any]:
    """Bind a coroutine method as the SDK does."""

    async def with_object(*args: Any, **kwargs: Any) -> Any:
        return await fn(obj, *args, **kwargs)

    fn, obj = method, instance
    return with_object


CANCEL, NOTE = bound(Journey.cancel, Journey()), bound(Journey.note, Journey())


@pytest.mark.parametrize(
    ("handler", "args", "fits"),
    [
        (CANCEL, ["please"], True),
        (CANCEL, [], False),
        (CANCEL, ["please", "now"], False),
        (CANCEL, [None], False),
        (NOTE, ["please", "now"], True),
        (NOTE, ["please", None], False),
        (Journey().cancel, ["please"], True),
        (Journey().cancel, [], False),
        (lambda message: message, ["please"], True),
        (lambda message: message, [], False),
        (print, ["any", "number"], True),
        (None, [], True),
        (None, [None], True),
    ],
)
def test_only_what_a_handler_can_take_fits(handler: Callable[..., Any] | None, args: list[Any], fits: object) -> None:
    assert _fits(handler, args) is fits


def closure_over_fn(fn: int) -> Callable[..., Any]:
    def handler(message: str) -> int:
        return fn

    return handler


def closure_over_obj(obj: int) -> Callable[..., Any]:
    def handler(message: str) -> int:
        return obj

    return handler


@pytest.mark.parametrize("handler", [closure_over_fn(1), closure_over_obj(1)])
def test_a_closure_over_something_else_is_taken_as_it_is(handler: Callable[..., Any]) -> None:
    assert _fits(handler, ["please"])
    assert not _fits(handler, [])


class Handled:
    """What stands next in the chain, and the workflow's own word for its handlers."""

    def __init__(self) -> None:
        self.signals: list[str] = []
        self.asked: list[str] = []
        self.warned: list[tuple[object, ...]] = []
        self.logger = self

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        self.signals.append(input.signal)

    async def handle_update_handler(self, input: HandleUpdateInput) -> object:  # noqa: A002 - the SDK's name
        return f"did {input.update}"

    def get_signal_handler(self, name: str | None) -> Callable[..., Any]:
        self.asked.append(f"signal {name}")
        return CANCEL

    def get_update_handler(self, name: str | None) -> Callable[..., Any]:
        self.asked.append(f"update {name}")
        return CANCEL

    def warning(self, *told: object) -> None:
        self.warned.append(told)


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Handled:
    made = Handled()
    monkeypatch.setattr(message_guard, "workflow", made)
    return made


def signal(*args: Any) -> HandleSignalInput:
    return HandleSignalInput(signal="cancel", args=args, headers={})


def update(*args: Any) -> HandleUpdateInput:
    return HandleUpdateInput(id="1", update="cancel", args=args, headers={})


async def test_a_signal_that_fits_goes_on_and_another_is_dropped_with_a_word_of_its_name(handled: Handled) -> None:
    guard = _Guard(handled)  # type: ignore[arg-type] # what stands next
    await guard.handle_signal(signal("please"))
    assert (handled.signals, handled.asked, handled.warned) == (["cancel"], ["signal cancel"], [])
    await guard.handle_signal(signal())
    await guard.handle_signal(signal(None))
    assert handled.signals == ["cancel"]
    assert [told[1:] for told in handled.warned] == [("cancel",)] * 2


async def test_an_update_that_fits_is_answered_and_another_fails_for_good(handled: Handled) -> None:
    guard = _Guard(handled)  # type: ignore[arg-type] # what stands next
    assert await guard.handle_update_handler(update("please")) == "did cancel"
    assert handled.asked == ["update cancel"]
    with pytest.raises(ApplicationError) as refusal:
        await guard.handle_update_handler(update())
    assert refusal.value.type == "invalid-input"


def test_the_guard_stands_beside_every_workflow() -> None:
    assert MessageGuard().workflow_interceptor_class(None) is _Guard  # type: ignore[arg-type] # it looks at nothing

"""What is spoken of once a session is open."""

from collections.abc import Sequence
from typing import Protocol

from countersign.gateway_client import Allowed
from examples.gateway.fix.wire import Message


class Unsupported(Exception):
    """A type of message that is not served here."""


class FieldFault(Exception):
    """A field that is missing, or says what cannot be understood."""

    def __init__(self, tag: int, text: str) -> None:
        super().__init__(text)
        self.tag = tag


class Application(Protocol):
    """Answers what the session itself does not."""

    def answer(self, decision: Allowed, message: Message) -> Sequence[Message]:
        """Return the answers; raises ``Unsupported`` and ``FieldFault``."""

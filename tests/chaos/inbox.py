"""What reached people, and with which codes."""

import re
from collections.abc import Sequence
from typing import Any

from tests.adapters.standins import Received
from tests.chaos.stack import Stack
from tests.chaos.town import Person

_CODE = re.compile(r"\b\d{6}\b")


def code_in(text: str) -> str:
    found = _CODE.search(text)
    assert found, "no code in the message"
    return found[0]


def texts_to(stack: Stack, person: Person) -> list[Received]:
    """Return the SMS that reached the person, oldest first."""
    return [each for each in _there(stack.twilio.received) if each.body["To"] == person.phone]


def activation_mails(stack: Stack, request_id: str) -> list[Received]:
    """Return the mails with a code for the activation that reached the person, oldest first."""
    return [each for each in _there(stack.sendgrid.received) if f"/activate/{request_id}#" in mail_text(each)]


def link_token(mail: Received) -> str:
    found = re.search(r"/activate/[\w-]+#([\w-]+)", mail_text(mail))
    assert found
    return found[1]


def mail_text(mail: Received) -> str:
    return str(mail.body["content"][0]["value"])


def mail_key(mail: Received) -> str:
    """Return the key that the mail was sent under: ``notice/…``, or challenge and number of a code."""
    arguments: dict[str, Any] = mail.body["personalizations"][0].get("custom_args") or mail.body["custom_args"]
    return str(arguments["countersign_key"])


def _there(received: Sequence[Received]) -> list[Received]:
    return [each for each in list(received) if each.reaches_the_person]

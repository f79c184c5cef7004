"""Requests of the town's people, whose codes come to the providers' stand-ins."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tests.support import processes
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.runbook.town import Town

_CODE = re.compile(r"\b\d{6}\b")


@dataclass
class Creation:
    """One request of a person with SMS."""

    town: "Town"
    begun: processes.Creation

    @property
    def id(self) -> str:
        return self.begun.id

    def shown(self) -> dict[str, Any]:
        return self.begun.shown()

    def post(self, path: str, body: object = None) -> Any:
        return self.begun.post(path, body)

    def variables(self) -> dict[str, str]:
        """Return what the runbook's commands call this request."""
        shown = self.shown()
        return {"REQUEST": self.id, "WORKFLOW": shown["workflow_id"], "SESSION_NAME": shown["name"]}

    def sent(self) -> Self:
        self.begun.until(lambda shown: shown["delivery"] == "sent")
        return self

    def to_choice(self) -> Self:
        self.sent()
        found = _CODE.search(self.town.sms()[-1])
        assert found
        self.post("/two-factor-code", self.begun.code_body(found[0]))
        self.begun.reveal()
        self.post("/secret-saved")
        return self

    def activate(self) -> Self:
        self.post("/activation", {"when": "now"})
        return self

    def mailed_code(self) -> str:
        """Return the code that was mailed for the activation."""
        self.sent()
        link = f"/activate/{self.id}#"
        wait_until(lambda: any(link in text for text in self.town.mails()))
        found = _CODE.search(next(text for text in reversed(self.town.mails()) if link in text))
        assert found
        return found[0]

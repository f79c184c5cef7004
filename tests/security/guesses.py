"""Codes as people have them, and as thieves try them: right, wrong, dead, used, and somebody else's."""

import re
from dataclasses import dataclass
from itertools import chain

from tests.security.rulebook import Approval
from tests.security.world import World

_STEP = 30
KINDS = ["right", "wrong", "stale", "used", "foreign"]


@dataclass(frozen=True)
class Guesses:
    """Picks codes, and judges by itself which of them fit."""

    world: World

    def two_factor(self, approval: Approval, kind: str) -> str:
        """Return a code of that kind, or one that is simply wrong where there is none of it."""
        found = self._of_authenticator(approval, kind) if self._has_authenticator(approval) else None
        return found or self._sent(approval, kind) or self._wrong(approval)

    def mailed(self, approval: Approval, kind: str, *, link: bool) -> str:
        """Return a code from a mail, or what stands in its link."""
        if not link:
            return self._sent(approval, kind) or self._wrong(approval)
        others = [each for each in self.world.book.approvals if each is not approval]
        sources = {
            "right": [approval],
            "used": [each for each in others if each.closed],
            "foreign": [each for each in others if not each.closed],
        }
        tokens = [token for each in sources.get(kind, []) for token in self._links(each)]
        return tokens[-1] if tokens else "x" * 43

    def is_link_of(self, approval: Approval, text: str) -> bool:
        """Whether the token stands in a mail of this request."""
        return text in self._links(approval)

    def fits(self, approval: Approval, code: str) -> bool:
        """Whether the code is the right one and not dead or used for certain."""
        live = approval.live_codes()
        if not self._has_authenticator(approval):
            return code in live
        step = self.step_of(approval, code)
        used = self.world.book.used_steps.get(approval.requester.id, 0)
        return bool(live) and step is not None and step > used

    def step_of(self, approval: Approval, code: str) -> int | None:
        """Return the time step, about the present one, whose code this is, or None."""
        if not self._has_authenticator(approval):
            return None
        now = int(approval.now.timestamp()) // _STEP
        steps = [step for step in range(now - 2, now + 3) if approval.requester.code_of_step(step) == code]
        return max(steps, default=None)

    def _of_authenticator(self, approval: Approval, kind: str) -> str | None:
        person, now = approval.requester, int(approval.now.timestamp()) // _STEP
        used = self.world.book.used_steps.get(person.id, 0)
        steps = {
            "right": max(used + 1, now - (1 if approval.now.timestamp() % _STEP < _STEP - 5 else 0)),
            "stale": now - 10,
            "used": used,
        }
        step = steps.get(kind)
        return person.code_of_step(step) if step and step <= now + 1 else None

    def _sent(self, approval: Approval, kind: str) -> str | None:
        if kind == "right":
            return next((code for code, _ in reversed(approval.codes) if code), None)
        others = [each for each in self.world.book.approvals if each is not approval]
        codes: dict[str, list[str | None]] = {
            "stale": [code for code, _ in approval.codes if code not in approval.live_codes()],
            "used": [code for each in others if each.closed for code in each.spent],
            "foreign": [code for each in others for code, _ in each.codes],
        }
        return next((code for code in reversed(codes.get(kind, [])) if code), None)

    def _wrong(self, approval: Approval) -> str:
        good = {code for code, _ in approval.codes}
        if self._has_authenticator(approval):
            now = int(approval.now.timestamp()) // _STEP
            good = set(chain(good, (approval.requester.code_of_step(now + offset) for offset in range(-4, 5))))
        return next(code for code in (f"{digit}" * 6 for digit in range(10)) if code not in good)

    def _links(self, approval: Approval) -> list[str]:
        mails = map(str, approval.requester.providers.mails_to(approval.requester.email))
        return [token for mail in mails for token in re.findall(rf"/activate/{approval.flow.id}#([\w-]+)", mail)]

    @staticmethod
    def _has_authenticator(approval: Approval) -> bool:
        return any(code is None for code, _ in approval.codes)

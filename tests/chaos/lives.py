"""What people do: one journey after another, each as their plan for it says, with what people get wrong."""

import asyncio
import base64
import hashlib
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos import inbox
from tests.chaos.calling import Call, Switchboard
from tests.chaos.stack import Stack
from tests.chaos.town import Household, Person

_LOOKS = 90
_CODE_PATIENCE_SECONDS = 6
_FRESH_SECONDS = 45
_KEYS, _FIX = "/v1/api-keys", "/v1/fix-credentials"


@dataclass
class Plan:
    """How a person means to go through one journey."""

    wrong_codes: int = 0
    wrong_at: str = "two-factor-code"
    resends: int = 0
    leaves_at: str = ""
    cancels_at: str = ""
    later: bool = False
    by_link: bool = False
    clicks_twice: bool = False
    reveals: int = 1
    decision: str = "activate"

    @classmethod
    def draw(cls, chance: random.Random) -> "Plan":
        steps = ["two_factor_code", "secret_saved", "activation_choice", "activation_code", "account_manager"]
        return cls(
            wrong_codes=chance.choices([0, 1, 2, 5], [80, 10, 6, 4])[0],
            wrong_at=chance.choice(["two-factor-code", "activation-code"]),
            resends=chance.choices([0, 1], [85, 15])[0],
            leaves_at=chance.choice(steps) if chance.random() < 0.08 else "",
            cancels_at=chance.choice(steps) if chance.random() < 0.1 else "",
            later=chance.random() < 0.2,
            by_link=chance.random() < 0.4,
            clicks_twice=chance.random() < 0.25,
            reveals=chance.choices([1, 2, 3], [70, 20, 10])[0],
            decision=chance.choices(["activate", "reject", ""], [75, 15, 10])[0],
        )


@dataclass
class Life:
    """One person at work; ``fix`` says whether with FIX credentials."""

    person: Person
    household: Household
    stack: Stack
    board: Switchboard
    chance: random.Random
    fix: bool = False
    same_plan: Plan | None = None
    plan: Plan = field(default_factory=Plan)
    verifier: str = ""
    mark: int = 0
    right_codes: set[str] = field(default_factory=set)

    async def live(self, journeys: int) -> None:
        """Go through so many journeys, on to the next whatever became of one."""
        begun_ones = 0
        for number in range(2 * journeys):
            if begun_ones == journeys:
                return
            self.plan = replace(self.same_plan) if self.same_plan else Plan.draw(self.chance)
            self.verifier = secrets.token_urlsafe(32)
            self.mark = len(inbox.texts_to(self.stack, self.person))
            begun = await self._begin(number)
            if begun is not None:
                begun_ones += 1
                await self.see_through(begun)

    async def _begin(self, number: int) -> str | None:
        """Begin whatever the person's credential is ready for; return the request's id."""
        path = _FIX if self.fix else _KEYS
        mine = [each for each in await self._listed(path) if self.fix or each["name"].startswith(self._prefix)]
        if not mine or (self.fix and self.chance.random() < 0.3):
            body = {"session_type": self.chance.choice(["trade", "market_data"])} if self.fix else self._new_key(number)
            return await self._start(path, body)
        credential = self.chance.choice(mine)
        if not self.fix and self.chance.random() < 0.5:
            return await self._start(f"{path}/{credential['id']}/edits", self._edited(credential))
        if credential["status"] == "active":
            await self._do("POST", f"{path}/{credential['id']}/deactivations")
        return await self._start(f"{path}/{credential['id']}/activations", {})

    @property
    def _prefix(self) -> str:
        return f"bot of {self.person.id.hex[:8]}"

    def _new_key(self, number: int) -> dict[str, Any]:
        permissions = self.chance.choice([["trade"], [], ["trade", "funds_internal"]])
        return {"name": f"{self._prefix} {number}", "permissions": permissions, "ip_whitelist": "203.0.113.7"}

    def _edited(self, credential: dict[str, Any]) -> dict[str, Any]:
        whitelist = f"203.0.113.{self.chance.randrange(256)} 198.51.100.{self.chance.randrange(256)}"
        body = {"permissions": list(credential["permissions"]), "ip_whitelist": whitelist}
        return {**body, "acknowledge_deactivation": True}

    async def _listed(self, path: str) -> list[dict[str, Any]]:
        call = await self._do("GET", path)
        items: list[dict[str, Any]] = call.answer.get("items", [])
        return items

    async def _start(self, path: str, body: dict[str, Any]) -> str | None:
        call = await self._do("POST", path, body or None)
        if waiting := call.answer.get("request_id"):
            # One that the person left earlier stands in the way.
            await self._do("DELETE", f"/v1/requests/{waiting}")
            call = await self._do("POST", path, body or None)
        return str(call.answer["id"]) if call.accepted else None

    async def see_through(self, request_id: str) -> None:
        """Do what the request waits for until it has ended, or the plan says to leave."""
        for _ in range(_LOOKS):
            shown = (await self._do("GET", f"/v1/requests/{request_id}")).answer
            step = shown.get("step", "closed")
            if step in {"closed", self.plan.leaves_at}:
                return
            if step == self.plan.cancels_at:
                await self._do("DELETE", f"/v1/requests/{request_id}")
                self.plan.cancels_at = ""
            elif step == "account_manager" and not self.plan.decision:
                return
            else:
                await _AT[step](self, request_id, shown)

    async def _starting(self, _request_id: str, _shown: dict[str, Any]) -> None:
        await asyncio.sleep(0.2)

    async def _two_factor_code(self, request_id: str, shown: dict[str, Any]) -> None:
        code = await self._resending(request_id, shown, self._sms if self.person.sms else self._authenticator)
        await self._enter(request_id, "two-factor-code", code, {"reveal_challenge": challenge_of(self.verifier)})

    async def _activation_code(self, request_id: str, shown: dict[str, Any]) -> None:
        if self.plan.later and self.chance.random() < 0.3:
            await self._message(request_id, "activation", {"when": "later"})
            return

        async def mailed() -> tuple[str, float]:
            mails = inbox.activation_mails(self.stack, request_id)
            if not mails:
                return "", 0.0
            self.right_codes.update(inbox.code_in(inbox.mail_text(each)) for each in mails)
            return inbox.code_in(inbox.mail_text(mails[-1])), mails[-1].at

        code = await self._resending(request_id, shown, mailed)
        mails = inbox.activation_mails(self.stack, request_id)
        if self.plan.by_link and mails:
            body = {"token": inbox.link_token(mails[-1])}
            await self._message(request_id, "activation-link", body, means="right")
        else:
            await self._enter(request_id, "activation-code", code, {})

    async def _secret_saved(self, request_id: str, _shown: dict[str, Any]) -> None:
        for _ in range(self.plan.reveals):
            call = await self._message(request_id, "secret", {"reveal_verifier": self.verifier}, twice=False)
            if call.status == 410:
                await self._do("DELETE", f"/v1/requests/{request_id}")
                return
        saved = await self._message(request_id, "secret-saved")
        # A second look must never be granted.
        if saved.accepted and self.plan.reveals > 1:
            await self._message(request_id, "secret", {"reveal_verifier": self.verifier}, twice=False, means="too late")

    async def _activation_choice(self, request_id: str, _shown: dict[str, Any]) -> None:
        await self._message(request_id, "activation", {"when": "later" if self.plan.later else "now"})

    async def _account_manager(self, _request_id: str, shown: dict[str, Any]) -> None:
        manager, path = self.household.manager, f"/v1/account-manager/fix-credentials/{shown['name']}"
        entry = (await self._call(manager, "GET", path)).answer
        if "version" in entry:
            body = {"decision": self.plan.decision, "version": entry["version"]}
            await self._call(manager, "POST", f"{path}/decision", body, means=shown["id"])

    async def _sms(self) -> tuple[str, float]:
        texts = inbox.texts_to(self.stack, self.person)
        # A text of the journey before may come a second time, late.
        known = {each.body["Body"] for each in texts[: self.mark]}
        texts = [each for each in texts[self.mark :] if each.body["Body"] not in known]
        self.right_codes.update(inbox.code_in(each.body["Body"]) for each in texts)
        return (inbox.code_in(texts[-1].body["Body"]), texts[-1].at) if texts else ("", 0.0)

    async def _authenticator(self) -> tuple[str, float]:
        await asyncio.sleep(self.person.next_code_in())
        self.right_codes = self.person.authenticator_codes_near()
        return self.person.authenticator_code(), time.time()

    async def _resending(
        self, request_id: str, shown: dict[str, Any], look: Callable[[], Awaitable[tuple[str, float]]]
    ) -> str:
        """Return a code once one has come; ask for another when none does, or it is old, or the plan says so."""
        deadline = time.time() + _CODE_PATIENCE_SECONDS
        code, came_at = await look()
        while not code and time.time() < deadline:
            await asyncio.sleep(0.1)
            code, came_at = await look()
        if self.plan.resends or not code or time.time() > came_at + _FRESH_SECONDS:
            self.plan.resends = max(0, self.plan.resends - 1)
            step = shown["step"].replace("_", "-")
            await self._message(request_id, f"{step}/resend", twice=self.plan.clicks_twice)
            await asyncio.sleep(self.chance.uniform(0.5, 2.5))
            code = (await look())[0] if shown["channel"] != "authenticator" else code
        return code

    async def _enter(self, request_id: str, verb: str, code: str, more: dict[str, Any]) -> None:
        if not code:
            return
        means = "right"
        if self.plan.wrong_codes and self.plan.wrong_at == verb:
            self.plan.wrong_codes -= 1
            wrong = (f"{self.chance.randrange(10**6):06}" for _ in range(100))
            code, means = next(each for each in wrong if each not in self.right_codes), "wrong"
            if not self.person.sms and verb == "two-factor-code":
                self.person.last_step -= 1  # the authenticator's code was not used after all
        await self._message(request_id, verb, {"code": code, **more}, means=means)

    async def _message(
        self, request_id: str, verb: str, body: dict[str, Any] | None = None, *, means: str = "", twice: bool = True
    ) -> Call:
        path = f"/v1/requests/{request_id}/{verb}"
        return await self._do("POST", path, body, means=means, twice=twice)

    async def _do(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, means: str = "", twice: bool = True
    ) -> Call:
        """Call; a person who clicks twice sends the same twice at once."""
        if method != "GET":
            await asyncio.sleep(self.chance.uniform(0, 0.4))
        if not (twice and self.plan.clicks_twice and method == "POST"):
            return await self._call(self.person, method, path, body, means=means)
        key = secrets.token_hex(8)
        first, _ = await asyncio.gather(
            *(self._call(self.person, method, path, body, means=means, key=key) for _ in range(2))
        )
        return first

    async def _call(
        self,
        person: Person,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        means: str = "",
        key: str | None = None,
    ) -> Call:
        return await self.board.call(person, method, path, body, means=means, key=key, chance=self.chance)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


_AT: dict[str, Callable[[Life, str, dict[str, Any]], Awaitable[None]]] = {
    "starting": Life._starting,
    "two_factor_code": Life._two_factor_code,
    "secret_saved": Life._secret_saved,
    "activation_choice": Life._activation_choice,
    "activation_code": Life._activation_code,
    "account_manager": Life._account_manager,
}

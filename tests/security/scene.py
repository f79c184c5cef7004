"""The API with two customers of the exchange, everybody who could call it, and all that was answered."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Self

import httpx
import schemathesis

from api.app import create_app
from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.security.fuzzing import Fuzz
from tests.security.harvest import Answer, Harvest, betrayals, echoes, leaks
from tests.security.households import furnish, ids_of, make_unique, markers_of, walk
from tests.support.cast import Cast, Providers
from tests.support.openapi import Operation, operations
from tests.support.site import serving
from tests.support.stage import without_caps
from tests.support.workers import working

BOTH = frozenset({"ours", "theirs"})
HIDDEN = {
    "owner": {"theirs"},
    "sms_owner": {"theirs"},
    "bare_owner": {"theirs"},
    "outsider": {"ours"},
    "account_manager": {"theirs"},
    "unassigned_manager": BOTH,
    "member": BOTH,
    "plain_owner": BOTH,
    "nobody": BOTH,
    "expired": BOTH,
    "forged": BOTH,
    "ops": frozenset[str](),  # ops may read every account's trail
    "walking": frozenset[str](),  # all of ours, one after another
}


@dataclass
class Scene:
    """The API with two households, ours and theirs, and all that was answered so far."""

    fuzz: Fuzz
    ours: Cast
    theirs: Cast
    tokens: dict[str, str | None]
    harvest: Harvest

    def __repr__(self) -> str:
        return "Scene()"

    @classmethod
    @asynccontextmanager
    async def set(cls, core: Parts, issuer: Issuer, providers: Providers, stranger: Issuer) -> AsyncIterator[Self]:
        rules = without_caps(core.settings.rules)
        changes = {"message_timeout_seconds": 60.0, "rules": rules, "task_queue": "whole-api"}
        settings = core.settings.model_copy(update=changes)
        own = replace(core, settings=settings, desk=replace(core.desk, rules=rules))
        async with (
            working(own),
            serving(create_app(settings)) as url,
            httpx.AsyncClient(base_url=url, timeout=60) as http,
        ):
            ours, theirs = [
                await Cast.enter(own, http=http, issuer=issuer, providers=providers) for _ in ("ours", "theirs")
            ]
            document = (await http.get("/openapi.json")).json()
            tokens = _tokens(ours, theirs, issuer=issuer, stranger=stranger)
            yield cls(Fuzz(document, url, {}), ours, theirs, tokens, Harvest())

    async def walk(self, *, whole: bool) -> None:
        """Open requests at every step in both households, and call each operation once with success."""
        http, kept = self.ours.owner.http, self.harvest.answers

        async def keep(response: httpx.Response) -> None:
            kept.append(await self._checked(response))

        http.event_hooks = {"response": [keep]}
        await furnish(self.ours, mark="ours", whole=whole)
        await walk(self.ours, mark="ours")
        http.event_hooks = {}
        await furnish(self.theirs, mark="theirs", whole=whole)
        # From now on nobody here reads what is sent to people.
        await make_unique(self.ours, domain="ours.example", last_digits="17")
        await make_unique(self.theirs, domain="theirs.example", last_digits="94")
        self.fuzz = replace(self.fuzz, ids=await ids_of([self.ours, self.theirs]))

    async def send(self, role: str, *, seed: int, **phases: int) -> None:
        await asyncio.to_thread(self.fuzz.run, self.harvest, role, self.tokens[role], seed=seed, **phases)

    async def assert_sound(self) -> None:
        """Nothing at fault, nothing undocumented, nothing told to whom it does not concern, everything reached."""
        markers = {
            name: await markers_of(cast, mark=name) for name, cast in (("ours", self.ours), ("theirs", self.theirs))
        }
        assert all(len(marks) > 20 for marks in markers.values())
        answers = self.harvest.answers
        unreached = self.harvest.never_reached(map(str, operations()))
        wrong = [
            *self.harvest.faults,
            *(str(answer) for answer in answers if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR),
            *leaks(answers, markers, hidden_from=HIDDEN),
            *echoes(answers),
            *betrayals(answers),
            *(f"nobody was ever answered with success by {operation}: let the walk call it" for operation in unreached),
        ]
        assert wrong == [], "\n".join(wrong)

    async def _checked(self, response: httpx.Response) -> Answer:
        """Return the answer; what the walk meets has to fit the document as well."""
        await response.aread()
        request = response.request
        operation = _operation_of(request, self.fuzz.url)
        schema = schemathesis.openapi.from_dict(self.fuzz.document)
        assert str(response.status_code) in operation.document["responses"], (str(operation), response.status_code)
        assert schema[operation.path][operation.method].validate_response(response) is None
        return Answer(
            role="walking",
            operation=str(operation),
            status=response.status_code,
            asked=f"{request.method} {request.url}",
            sent=request.content.decode(),
            headers=str(response.headers),
            got=response.text,
        )


def _operation_of(request: httpx.Request, url: str) -> Operation:
    path = str(request.url).removeprefix(url).partition("?")[0]
    fits = [each for each in operations() if each.method == request.method and _pattern(each).fullmatch(path)]
    return min(fits, key=lambda each: each.path.count("{"))


def _pattern(operation: Operation) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+}", "[^/]+", operation.path))


def _tokens(ours: Cast, theirs: Cast, *, issuer: Issuer, stranger: Issuer) -> dict[str, str | None]:
    owner, hour = ours.owner, timedelta(hours=1)

    def of_owner(by: Issuer, lifetime: timedelta) -> str:
        account = str(owner.account_id)
        return by.mint(subject=str(owner.id), audience="countersign", account=account, lifetime=lifetime)

    own = ["owner", "sms_owner", "bare_owner", "member", "plain_owner", "account_manager", "unassigned_manager", "ops"]
    return {
        **{name: getattr(ours, name).token for name in own},
        "outsider": theirs.sms_owner.token,
        "nobody": None,
        "expired": of_owner(issuer, -hour),
        "forged": of_owner(stranger, hour),
    }

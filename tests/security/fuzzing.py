"""Schemathesis over the whole API as one caller after another: what was sent, what came back, what was at fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zlib import crc32

import schemathesis
from schemathesis import Case, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.hooks import HookContext, unregister

from tests.security.harvest import Answer, Harvest

SEED = 20_261_126
_ACCEPTED = ["2xx", "401", "403", "404", "409", "410", "422", "429"]
# What is cancelled stays to be read, and what a 202 promises comes to be with the two-factor code.
_MISTAKEN = {"use_after_free": {"enabled": False}, "ensure_resource_availability": {"enabled": False}}
_LONGEST_SESSION_NAME = 64
_OFF = {name: {"enabled": False} for name in ("examples", "coverage", "fuzzing", "stateful")}


@dataclass(frozen=True)
class Fuzz:
    """The API to send to, and the ids there are, by the names of path parameters."""

    document: dict[str, Any]
    url: str
    ids: dict[str, list[str]]

    def run(self, harvest: Harvest, role: str, token: str | None, *, seed: int, **phases: int) -> None:
        """Send what Schemathesis makes up for every operation, with all its checks; blocks: it belongs into a thread.

        ``phases`` tells which are run, and with how many examples for each operation.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        schema = schemathesis.openapi.from_dict(self.document, config=self._config(headers, SEED + seed, phases))
        with _hooked(before_call=self._with_real_ids(), after_call=_recorder(harvest, role)):
            for event in from_schema(schema).execute():
                harvest.faults += [f"{role}: {fault}" for fault in _faults(event)]

    def _config(self, headers: dict[str, str], seed: int, phases: dict[str, int]) -> SchemathesisConfig:
        # Coverage makes all its cases; the number means nothing there.
        wanted = {
            name: {"enabled": True, **({} if name == "coverage" else {"generation": {"max-examples": examples}})}
            for name, examples in phases.items()
        }
        return SchemathesisConfig.from_dict(
            {
                "seed": seed,
                "base-url": self.url,
                "headers": headers,
                "continue-on-failure": True,
                "generation": {"database": "none", "no-shrink": True, "with-security-parameters": not headers},
                "checks": {"positive_data_acceptance": {"expected-statuses": _ACCEPTED}, **_MISTAKEN},
                "phases": {**_OFF, **wanted},
            }
        )

    def _with_real_ids(self) -> Any:
        def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
            for name, value in (case.path_parameters or {}).items():
                case.path_parameters[name] = self._real(name, value)

        return before_call

    def _real(self, name: str, value: Any) -> Any:
        """Return three times of four an id that there is, always the same for the same value."""
        pool = self.ids.get(name) or [each for ids in self.ids.values() for each in ids]
        if value in pool or not _is_valid(name, value):
            return value
        choice = crc32(str(value).encode(errors="replace"))
        return pool[choice // 4 % len(pool)] if choice % 4 else value


def _is_valid(name: str, value: Any) -> bool:
    if name == "session_name":
        return isinstance(value, str) and 0 < len(value) <= _LONGEST_SESSION_NAME
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


@contextmanager
def _hooked(**hooks: Any) -> Iterator[None]:
    # Schemathesis takes these two for the whole process alone.
    for name, hook in hooks.items():
        schemathesis.hook(name)(hook)
    try:
        yield
    finally:
        for hook in hooks.values():
            unregister(hook)


def _recorder(harvest: Harvest, role: str) -> Any:
    def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
        request, body = response.request, response.request.body or b""
        sent = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        harvest.answers.append(
            Answer(
                role=role,
                operation=case.operation.label,
                status=response.status_code,
                asked=f"{request.method} {request.url}\n{request.headers}",
                sent=sent,
                headers=str(response.headers),
                got=response.content.decode(errors="replace"),
            )
        )

    return after_call


def _faults(event: Any) -> Iterator[str]:
    if isinstance(event, events.NonFatalError):
        yield f"{event.label}: {event.value!r}"
    if isinstance(event, events.ScenarioFinished):
        for case_id, checks in event.recorder.checks.items():
            label = event.recorder.cases[case_id].value.operation.label
            for check in checks:
                if (found := check.failure_info) is not None:
                    # Schemathesis leaves tokens and what is called a secret out of the command that repeats the call.
                    told = f"{found.failure.title}: {found.failure.message}"
                    yield f"{check.name}: {label}: {told}\n  repeat it: {found.code_sample}"

"""For random sequences of messages by random actors, no credential is active without every step its journey demands."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from countersign.domain.audit import AuditTag
from countersign.domain.codes import Window
from countersign.effects import activation, authority, codes, secrets, totp, two_factor
from countersign.effects.work import Work
from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.security.invariants import Violated
from tests.security.machine import Machine
from tests.security.rulebook import DEMANDED
from tests.support.cast import Cast, Providers
from tests.support.stage import Stage, set_stage, without_caps

BASIC = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)


@pytest.fixture
async def stage(core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    changes = {"rules": without_caps(core.settings.rules), "message_timeout_seconds": 60.0}
    async with set_stage(core, issuer=issuer, providers=providers, **changes) as opened, opened.at_work():
        yield opened


async def play(stage: Stage, *, examples: int, steps: int) -> Counter[str]:
    """Let the machine run; return how often which journey ended with an active credential."""
    first = stage.cast.owner

    async def enter() -> Cast:
        return await Cast.enter(stage.core, http=first.http, issuer=first.issuer, providers=first.providers)

    class Played(Machine):
        pass

    Played.loop, Played.enter, Played.activated = asyncio.get_running_loop(), staticmethod(enter), Counter()
    chosen = settings(BASIC, max_examples=examples, stateful_step_count=steps)
    await asyncio.to_thread(run_state_machine_as_test, Played, settings=chosen)
    return Played.activated


async def test_a_sample_of_sequences_leaves_nothing_active_without_its_steps(stage: Stage) -> None:
    activated = await play(stage, examples=3, steps=20)

    assert activated["moves"] > 30
    assert activated["create-api-key"] > 0


@pytest.mark.prove
async def test_thousands_of_moves_leave_nothing_active_without_its_steps(stage: Stage) -> None:
    activated = await play(stage, examples=60, steps=40)

    print(activated)  # noqa: T201 - how often which journey ended with an active credential belongs to the proof
    assert activated["moves"] > 1_500
    assert all(activated[journey] > 0 for journey in [*DEMANDED, "activated by name"])


async def _goes(*_: object, **__: object) -> bool:
    return True


def _all_of_them(windows: list[Window], **_: object) -> list[Window]:
    return windows


def _keeps_quiet(*_: object, **__: object) -> None:
    """Let everything pass."""


def _forgets(self: Work, tag: AuditTag, **details: Any) -> None:
    if tag is not AuditTag.CREDENTIAL_STATUS:
        _AUDIT(self, tag, **details)


_AUDIT = Work.audit
BROKEN: dict[str, tuple[object, str, object]] = {
    "two-factor codes are not checked": (two_factor, "check_code", _goes),
    "mailed codes are not checked": (activation, "check_code", _goes),
    "links are not checked": (activation, "check_link", _goes),
    "dead codes are good": (codes, "live", _all_of_them),
    "an authenticator's code is good twice": (totp, "use_step", _goes),
    "anybody enters the code": (two_factor, "require_requester", _keeps_quiet),
    "ACTIVATE comes before the secret is saved": (activation, "require_step", _keeps_quiet),
    "the secret is shown without its verifier": (secrets, "require_verifier", _keeps_quiet),
    "any manager decides": (activation, "require_manager", _goes),
    "anybody cancels": (authority, "require_canceller", _goes),
    "a change of status leaves no event": (Work, "audit", _forgets),
}


@pytest.mark.prove
@pytest.mark.parametrize("fault", BROKEN)
async def test_a_product_that_is_broken_so_is_caught(stage: Stage, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*BROKEN[fault])

    with pytest.raises((Violated, FlakyFailure)) as caught:
        await play(stage, examples=160, steps=30)

    # Time goes on between a failure and its repetition, so Hypothesis may call it flaky.
    found = caught.value.exceptions if isinstance(caught.value, FlakyFailure) else [caught.value]
    assert any(isinstance(each, Violated) for each in found)

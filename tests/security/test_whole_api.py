"""Every operation of the API, as everybody who could call it: nothing breaks, nothing is undocumented or leaks."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from countersign.local.issuer import Issuer, load_or_make_issuer
from countersign.wiring import Parts
from tests.security.harvest import Answer, Harvest, betrayals, echoes, leaks
from tests.security.scene import Scene
from tests.support.cast import Providers

SAMPLED = ["sms_owner", "outsider"]


@pytest.fixture
async def scene(
    core: Parts, issuer: Issuer, providers: Providers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    stranger = load_or_make_issuer(tmp_path_factory.mktemp("stranger"))
    async with Scene.set(core, issuer, providers, stranger) as opened:
        yield opened


async def test_a_sample_of_calls_as_two_callers_finds_the_api_sound(scene: Scene) -> None:
    await scene.walk(whole=False)
    walked = len(scene.harvest.answers)

    for seed, role in enumerate(SAMPLED):
        await scene.send(role, seed=seed, fuzzing=1)

    await scene.assert_sound()
    assert len(scene.harvest.answers) - walked >= 60


@pytest.mark.prove
async def test_thousands_of_calls_as_everybody_find_the_api_sound(scene: Scene) -> None:
    await scene.walk(whole=True)
    walked = len(scene.harvest.answers)

    for seed, role in enumerate(scene.tokens):
        await scene.send(role, seed=seed, examples=1, fuzzing=8, stateful=4)
    await scene.send("sms_owner", seed=0, coverage=1)

    print(scene.harvest.table())  # noqa: T201 - how the statuses are spread belongs to the proof
    await scene.assert_sound()
    assert len(scene.harvest.answers) - walked >= 2_000


ANSWER = Answer("outsider", "GET /v1/requests", 200, asked="GET /v1/requests", sent="", headers="", got="[]")


def test_a_marker_of_another_account_is_found_in_body_and_headers_but_not_where_the_caller_said_it() -> None:
    markers, hidden = {"ours": {"mark-1"}, "theirs": {"mark-2"}}, {"outsider": {"ours"}}
    told = replace(ANSWER, got='{"id": "mark-1"}')

    assert len(leaks([told], markers, hidden_from=hidden)) == 1
    assert len(leaks([replace(ANSWER, headers="Location: /mark-1")], markers, hidden_from=hidden)) == 1
    assert leaks([replace(told, asked="GET /v1/requests/mark-1")], markers, hidden_from=hidden) == []
    assert leaks([replace(ANSWER, got="mark-2")], markers, hidden_from=hidden) == []


def test_a_refusal_that_repeats_a_code_is_found() -> None:
    refused = replace(ANSWER, status=422, sent='{"code": "123456"}', got='{"detail": "123456 is wrong"}')

    assert len(echoes([refused])) == 1
    assert echoes([replace(refused, got='{"detail": "wrong"}'), replace(refused, got="9123456")]) == []


def test_a_secret_in_any_other_answer_is_found() -> None:
    shown = replace(ANSWER, operation="POST /v1/requests/{request_id}/secret", got='{"api_secret": "css_1"}')

    assert len(betrayals([shown, replace(ANSWER, got='{"name": "css_1"}')])) == 1
    assert betrayals([shown, shown, ANSWER]) == []


def test_an_operation_that_nobody_reaches_is_named() -> None:
    harvest = Harvest([ANSWER, replace(ANSWER, operation="GET /v1/api-keys", status=404)])

    assert harvest.never_reached(["GET /v1/requests", "GET /v1/api-keys", "GET /new"]) == [
        "GET /v1/api-keys",
        "GET /new",
    ]

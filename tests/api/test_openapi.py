"""The OpenAPI document tells everything that a client has to know, and tells it right."""

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel

from api import schemas, security_schemas
from countersign.domain.errors import BY_SLUG
from tests.support.cast import Cast
from tests.support.openapi import Operation, openapi, operations

EVERY = pytest.mark.parametrize("operation", operations(), ids=str)
BY_LINK = {"/v1/stops/{stop_id}"}
OPEN_TO_ALL = {"/healthz", "/readyz", "/metrics", *BY_LINK}
PROBLEM = "application/problem+json"


def problems(operation: Operation) -> dict[str, dict[str, Any]]:
    responses = operation.document["responses"]
    return {
        status: answer for status, answer in responses.items() if int(status) >= 400 and PROBLEM in answer["content"]
    }


@EVERY
def test_every_operation_says_what_it_does(operation: Operation) -> None:
    assert operation.document["summary"]
    assert operation.document["description"].endswith(".")
    assert operation.document["tags"]


@EVERY
def test_every_operation_but_probes_and_links_asks_for_a_token(operation: Operation) -> None:
    asks = bool(operation.document.get("security"))
    assert asks == (operation.path not in OPEN_TO_ALL)
    if asks:
        assert {"401", "403", "503"} <= problems(operation).keys()


@EVERY
def test_every_error_is_documented_as_a_problem_with_an_example_of_each_type(operation: Operation) -> None:
    for status, answer in problems(operation).items():
        assert list(answer["content"]) == [PROBLEM]
        assert answer["description"]
        content = answer["content"][PROBLEM]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert content["examples"]
        for slug, example in content["examples"].items():
            value = example["value"]
            assert (value["type"], value["status"]) == (f"/problems/{slug}", int(status))
            assert value["title"] == BY_SLUG[slug].title()


@EVERY
def test_every_error_status_but_that_of_the_readiness_probe_is_a_problem(operation: Operation) -> None:
    errors = {status for status in operation.document["responses"] if int(status) >= 400}
    assert errors - problems(operation).keys() <= ({"503"} if operation.path == "/readyz" else set())


@EVERY
def test_whatever_takes_input_says_what_invalid_input_meets(operation: Operation) -> None:
    takes = "requestBody" in operation.document or bool(operation.document.get("parameters"))
    assert takes == ("422" in problems(operation))
    assert ("413" in problems(operation)) == ("requestBody" in operation.document)


@EVERY
def test_ids_are_answered_with_404_when_nobody_has_them(operation: Operation) -> None:
    # A link that is none is told like a wrong one.
    named = bool(operation.parameters("path")) and operation.path not in BY_LINK
    assert ("404" in problems(operation)) == named


@EVERY
def test_every_post_that_starts_something_takes_an_idempotency_key(operation: Operation) -> None:
    if "202" in operation.document["responses"]:
        assert [each["name"].lower() for each in operation.parameters("header")] == ["idempotency-key"]


@EVERY
def test_the_example_of_a_body_is_valid(operation: Operation) -> None:
    if operation.body is None:
        return
    module = schemas if hasattr(schemas, operation.body["title"]) else security_schemas
    model: type[BaseModel] = getattr(module, operation.body["title"])
    assert model.model_validate(operation.example).model_dump(mode="json") == operation.example


async def test_the_examples_are_taken_by_the_api(cast: Cast) -> None:
    [create] = [each for each in operations() if str(each) == "POST /v1/api-keys"]

    response = await cast.owner.post("/api-keys", create.example)

    assert response.status_code == 202


def test_every_field_of_a_body_has_an_example() -> None:
    for operation in operations():
        if operation.body:
            assert all(field.get("examples") for field in operation.body["properties"].values()), operation


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    document = openapi()
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references == set(document["components"]["schemas"])


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [each.document["operationId"] for each in operations()]
    assert len(ids) == len(set(ids))


def test_every_placeholder_of_a_path_is_a_parameter() -> None:
    for operation in operations():
        named = {each["name"] for each in operation.parameters("path")}
        assert set(re.findall(r"\{(\w+)}", operation.path)) == named


def test_the_security_scheme_is_a_bearer_token() -> None:
    schemes = openapi()["components"]["securitySchemes"]
    assert [(each["type"], each["scheme"]) for each in schemes.values()] == [("http", "bearer")]


def test_frameworks_own_errors_are_no_part_of_it() -> None:
    assert "HTTPValidationError" not in json.dumps(openapi())


def test_what_carries_a_secret_carries_nothing_but_what_is_shown_once() -> None:
    carrying = {
        name
        for name, schema in openapi()["components"]["schemas"].items()
        if {"api_secret", "password", "secret", "codes"} & schema.get("properties", {}).keys()
    }
    assert carrying == {"SecretOut", "EnrolmentOut", "RecoveryCodesOut"}


@EVERY
async def test_no_answer_may_be_stored(cast: Cast, operation: Operation) -> None:
    for headers in ({}, {"Authorization": f"Bearer {operation.person(cast).token}"}):
        response = await cast.owner.http.request(operation.method, operation.filled({}), headers=headers)
        assert response.headers.get_list("cache-control") == ["no-store"]
        assert response.headers["x-content-type-options"] == "nosniff"

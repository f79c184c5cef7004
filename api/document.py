"""The OpenAPI document: every problem has its media type and an example, and none is FastAPI's own."""

from typing import Any

from fastapi import FastAPI

from api.problems import Problem, documented
from countersign.domain.errors import BodyTooLarge, InvalidInput, TooManyCalls

_FOREIGN = ("HTTPValidationError", "ValidationError")
_HEADERS = {
    "Retry-After": ("integer", "Seconds to wait."),
    "RateLimit": (
        "string",
        "What is left of a quota: `r` calls, anew in `t` s (draft-ietf-httpapi-ratelimit-headers).",
    ),
    "RateLimit-Policy": ("string", "The quota: `q` calls in `w` seconds; answers of limited routes tell it, too."),
}


def install(app: FastAPI) -> None:
    """Let the app describe itself with the problems it really answers."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(describe())
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in _FOREIGN:
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    for operations in document["paths"].values():
        for operation in operations.values():
            _add_what_any_input_can_meet(operation)
            _add_what_any_caller_can_meet(operation)


def _add_what_any_input_can_meet(operation: dict[str, Any]) -> None:
    body = "requestBody" in operation
    if body or "parameters" in operation:
        _add(operation["responses"], documented(InvalidInput))
    if body:
        _add(operation["responses"], documented(BodyTooLarge))


def _add_what_any_caller_can_meet(operation: dict[str, Any]) -> None:
    if "security" in operation:
        _add(operation["responses"], documented(TooManyCalls))
    if "429" in operation["responses"]:
        operation["responses"]["429"]["headers"] = {
            name: {"description": text, "schema": {"type": kind}} for name, (kind, text) in _HEADERS.items()
        }


def _add(responses: dict[str, Any], more: dict[int | str, dict[str, Any]]) -> None:
    for status, response in more.items():
        [(media_type, content)] = response["content"].items()
        there = responses.get(str(status), {}).get("content", {}).get(media_type)
        if there is None:
            responses[str(status)] = response
        else:
            there["examples"] = {**content["examples"], **there["examples"]}

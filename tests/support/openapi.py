"""The operations of the HTTP API, as its OpenAPI document tells them."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from api.app import create_app
from countersign.settings import Settings
from tests.support.cast import Cast, Person

_NOBODY = str(UUID(int=0))


@dataclass(frozen=True, eq=False)
class Operation:
    """One method of one route."""

    method: str
    path: str
    document: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of the body, or None."""
        content = self.document.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return None
        name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        return dict(openapi()["components"]["schemas"][name])

    @property
    def example(self) -> dict[str, Any]:
        """The body that the document gives as an example."""
        fields = self.body["properties"] if self.body else {}
        return {name: field["examples"][0] for name, field in fields.items()}

    def parameters(self, place: str) -> list[dict[str, Any]]:
        return [each for each in self.document.get("parameters", []) if each["in"] == place]

    def filled(self, ids: dict[str, str]) -> str:
        """The path with ids in their places."""
        return re.sub(r"\{(\w+)}", lambda found: ids.get(found[1], _NOBODY), self.path)

    def person(self, cast: Cast) -> Person:
        """Whoever may call it."""
        return cast.account_manager if "/account-manager/" in self.path else cast.owner


@cache
def openapi() -> dict[str, Any]:
    return create_app(Settings(database_url=SecretStr("postgresql://nobody@127.0.0.1/none"))).openapi()


@cache
def operations() -> list[Operation]:
    return [
        Operation(method.upper(), path, document)
        for path, methods in openapi()["paths"].items()
        for method, document in methods.items()
    ]

"""What the framework does for every call, before a route does anything: it grows without notice."""

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from api.app import create_app
from countersign.settings import Settings

# A person's code for a request: the quota, the request and its owner, the caller for both, the services, the call.
MOST_OF_A_CALL = 6


@pytest.fixture(scope="module")
def routes() -> list[BaseRoute]:
    return create_app(Settings(mode="local")).routes


def to_solve(dependant: Dependant) -> int:
    """Return how often something is solved: what stands twice in the tree is gone through twice."""
    return 1 + sum(to_solve(each) for each in dependant.dependencies)


def test_every_route_is_the_applications_own_and_tried_once(routes: list[BaseRoute]) -> None:
    assert {type(route) for route in routes} == {APIRoute, Mount, Route}


def test_no_call_of_the_api_has_more_dependencies_to_solve(routes: list[BaseRoute]) -> None:
    calls = [route for route in routes if isinstance(route, APIRoute) and route.path.startswith("/v1/")]

    assert max(to_solve(call.dependant) for call in calls) == MOST_OF_A_CALL

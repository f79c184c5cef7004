"""Figures about what waits, for ops; no person and no account is told apart."""

from pydantic import BaseModel

from countersign.domain.requests import Journey, Step
from countersign.storage.database import Connection, many, one, scalar


class OpenRequests(BaseModel, frozen=True):
    """How many requests of a journey are open at a step."""

    journey: Journey
    step: Step
    count: int


class Waits(BaseModel, frozen=True):
    """What waits, and for how many seconds the oldest has."""

    notices: int
    oldest_notice_seconds: float
    oldest_account_manager_seconds: float


async def open_requests(connection: Connection) -> list[OpenRequests]:
    """Return the open requests by journey and step."""
    query = "SELECT journey, step, count(*) AS count FROM requests WHERE outcome IS NULL GROUP BY journey, step"
    return await many(connection, OpenRequests, query)


async def waits(connection: Connection) -> Waits | None:
    """Return what waits for the mail provider and for account managers; 0 seconds where nothing does."""
    query = """SELECT n.notices, coalesce(extract(epoch FROM now() - n.oldest), 0)::float AS oldest_notice_seconds,
                   coalesce(extract(epoch FROM now() - r.oldest), 0)::float AS oldest_account_manager_seconds
               FROM (SELECT count(*) AS notices, min(created_at) AS oldest FROM notices
                     WHERE sent_at IS NULL AND failed_at IS NULL) n,
                    (SELECT min(asked_at) AS oldest FROM requests
                     WHERE step = 'account_manager' AND outcome IS NULL) r"""
    return await one(connection, Waits, query)


async def decisions_refused(connection: Connection) -> int:
    """Return how many account managers' decisions were refused, forged ones above all."""
    query = "SELECT coalesce(sum(decisions_refused), 0) FROM requests WHERE decisions_refused > 0"
    return int(await scalar(connection, query))

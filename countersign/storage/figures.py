"""Figures about what waits, for ops; no person and no account is told apart."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel

from countersign.domain.requests import Journey, Step
from countersign.storage.database import Connection, column, many, one, scalar


class OpenRequests(BaseModel, frozen=True):
    """How many requests of a journey are open at a step, and how many of them past their deadline by two minutes."""

    journey: Journey
    step: Step
    count: int
    overdue: int


class Waits(BaseModel, frozen=True):
    """What waits, and for how many seconds the oldest has."""

    notices: int
    oldest_notice_seconds: float
    oldest_account_manager_seconds: float


async def open_requests(connection: Connection) -> list[OpenRequests]:
    """Return the open requests by journey and step."""
    query = """SELECT journey, step, count(*) AS count,
                   count(*) FILTER (WHERE deadline < now() - interval '2 minutes') AS overdue
               FROM requests WHERE outcome IS NULL GROUP BY journey, step"""
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


async def waiting_longer(connection: Connection, ages: Sequence[timedelta]) -> dict[timedelta, int]:
    """Return how many requests have waited for an account manager for at least each of the ages."""
    query = """SELECT count(r.id) FROM unnest(%s::interval[]) WITH ORDINALITY AS a (age, place)
               LEFT JOIN requests r ON r.step = 'account_manager' AND r.outcome IS NULL AND r.asked_at <= now() - a.age
               GROUP BY a.place ORDER BY a.place"""
    return dict(zip(ages, await column(connection, query, (list(ages),)), strict=True))


async def decisions_refused(connection: Connection) -> int:
    """Return how many account managers' decisions were refused, forged ones above all."""
    query = "SELECT coalesce(sum(decisions_refused), 0) FROM requests WHERE decisions_refused > 0"
    return int(await scalar(connection, query))

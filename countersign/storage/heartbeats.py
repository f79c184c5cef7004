"""Workers' word that they are at work."""

from datetime import datetime

from countersign.storage.database import Connection, scalar


async def beat(connection: Connection, task_queue: str, *, at: datetime) -> None:
    """Note that a worker serves the task queue at ``at``."""
    await connection.execute(
        """INSERT INTO heartbeats (task_queue, at) VALUES (%s, %s)
           ON CONFLICT (task_queue) DO UPDATE SET at = greatest(heartbeats.at, excluded.at)""",
        (task_queue, at),
    )


async def newest(connection: Connection, task_queue: str) -> datetime | None:
    """Return when a worker last served the task queue, or None if none ever did."""
    found: datetime | None = await scalar(connection, "SELECT at FROM heartbeats WHERE task_queue = %s", (task_queue,))
    return found

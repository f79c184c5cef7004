"""How many SMS were made on a day, all accounts together.

The row of a day is locked after everything else that a transaction locks, and only where an SMS is about to be made.
"""

from datetime import date

from countersign.storage.database import Connection, scalar


async def made(connection: Connection, day: date) -> int:
    """Return how many were made, without waiting for those under way."""
    return int(await scalar(connection, "SELECT made FROM sms_days WHERE day = %s", (day,)) or 0)


async def hold(connection: Connection, day: date) -> int:
    """Return how many were made; until the transaction ends nobody else makes one."""
    # The row must be there to be locked.
    query = """INSERT INTO sms_days (day, made) VALUES (%s, 0)
               ON CONFLICT (day) DO UPDATE SET made = sms_days.made RETURNING made"""
    return int(await scalar(connection, query, (day,)))


async def add(connection: Connection, day: date) -> int:
    """Count one more; return how many were made with it."""
    query = """INSERT INTO sms_days (day, made) VALUES (%s, 1)
               ON CONFLICT (day) DO UPDATE SET made = sms_days.made + 1 RETURNING made"""
    return int(await scalar(connection, query, (day,)))

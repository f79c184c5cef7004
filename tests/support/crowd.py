"""A large house in a database: thousands of requests that wait, and many more that have ended.

Made in SQL, set by set. Ids follow from numbers, so that whoever measures or asks can name anybody.
"""

from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from uuid import UUID

import psycopg

_SQL = Path(__file__).with_suffix(".sql")
# What browsers have in their cookies; sessions go by number to one owner after another.
SESSION_OF_FIRST_OWNER = "4000"
SESSION_OF_FIRST_MANAGER = "manager1"


@dataclass(frozen=True)
class Crowd:
    """How many there are of each; the first ``looked_after`` accounts are those of the first account manager."""

    accounts: int = 4_000
    looked_after: int = 200
    waiting: int = 10_000
    waiting_for_others: int = 4_000
    at_codes: int = 6_000
    ended: int = 30_000
    keys_of_first: int = 100
    unsent: int = 2_000

    def fill(self, superuser_url: str) -> None:
        """Fill the database; foreign keys are true, so that the server need not look at each."""
        with psycopg.connect(superuser_url) as connection:
            connection.execute("SET session_replication_role = replica")
            for name, number in self._numbers().items():
                connection.execute("SELECT set_config('crowd.' || %s, %s, false)", (name, str(number)))
            connection.execute(_SQL.read_bytes())
        with psycopg.connect(superuser_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def _numbers(self) -> dict[str, int]:
        fix = self.waiting + self.waiting_for_others
        return {**vars(self), "fix": fix, "open": fix + self.at_codes, "requests": self.requests}

    @property
    def requests(self) -> int:
        """How many requests there are, open or not."""
        return self.waiting + self.waiting_for_others + self.at_codes + self.ended


def identity(kind: str, number: int) -> UUID:
    """Return the id of the account, user, manager, credential, request or challenge with that number, from 1."""
    return UUID(md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest())


def session_name(number: int) -> str:
    """Return the Session Name of the FIX credentials with that number, from 1."""
    digits = f"{number:012d}"
    return f"CS-T-{digits[:4]}-{digits[4:8]}-{digits[8:]}"

"""Who lives in a run: owners with an authenticator or a phone, two to an account, and an account manager for each."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

import jwt
import pyotp

from countersign.adapters.keyring import Purpose, load_key_ring
from countersign.domain.people import Role, TwoFactorMethod
from countersign.local.issuer import ISSUER, Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import accounts, users
from countersign.storage.database import Connection, Database

_STEP = 30
_LIFETIME = 24 * 3600


class Place(Protocol):
    """Where people live."""

    postgres: EmbeddedPostgres
    issuer: Issuer

    @property
    def key_ring_file(self) -> Path: ...


@dataclass
class Person:
    """Someone who calls the API, or is mailed."""

    name: str
    account_id: UUID
    sms: bool = False
    id: UUID = field(default_factory=uuid4)
    seed: str = field(default_factory=pyotp.random_base32, repr=False)
    token: str = field(default="", repr=False)
    last_step: int = 0

    @property
    def email(self) -> str:
        return f"{self.name}.{self.id.hex}@example.com"

    @property
    def phone(self) -> str:
        return f"+4477{self.id.int % 10**8:08}"

    def next_code_in(self) -> float:
        """Return how many seconds it takes until the authenticator shows a code that was not used before."""
        return max(0.0, (self.last_step + 1) * _STEP - time.time())

    def authenticator_code(self) -> str:
        """Return the code that the authenticator shows, and note it as used."""
        self.last_step = int(time.time()) // _STEP
        return pyotp.TOTP(self.seed).at(self.last_step * _STEP)

    def authenticator_codes_near(self) -> set[str]:
        """Return the codes that may be good about now."""
        return {pyotp.TOTP(self.seed).at(time.time() + _STEP * near) for near in range(-3, 4)}


@dataclass
class Household:
    """An account with its owners and the account manager who looks after it."""

    owners: list[Person]
    manager: Person


async def settle(stack: Place, *, households: int, sms_only: bool = False, alone: bool = False) -> list[Household]:
    """Put so many households into the database: two owners to each, or one with a phone who is ``alone``."""
    keys = load_key_ring(json_text="", file=stack.key_ring_file, purposes={Purpose.TOTP_SEED})
    database = Database(stack.postgres.app_url, pool_size=1)
    await database.open()
    made = [_household(sms_only=sms_only, alone=alone) for _ in range(households)]
    async with database.transaction() as connection:
        for household in made:
            await _move_in(connection, household)
            for owner in household.owners:
                seed = keys.seal(Purpose.TOTP_SEED, owner.seed.encode(), bound_to=f"user:{owner.id}")
                method = TwoFactorMethod.SMS if owner.sms else TwoFactorMethod.AUTHENTICATOR
                await users.set_two_factor(connection, owner.id, method=method, totp_seed=None if owner.sms else seed)
    await database.close()
    for person in _everyone(made):
        person.token = _token(stack.issuer, person)
    return made


def _household(*, sms_only: bool, alone: bool) -> Household:
    account_id = uuid4()
    sam = Person("sam", account_id, sms=True)
    owners = [sam] if alone else [Person("olivia", account_id, sms=sms_only), sam]
    return Household(owners, Person("amy", account_id))


async def _move_in(connection: Connection, household: Household) -> None:
    account_id, manager = household.manager.account_id, household.manager
    await accounts.insert(connection, account_id=account_id, name="Home", prime_liquidity=True)
    await users.insert(
        connection, user_id=manager.id, name=manager.name, email=manager.email, staff_role=Role.ACCOUNT_MANAGER
    )
    await accounts.assign_manager(connection, account_id=account_id, user_id=manager.id)
    for owner in household.owners:
        await users.insert(connection, user_id=owner.id, name=owner.name, email=owner.email, phone=owner.phone)
        await accounts.add_member(connection, account_id=account_id, user_id=owner.id, role=Role.OWNER)


def _everyone(households: list[Household]) -> Iterator[Person]:
    for household in households:
        yield from [*household.owners, household.manager]


def _token(issuer: Issuer, person: Person) -> str:
    # No "iat": a process whose clock is behind would take the token for one from the future.
    claims = {"iss": ISSUER, "aud": "countersign", "sub": str(person.id), "exp": int(time.time()) + _LIFETIME}
    if person.name != "amy":
        claims["account"] = str(person.account_id)
    return jwt.encode(claims, issuer.key, algorithm="ES256", headers={"kid": issuer.jwks["keys"][0]["kid"]})

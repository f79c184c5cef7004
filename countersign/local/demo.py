"""The demo accounts of the local stack: one user per case."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

import pyotp

from countersign.adapters.keyring import KeyRing, Purpose, load_key_ring
from countersign.domain.people import Role, TwoFactorMethod
from countersign.settings import Settings
from countersign.storage import accounts, users
from countersign.storage.database import Connection, Database


@dataclass(frozen=True)
class DemoAccount:
    """A customer account of the demo."""

    name: str
    prime_liquidity: bool = True

    @property
    def id(self) -> UUID:
        """The same on every machine."""
        return uuid5(NAMESPACE_URL, f"countersign:demo:account:{self.name}")


HARBOUR = DemoAccount("Harbour Trading")
SUMMIT = DemoAccount("Summit Capital")
PLAIN = DemoAccount("Plain & Co", prime_liquidity=False)
DEMO_ACCOUNTS = (HARBOUR, SUMMIT, PLAIN)


@dataclass(frozen=True)
class DemoUser:
    """A person of the demo, and the case he or she stands for."""

    name: str
    description: str
    account: DemoAccount | None = None
    role: Role = Role.OWNER
    two_factor: TwoFactorMethod = TwoFactorMethod.AUTHENTICATOR
    phone: str | None = None
    assigned: tuple[DemoAccount, ...] = ()

    @property
    def id(self) -> UUID:
        """The same on every machine."""
        return uuid5(NAMESPACE_URL, f"countersign:demo:user:{self.name}")

    @property
    def email(self) -> str:
        """An address that reaches nobody (RFC 2606)."""
        return f"{self.name}@example.com"


DEMO_USERS = (
    DemoUser("olivia", "owner of Harbour Trading, authenticator", HARBOUR),
    DemoUser("sam", "owner of Harbour Trading, SMS", HARBOUR, two_factor=TwoFactorMethod.SMS, phone="+12025550123"),
    DemoUser("nora", "owner of Harbour Trading, no two-factor", HARBOUR, two_factor=TwoFactorMethod.NONE),
    DemoUser("mike", "member of Harbour Trading, not an owner", HARBOUR, role=Role.MEMBER),
    DemoUser("sonia", "owner of a second account, Summit Capital", SUMMIT),
    DemoUser("paul", "owner without Prime Liquidity", PLAIN),
    DemoUser("amy", "account manager of both", role=Role.ACCOUNT_MANAGER, assigned=(HARBOUR, SUMMIT)),
    DemoUser("ulf", "account manager, assigned to no account", role=Role.ACCOUNT_MANAGER),
    DemoUser("otto", "ops", role=Role.OPS),
)


async def seed(settings: Settings) -> None:
    """Make the demo accounts and users that are missing; repeating it changes nothing."""
    async with seeds_opened(settings) as (connection, keys):
        await seed_with(connection, keys)


@asynccontextmanager
async def seeds_opened(settings: Settings) -> AsyncIterator[tuple[Connection, KeyRing]]:
    """Lend a connection in a transaction, and the keys that seeds of authenticators are sealed under."""
    keys = load_key_ring(
        json_text=settings.key_ring.get_secret_value(), file=settings.key_ring_file, purposes={Purpose.TOTP_SEED}
    )
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    await database.open()
    try:
        async with database.transaction() as connection:
            yield connection, keys
    finally:
        await database.close()


async def seed_with(connection: Connection, keys: KeyRing) -> None:
    """Make the demo accounts and users on a connection."""
    for account in DEMO_ACCOUNTS:
        await accounts.insert(
            connection, account_id=account.id, name=account.name, prime_liquidity=account.prime_liquidity
        )
    for user in DEMO_USERS:
        if await users.get(connection, user.id) is None:
            await _add(connection, keys, user)


async def _add(connection: Connection, keys: KeyRing, user: DemoUser) -> None:
    staff_role = user.role if user.account is None else None
    await users.insert(
        connection, user_id=user.id, name=user.name.title(), email=user.email, phone=user.phone, staff_role=staff_role
    )
    seed = None
    if user.two_factor is TwoFactorMethod.AUTHENTICATOR:
        seed = keys.seal(Purpose.TOTP_SEED, pyotp.random_base32().encode(), bound_to=f"user:{user.id}")
    await users.set_two_factor(connection, user.id, method=user.two_factor, totp_seed=seed)
    if user.account is not None:
        await accounts.add_member(connection, account_id=user.account.id, user_id=user.id, role=user.role)
    for account in user.assigned:
        await accounts.assign_manager(connection, account_id=account.id, user_id=user.id)

"""Being a demo user, or a gateway: a token from the local issuer, a code from the demo authenticator."""

from datetime import timedelta

import pyotp

from countersign.adapters.keyring import Purpose
from countersign.local.demo import DEMO_USERS, DemoUser, seeds_opened
from countersign.local.errors import StackError
from countersign.local.issuer import load_or_make_issuer
from countersign.settings import Settings
from countersign.storage import users


def demo_token(settings: Settings, name: str, *, hours: int = 1) -> str:
    """Return a bearer token of the demo user; raises ``StackError`` for another name or outside the local stack."""
    user = _find(settings, name)
    issuer = load_or_make_issuer(settings.data)
    account = str(user.account.id) if user.account else None
    return issuer.mint(
        subject=str(user.id), audience=settings.jwt_audience, account=account, lifetime=timedelta(hours=hours)
    )


def gateway_token(settings: Settings, *, hours: int = 1) -> str:
    """Return a bearer token of a trading gateway, for the verifier; raises ``StackError`` outside the local stack."""
    if settings.mode != "local":
        raise StackError("such a token comes from your issuer; this makes one for the local stack alone")
    issuer = load_or_make_issuer(settings.data)
    return issuer.mint(subject="gateway", audience=settings.verifier.audience, lifetime=timedelta(hours=hours))


async def demo_otp(settings: Settings, name: str) -> str:
    """Return the present code of the demo user's authenticator (RFC 6238); raises ``StackError`` without one."""
    return pyotp.TOTP(await demo_totp_seed(settings, name)).now()


async def demo_totp_seed(settings: Settings, name: str) -> str:
    """Return the seed of the demo user's authenticator in base32; raises ``StackError`` without one."""
    user = _find(settings, name)
    async with seeds_opened(settings) as (connection, keys):
        stored = await users.get(connection, user.id)
    if stored is None or stored.totp_seed is None:
        raise StackError(f"{name} has no authenticator")
    return keys.open(Purpose.TOTP_SEED, stored.totp_seed, bound_to=f"user:{user.id}").decode()


def _find(settings: Settings, name: str) -> DemoUser:
    if settings.mode != "local":
        raise StackError("demo users are for the local stack: start one with `countersign up`")
    for user in DEMO_USERS:
        if user.name == name:
            return user
    raise StackError(f"{name!r} is no demo user; they are {', '.join(user.name for user in DEMO_USERS)}")

"""Codes of authenticators: TOTP (RFC 6238), each time step good once (section 5.2)."""

import hmac

import pyotp

from countersign.adapters.keyring import Purpose
from countersign.domain.requests import Step
from countersign.effects.work import Work, found
from countersign.storage import requests, users
from countersign.storage.requests import Request

_STEP_SECONDS = 30


def new_sealed_seed(work: Work, request: Request) -> bytes:
    """Return a new seed of 160 bits, sealed for as long as it is enrolled by the request."""
    return work.keys.seal(Purpose.ENROLMENT, pyotp.random_base32().encode(), bound_to=f"request:{request.id}")


async def enrolling_seed(work: Work, request: Request) -> str:
    """Return the seed (base32) that the request enrols, or raise ``NotFound``."""
    sealed = found(await requests.read_sealed(work.connection, request.id))
    return work.keys.open(Purpose.ENROLMENT, sealed, bound_to=f"request:{request.id}").decode()


async def enrolled_seed(work: Work, request: Request) -> bytes:
    """Return the seed that the request enrols, sealed for the checks of later codes."""
    seed = await enrolling_seed(work, request)
    return work.keys.seal(Purpose.TOTP_SEED, seed.encode(), bound_to=f"user:{request.user_id}")


async def matching_step(work: Work, request: Request, code: str) -> int | None:
    """Return the time step, one before or after the present one included, whose code this is, or None."""
    totp, now = pyotp.TOTP(await _seed(work, request)), int(work.at.timestamp()) // _STEP_SECONDS
    steps = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(code, totp.at(step * _STEP_SECONDS))]
    return max(steps, default=None)


async def use_step(work: Work, request: Request, step: int) -> bool:
    """Use up the time step; False when it, or a later one, was used before."""
    if request.step is Step.NEW_FACTOR_CODE:
        # The steps used so far were those of another seed.
        await users.begin_totp_steps(work.connection, request.user_id, step)
        return True
    return await users.use_totp_step(work.connection, request.user_id, step)


async def _seed(work: Work, request: Request) -> str:
    if request.step is Step.NEW_FACTOR_CODE:
        return await enrolling_seed(work, request)
    user = found(await users.get(work.connection, request.user_id))
    return work.keys.open(Purpose.TOTP_SEED, found(user.totp_seed), bound_to=f"user:{user.id}").decode()

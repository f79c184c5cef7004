"""Keys: our own ring, and those that the issuer of tokens and the identity provider publish."""

import asyncio

import httpx
import jwt

from api.identity_provider import IdentityProvider
from api.jwks import fetch_keys, parse_keys
from api.tokens import ALGORITHMS
from countersign.adapters.keyring import load_ring_text
from countersign.adapters.ring_text import KeyRingInvalid
from countersign.checkup.files import is_in_a_file
from countersign.checkup.findings import Finding, fault, ok, warning
from countersign.domain.errors import Unavailable
from countersign.settings import Settings

_RSA_BITS = 2048


async def check_key_ring(settings: Settings) -> list[Finding]:
    """Return whether the ring can be read, by its owner alone, and holds keys of 256 bits or more, and no masters."""
    try:
        ring = load_ring_text(json_text=settings.key_ring.get_secret_value(), file=settings.key_ring_file)
    except KeyRingInvalid as error:
        return [fault("key ring", str(error))]
    if ring.masters and settings.mode == "production":
        told = "It holds masters, so the keys of every purpose: give each process its own (countersign keys derive)."
        return [warning("key ring", told)]
    is_setting = bool(settings.key_ring.get_secret_value())
    is_secret = is_in_a_file(settings, "COUNTERSIGN_KEY_RING")
    where = "a file of mode 0600" if not is_setting else "a file of secrets" if is_secret else "in the environment"
    return [ok("key ring", f"readable, {where}, keys of 256 bits or more")]


async def check_token_keys(settings: Settings) -> list[Finding]:
    """Return whether the keys of bearer tokens can be had, and one of them can be used."""
    what = "keys of tokens"
    if not settings.jwt_jwks_url and settings.jwt_key_file is None:
        return [fault(what, "Set COUNTERSIGN_JWT_JWKS_URL, or COUNTERSIGN_JWT_KEY_FILE.")]
    try:
        keys = await _token_keys(settings)
    except (httpx.HTTPError, ValueError, jwt.PyJWTError, OSError) as error:
        told = f"They cannot be had ({type(error).__name__}): see COUNTERSIGN_JWT_JWKS_URL, or …_JWT_KEY_FILE."
        return [fault(what, told)]
    usable = [key for key in keys if key.algorithm_name in ALGORITHMS and not _is_short(key)]
    if not usable:
        return [fault(what, f"None of the {len(keys)} can be used: one for {' or '.join(ALGORITHMS)} is needed.")]
    return [ok(what, f"{len(usable)} of {len(keys)} can be used")]


async def check_identity_provider(settings: Settings) -> list[Finding]:
    """Return whether people can be sent to the identity provider."""
    what = "identity provider"
    if not settings.oidc_issuer:
        return [fault(what, "Nobody can sign in to the pages: set COUNTERSIGN_OIDC_ISSUER.")]
    try:
        await IdentityProvider(settings).discover()
    except Unavailable:
        return [fault(what, "Its metadata cannot be had, or are not its own: see COUNTERSIGN_OIDC_ISSUER.")]
    return [ok(what, "reachable, and its metadata are its own")]


async def _token_keys(settings: Settings) -> list[jwt.PyJWK]:
    if settings.jwt_jwks_url:
        return await fetch_keys(settings.jwt_jwks_url)
    file = settings.jwt_key_file
    return parse_keys(await asyncio.to_thread(file.read_bytes)) if file else []


def _is_short(key: jwt.PyJWK) -> bool:
    return key.key_type == "RSA" and key.key.key_size < _RSA_BITS

"""All that is looked at, side by side."""

import asyncio

from countersign.checkup.configuration import check_cookies, check_providers, check_settings
from countersign.checkup.database import check_database
from countersign.checkup.files import check_files
from countersign.checkup.findings import Check, Finding, fault
from countersign.checkup.keys import check_identity_provider, check_key_ring, check_token_keys
from countersign.checkup.temporal import check_temporal
from countersign.settings import Settings

_PATIENCE_SECONDS = 15
_CHECKS: dict[str, Check] = {
    "settings": check_settings,
    "cookies": check_cookies,
    "secret files": check_files,
    "key ring": check_key_ring,
    "database": check_database,
    "Temporal": check_temporal,
    "keys of tokens": check_token_keys,
    "identity provider": check_identity_provider,
    "providers": check_providers,
}


async def examine(settings: Settings) -> list[Finding]:
    """Return what was found of everything, in one order; what is ill does not keep the rest from being seen."""
    found = await asyncio.gather(*(_looked_at(what, check, settings) for what, check in _CHECKS.items()))
    return [finding for findings in found for finding in findings]


async def _looked_at(what: str, check: Check, settings: Settings) -> list[Finding]:
    try:
        return await asyncio.wait_for(check(settings), _PATIENCE_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding; its words may hold an address
        return [fault(what, f"It could not be looked at ({type(error).__name__}).")]

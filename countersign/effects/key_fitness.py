"""Does the key ring fit the database: each id the same key as ever, and none missing that values lie under."""

import hmac
from collections.abc import Iterable

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.adapters.ring_text import KEY_ID
from countersign.domain.errors import DomainError, Unavailable
from countersign.storage import key_checks, key_uses
from countersign.storage.database import Connection
from countersign.storage.key_checks import KeyCheck


class KeysUnfit(DomainError):
    """The key ring does not fit the database."""

    slug = "keys-unfit"
    status = 503


async def require_fitting(connection: Connection, keys: KeyRing) -> None:
    """Return when the ring fits; raises ``KeysUnfit``, whose detail names the id and says what to do."""
    known = await key_checks.every(connection)
    _require_same(keys, known)
    needed = {check.key_id for check in known if check.is_needed}
    if not needed:
        # Values that are older than the checks, or a database that is new.
        needed = {use.key_id for use in await key_uses.every(connection) if _is_id(use.key_id)}
    _require_all(keys, needed)
    _require_in_use(keys, known)


async def register(connection: Connection, keys: KeyRing) -> None:
    """Let the database know these keys, the current one as being used. Raises ``KeysUnfit``.

    In a transaction: nothing is written of a ring that does not fit.
    """
    await require_fitting(connection, keys)
    for key_id in keys.ids:
        await key_checks.add(connection, key_id=key_id, check_mac=_check_mac(keys, key_id))
    # Another process may have been quicker, with another key.
    _require_same(keys, await key_checks.every(connection))
    await key_checks.use(connection, keys.current)


async def require_known(connection: Connection, keys: KeyRing) -> None:
    """Return when the ring fits what others made known; for a process that seals nothing and may write nothing of it.

    Raises ``KeysUnfit``, and ``Unavailable`` before anybody has made keys known.
    """
    known = await key_checks.every(connection)
    _require_same(keys, known)
    needed = {check.key_id for check in known if check.is_needed}
    if not needed:
        raise Unavailable("No key is known to the database yet: an API or a worker must have been started once.")
    _require_all(keys, needed)


def _check_mac(keys: KeyRing, key_id: str) -> bytes:
    return keys.mac(Purpose.KEY_CHECK, key_id.encode(), key_id=key_id)


def _require_same(keys: KeyRing, known: Iterable[KeyCheck]) -> None:
    for check in known:
        if check.key_id in keys.ids and not hmac.compare_digest(check.check_mac, _check_mac(keys, check.key_id)):
            raise KeysUnfit(
                f"The key ring has another key under the id {check.key_id} than the one that values are sealed with: "
                "give this process the right ring."
            )


def _require_all(keys: KeyRing, needed: Iterable[str]) -> None:
    for key_id in sorted(needed):
        if key_id not in keys.ids:
            raise KeysUnfit(
                f"The key ring lacks the key {key_id}, which values are sealed with: give this process a ring that "
                "has it, or derive its ring anew."
            )


def _require_in_use(keys: KeyRing, known: Iterable[KeyCheck]) -> None:
    if any(check.key_id == keys.current and check.retired_at is not None for check in known):
        raise KeysUnfit(
            f"The key ring's current key {keys.current} was retired: give this process the ring that came after it."
        )


def _is_id(key_id: str) -> bool:
    return key_id != key_uses.UNREADABLE and KEY_ID.fullmatch(key_id) is not None

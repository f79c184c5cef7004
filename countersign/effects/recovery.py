"""Recovery codes: made once, shown once, each good once in place of a factor that is lost."""

import hmac
from functools import partial
from uuid import UUID

from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose
from countersign.domain.audit import AuditTag
from countersign.domain.errors import InvalidInput
from countersign.domain.secrets import new_recovery_code, normalize_recovery_code
from countersign.effects.codes import attempt, require_attempts_left
from countersign.effects.notices import tell_person
from countersign.effects.work import Work
from countersign.storage import recovery_codes
from countersign.storage.recovery_codes import RecoveryCodeMac
from countersign.storage.requests import Request


async def check_recovery_code(work: Work, request: Request, text: str) -> None:
    """Return when it is one of the requester's codes, and use it up; else count it as a wrong code and raise.

    Raises ``WrongCode``, ``TooManyWrongCodes``, ``IssuingFrozen`` or ``InvalidInput``; only the first is counted.
    """
    await require_attempts_left(work)
    code = normalize_recovery_code(text)
    if code is None:
        raise InvalidInput("A recovery code has 16 letters and digits.")
    await attempt(work, request, partial(_use, work, request.user_id, code))
    left = await recovery_codes.count_unused(work.connection, request.user_id)
    work.audit_request(AuditTag.RECOVERY_CODE_USED, request, codes_left=left)
    await tell_person(work, request.user_id, "recovery_code_used", request_id=request.id, codes_left=left)


async def replace_recovery_codes(work: Work, request: Request) -> list[str]:
    """Return new codes of the requester; earlier ones are good no more."""
    codes = [new_recovery_code() for _ in range(work.rules.recovery_codes)]
    user_id, key_id = request.user_id, work.keys.current
    macs = [RecoveryCodeMac(code_mac=_mac(work.keys, user_id, code, key_id), key_id=key_id) for code in codes]
    await recovery_codes.replace(work.connection, user_id, macs)
    work.audit_request(AuditTag.RECOVERY_CODES_SHOWN, request, codes=len(codes))
    await tell_person(work, user_id, "recovery_codes_shown", request_id=request.id, codes=len(codes))
    return codes


async def _use(work: Work, user_id: UUID, code: str) -> bool:
    kept = await recovery_codes.unused(work.connection, user_id)
    matching = [each for each in kept if _is(work.keys, user_id, code, each)]
    return bool(matching) and await recovery_codes.use(work.connection, user_id, matching[0].code_mac, at=work.at)


def _is(keys: KeyRing, user_id: UUID, code: str, kept: RecoveryCodeMac) -> bool:
    try:
        return hmac.compare_digest(_mac(keys, user_id, code, kept.key_id), kept.code_mac)
    except KeyNotHeld:
        return False  # codes live for years, and may outlive their key


def _mac(keys: KeyRing, user_id: UUID, code: str, key_id: str) -> bytes:
    return keys.mac(Purpose.RECOVERY_CODE, f"user:{user_id}:{code}".encode(), key_id=key_id)

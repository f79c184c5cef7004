"""Secrets: made once, shown once, never told to a workflow."""

import base64
import hashlib
import hmac
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, SecretStr

from countersign.adapters.keyring import Purpose
from countersign.domain.audit import AuditTag
from countersign.domain.credentials import CredentialKind, SessionType
from countersign.domain.errors import NotAtThisStep, RevealRefused, SecretGone, SecretNotShown
from countersign.domain.messages import Actor, SecretSaved
from countersign.domain.requests import Step
from countersign.domain.secrets import new_api_key, new_api_secret, new_fix_password, new_fix_username
from countersign.effects.authority import require_requester
from countersign.effects.ending import credential_of, is_overdue
from countersign.effects.notices import tell_owners
from countersign.effects.steps import require_step
from countersign.effects.work import Desk, Work, found
from countersign.storage import credentials, requests
from countersign.storage.credentials import Credential, NewCredential
from countersign.storage.requests import Request


class Shown(BaseModel):
    """A credential with its secret, for its owner's eyes only."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    kind: str
    name: str
    public_id: str
    secret: SecretStr
    session_type: SessionType | None


async def make_credential(work: Work, request: Request) -> tuple[Credential, bytes]:
    """Store the new credential, inactive; return it, and its secret sealed for the one reveal."""
    api_key = request.session_type is None
    secret = new_api_secret() if api_key else new_fix_password()
    public_id = new_api_key() if api_key else new_fix_username()
    bound_to = f"credential:{request.credential_id}"
    password_mac = None if api_key else work.keys.mac(Purpose.FIX_PASSWORD, f"{bound_to}:{secret}".encode())
    new = NewCredential(
        id=request.credential_id,
        account_id=request.account_id,
        kind=CredentialKind.API_KEY if api_key else CredentialKind.FIX,
        name=request.name,
        name_key=request.name_key,
        public_id=public_id,
        session_type=request.session_type,
        permissions=list(request.permissions),
        ip_whitelist=list(request.ip_whitelist),
        trading_limits=request.trading_limits,
        secret_sealed=work.keys.seal(Purpose.VERIFIER, secret.encode(), bound_to=bound_to) if api_key else None,
        password_mac=password_mac,
        mac_key_id=None if api_key else work.keys.current,
        created_by=request.user_id,
    )
    credential = await credentials.insert(work.connection, new)
    work.audit_request(AuditTag.CREDENTIAL_CREATED, request, public_id=public_id)
    return credential, work.keys.seal(Purpose.REVEAL, secret.encode(), bound_to=f"request:{request.id}")


async def reveal(desk: Desk, request_id: UUID, *, verifier: str, at: datetime, actor: Actor) -> Shown:
    """Return the secret to whoever entered the code.

    The same answer can be had again for two minutes or until "saved"; then raises ``SecretGone``. Raises
    ``RevealRefused`` for a verifier that does not match the challenge (S256, RFC 7636 section 4.6).
    """
    gone = False
    async with desk.on_request(request_id, at=at, actor=actor) as (work, request):
        require_requester(work, request)
        _require_revealable(request, at=at)
        require_verifier(request, verifier)
        gone = await _erase_if_too_late(work, request)
        if not gone:
            return await _show(work, request)
    raise SecretGone


async def acknowledge(work: Work, request: Request, _message: SecretSaved) -> None:
    """Take the owner's word that the secret is saved, and erase the copy; refused before it was shown."""
    require_requester(work, request)
    require_step(request, Step.SECRET_SAVED)
    if request.revealed_at is None:
        raise SecretNotShown
    await requests.update(
        work.connection,
        request.id,
        step=Step.ACTIVATION_CHOICE,
        deadline=work.at + work.rules.activation_unconfirmed,
        saved_at=work.at,
        reveal_sealed=None,
    )
    work.audit_request(AuditTag.SECRET_SAVED, request)
    credential = found(await credential_of(work, request))
    await tell_owners(work, "credential_created", credential, request_id=request.id)


def _require_revealable(request: Request, *, at: datetime) -> None:
    if not request.journey.creates or request.step in {Step.STARTING, Step.TWO_FACTOR_CODE}:
        raise NotAtThisStep(f"The request is at the step {request.step}.", step=request.step)
    if request.step is not Step.SECRET_SAVED or is_overdue(request, at=at):
        raise SecretGone


def require_verifier(request: Request, verifier: str) -> None:
    """Raise ``RevealRefused`` unless the verifier's challenge came with the code (S256, RFC 7636 section 4.6)."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not hmac.compare_digest(digest, request.reveal_challenge or ""):
        raise RevealRefused


async def _erase_if_too_late(work: Work, request: Request) -> bool:
    if request.revealed_at is None or work.at < request.revealed_at + work.rules.reveal_repeatable:
        return False
    await requests.update(work.connection, request.id, reveal_sealed=None)
    return True


async def _show(work: Work, request: Request) -> Shown:
    sealed = await requests.read_sealed(work.connection, request.id)
    if sealed is None:
        raise SecretGone
    secret = work.keys.open(Purpose.REVEAL, sealed, bound_to=f"request:{request.id}").decode()
    credential = found(await credential_of(work, request))
    if request.revealed_at is None:
        await requests.update(work.connection, request.id, revealed_at=work.at)
        work.audit_request(AuditTag.SECRET_SHOWN, request)
    return Shown(
        kind=credential.kind,
        name=credential.name,
        public_id=credential.public_id,
        secret=SecretStr(secret),
        session_type=credential.session_type,
    )

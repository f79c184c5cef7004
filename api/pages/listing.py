"""The lists of API Keys Management, with search and status filter, and the unfinished requests above them."""

from dataclasses import dataclass
from typing import Any

from api.activity import last_uses
from api.schemas import RequestOut
from api.services import Owner, Services, now
from countersign.domain.credentials import CredentialKind, CredentialStatus
from countersign.domain.names import fold_name
from countersign.storage import credentials, requests
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request

_REQUESTS_SHOWN = 100


@dataclass(frozen=True)
class Search:
    """What the lists are narrowed to; an unknown status narrows nothing."""

    text: str = ""
    status: str = ""

    @property
    def narrows(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.text.strip()) or self.status in set(CredentialStatus)

    def fits(self, credential: Credential) -> bool:
        """Tell whether name, key, permissions or whitelist hold the text, and the status is the one wanted."""
        if self.status in set(CredentialStatus) and credential.status != self.status:
            return False
        wanted = fold_name(self.text)
        told = (credential.name, credential.public_id, *credential.permissions, *credential.ip_whitelist)
        return any(wanted in fold_name(each) for each in told)


async def listed(services: Services, owner: Owner, search: Search) -> dict[str, Any]:
    """Return the unfinished requests, and the API keys and FIX credentials that fit, newest first."""
    async with services.core.database.connection() as connection:
        keys = await credentials.of_account(connection, account_id=owner.account_id, kind=CredentialKind.API_KEY)
        fix = await credentials.of_account(connection, account_id=owner.account_id, kind=CredentialKind.FIX)
        opened = await requests.of_account(connection, owner.account_id, only_open=True, limit=_REQUESTS_SHOWN)
    used = await last_uses(services, [each.id for each in (*keys, *fix)])
    unfinished = _unfinished(services, opened)
    return {
        "unfinished": unfinished,
        "busy": {each.credential_id: each for each in unfinished},
        "own": owner.user_id,
        "used": used,
        "api_keys": [each for each in keys if search.fits(each)],
        "fix_credentials": [each for each in fix if search.fits(each)],
        "api_keys_in_all": len(keys),
        "fix_credentials_in_all": len(fix),
    }


def _unfinished(services: Services, opened: list[Request]) -> list[RequestOut]:
    shown = [RequestOut.of(each, rules=services.settings.rules, at=now()) for each in opened]
    return [each for each in shown if each.outcome is None]

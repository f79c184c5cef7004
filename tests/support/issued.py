"""Credentials that people of the cast were issued, with what was shown to them once."""

from dataclasses import dataclass
from typing import Any

from tests.support.answers import problem
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import decide, decided, name_of


async def _deactivate(owner: Person, credential: str) -> None:
    response = await owner.post(f"/{credential}/deactivations")
    assert response.status_code == 200, problem(response)


@dataclass(frozen=True)
class IssuedKey:
    """An API key that is active."""

    id: str
    key: str
    secret: str
    owner: Person

    async def deactivate(self) -> None:
        await _deactivate(self.owner, f"api-keys/{self.id}")

    async def edit(self, *, permissions: list[str]) -> None:
        """Give it these permissions, and activate it again."""
        form = {"permissions": permissions, "ip_whitelist": "", "acknowledge_deactivation": True}
        flow = await self.owner.begin(f"/api-keys/{self.id}/edits", form)
        await flow.to_activation_code()
        await flow.enter_activation_code()


@dataclass(frozen=True)
class IssuedFix:
    """FIX credentials."""

    id: str
    session_name: str
    username: str
    password: str
    owner: Person

    async def deactivate(self) -> None:
        await _deactivate(self.owner, f"fix-credentials/{self.id}")


async def issue_key(owner: Person, **form: Any) -> IssuedKey:
    """Return a new API key."""
    flow = await owner.create_api_key(**form)
    shown = await _shown_once(flow)
    await flow.to_activation_code()
    await flow.enter_activation_code()
    return IssuedKey(await _id_of(flow), shown["api_key"], shown["api_secret"], owner)


async def issue_fix(cast: Cast, session_type: str = "trade", *, active: bool = True) -> IssuedFix:
    """Return new FIX credentials, activated by the account manager or left inactive."""
    flow = await cast.owner.create_fix(session_type)
    shown = await _shown_once(flow)
    if active:
        await flow.to_account_manager()
        decided(await decide(cast.account_manager, await name_of(flow)))
    else:
        await flow.to_choice()
        await flow.choose("later")
    return IssuedFix(await _id_of(flow), shown["name"], shown["username"], shown["password"], cast.owner)


async def _shown_once(flow: Flow) -> dict[str, Any]:
    await flow.to_secret()
    shown = dict((await flow.reveal()).json())
    await flow.save()
    return shown


async def _id_of(flow: Flow) -> str:
    return str((await flow.shown())["credential_id"])

"""The journeys whose costs are counted, each a function that walks it; its docstring is its name."""

from collections.abc import Awaitable, Callable

from tests.costs.walking import Walk
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import look_up
from tests.support.stage import ended

# What must be there before the journey begins; its own cost is not counted.
Prepared = Flow | None
Journey = Callable[[Walk, Prepared], Awaitable[None]]
_KEY = {"name": "bot", "permissions": ["trade"]}
_EDIT = {"permissions": ["read"], "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True}


async def create_by_sms(walk: Walk, _: Prepared) -> None:
    """API key: code by SMS, activated by the code from the mail."""
    await _create(walk, walk.cast.sms_owner)
    await _activate_by_mail(walk)
    await walk.call(walk.flow.person, "/requests/{id}", verb="GET", id=walk.flow.id)


async def create_by_authenticator(walk: Walk, _: Prepared) -> None:
    """API key: authenticator, activated by the code from the mail."""
    await _create(walk, walk.cast.owner)
    await _activate_by_mail(walk)


async def create_and_press_link(walk: Walk, _: Prepared) -> None:
    """API key: code by SMS, activated by the link in the mail."""
    await _create(walk, walk.cast.sms_owner)
    await walk.say("/activation", {"when": "now"})
    [token] = await walk.flow.link_tokens()
    await walk.say("/activation-link", {"token": token})


async def create_for_later(walk: Walk, _: Prepared) -> None:
    """API key: code by SMS, ACTIVATE LATER."""
    await _create(walk, walk.cast.sms_owner)
    await walk.say("/activation", {"when": "later"})


async def create_with_slips(walk: Walk, _: Prepared) -> None:
    """API key: one wrong code and one resend, activated by the code from the mail."""
    await walk.begin(walk.cast.sms_owner, "/api-keys", _KEY)
    right = await walk.flow.code()
    wrong = f"{(int(right) + 1) % 10**6:06}"
    await walk.say("/two-factor-code", {"code": wrong, "reveal_challenge": walk.flow.challenge}, answer=422)
    await walk.say("/two-factor-code/resend")
    await _to_choice(walk)
    await _activate_by_mail(walk)


async def cancel(walk: Walk, _: Prepared) -> None:
    """API key: code by SMS, cancelled at the code."""
    await walk.begin(walk.cast.sms_owner, "/api-keys", _KEY)
    await walk.call(walk.flow.person, "/requests/{id}", verb="DELETE", id=walk.flow.id)


async def edit(walk: Walk, prepared: Prepared) -> None:
    """Edit of an inactive API key: code by SMS, activated by the code from the mail."""
    await walk.begin(walk.cast.sms_owner, "/api-keys/{id}/edits", _EDIT, id=await _credential(prepared))
    await _enter_code(walk)
    await _activate_by_mail(walk)


async def activate_key(walk: Walk, prepared: Prepared) -> None:
    """Activation of an inactive API key: code by SMS."""
    await walk.begin(walk.cast.sms_owner, "/api-keys/{id}/activations", id=await _credential(prepared))
    await _enter_code(walk)


async def create_fix(walk: Walk, _: Prepared) -> None:
    """FIX credentials: code by SMS, activated by the account manager."""
    await _create_fix(walk)
    await walk.say("/activation", {"when": "now"})
    await _decide(walk)


async def create_fix_for_later(walk: Walk, _: Prepared) -> None:
    """FIX credentials: code by SMS, ACTIVATE LATER."""
    await _create_fix(walk)
    await walk.say("/activation", {"when": "later"})


async def activate_fix(walk: Walk, prepared: Prepared) -> None:
    """Activation of inactive FIX credentials: the owner asks, the account manager activates."""
    await walk.begin(walk.cast.sms_owner, "/fix-credentials/{id}/activations", id=await _credential(prepared))
    await _decide(walk)


async def inactive_key(cast: Cast) -> Flow:
    return await _left_inactive(await cast.sms_owner.create_api_key())


async def inactive_fix(cast: Cast) -> Flow:
    return await _left_inactive(await cast.sms_owner.create_fix())


PREPARE: dict[Journey, Callable[[Cast], Awaitable[Flow]]] = {
    edit: inactive_key,
    activate_key: inactive_key,
    activate_fix: inactive_fix,
}
JOURNEYS: tuple[Journey, ...] = (
    create_by_sms,
    create_fix,
    create_by_authenticator,
    create_and_press_link,
    create_for_later,
    create_with_slips,
    cancel,
    edit,
    activate_key,
    create_fix_for_later,
    activate_fix,
)
# Billable actions, at most: with email activation and all mails; from POST to activated.
LIMITS: dict[Journey, int] = {create_by_sms: 18, create_fix: 16}


def name_of(journey: Journey) -> str:
    """Return what the journey is called in tables."""
    return str(journey.__doc__).removesuffix(".")


async def _left_inactive(flow: Flow) -> Flow:
    await flow.to_choice()
    await flow.choose("later")
    assert await ended(flow) == "left_inactive"
    return flow


async def _credential(prepared: Prepared) -> str:
    assert prepared is not None
    return str((await prepared.shown())["credential_id"])


async def _create(walk: Walk, person: Person) -> None:
    await walk.begin(person, "/api-keys", _KEY)
    await _to_choice(walk)


async def _create_fix(walk: Walk) -> None:
    await walk.begin(walk.cast.sms_owner, "/fix-credentials", {"session_type": "trade"})
    await _to_choice(walk)


async def _to_choice(walk: Walk) -> None:
    await _enter_code(walk)
    await walk.say("/secret", {"reveal_verifier": walk.flow.verifier})
    await walk.say("/secret-saved")


async def _enter_code(walk: Walk) -> None:
    code = await walk.flow.code()
    await walk.say("/two-factor-code", {"code": code, "reveal_challenge": walk.flow.challenge})


async def _activate_by_mail(walk: Walk) -> None:
    await walk.say("/activation", {"when": "now"})
    await walk.say("/activation-code", {"code": await walk.flow.code()})


async def _decide(walk: Walk) -> None:
    manager, name = walk.cast.account_manager, str((await walk.flow.shown())["name"])
    body = {"decision": "activate", "reason": "", "version": (await look_up(manager, name))["version"]}
    await walk.call(manager, "/account-manager/fix-credentials/{name}/decision", body, name=name)

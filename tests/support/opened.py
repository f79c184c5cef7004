"""One request for each journey and step at which it can be interrupted."""

from collections.abc import Awaitable, Callable

from tests.support.cast import Cast, Flow
from tests.support.fix import ask_for_activation

Opened = Callable[[Cast], Awaitable[Flow]]


async def edit(cast: Cast) -> Flow:
    key = await cast.owner.active_api_key()
    form = {"permissions": ["read"], "ip_whitelist": "", "acknowledge_deactivation": True}
    return await cast.sms_owner.begin(f"/api-keys/{key}/edits", form)


async def edit_at_choice(cast: Cast) -> Flow:
    return await (await edit(cast)).to_choice()


async def edit_at_code(cast: Cast) -> Flow:
    return await (await edit(cast)).to_activation_code()


async def activation(cast: Cast) -> Flow:
    key = await cast.owner.inactive_api_key()
    return await cast.owner.begin(f"/api-keys/{key}/activations")


async def key_at_choice(cast: Cast) -> Flow:
    return await (await cast.owner.create_api_key()).to_choice()


async def key_at_code(cast: Cast) -> Flow:
    return await (await cast.owner.create_api_key()).to_activation_code()


async def fix_at_choice(cast: Cast) -> Flow:
    return await (await cast.owner.create_fix()).to_choice()


async def fix_at_manager(cast: Cast) -> Flow:
    return await (await cast.owner.create_fix()).to_account_manager()


async def fix_asked(cast: Cast) -> Flow:
    return await ask_for_activation(cast.owner, await cast.owner.inactive_fix())


AFTER_A_CREDENTIAL = [
    key_at_choice,
    key_at_code,
    edit,
    edit_at_choice,
    edit_at_code,
    activation,
    fix_at_choice,
    fix_at_manager,
    fix_asked,
]


async def key_at_two_factor(cast: Cast) -> Flow:
    return await cast.owner.create_api_key()


async def key_at_secret(cast: Cast) -> Flow:
    return await (await cast.owner.create_api_key()).to_secret()


async def fix_at_two_factor(cast: Cast) -> Flow:
    return await cast.owner.create_fix()


async def fix_at_secret(cast: Cast) -> Flow:
    return await (await cast.owner.create_fix()).to_secret()


BEFORE_THE_CODE = [key_at_two_factor, fix_at_two_factor]
BEFORE_SAVED = [key_at_secret, fix_at_secret]
EVERY_STEP = [*BEFORE_THE_CODE, *BEFORE_SAVED, *AFTER_A_CREDENTIAL]
ONE_OF_EACH_STEP = [key_at_two_factor, fix_at_secret, edit_at_choice, key_at_code, fix_at_manager]

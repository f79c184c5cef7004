"""What the recorded histories tell: one function for each, and the file is called like it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from countersign.domain.messages import Cancel, RecoveryCode
from tests.support.cast import Cast, Flow
from tests.support.security import begin_change, changed, enter_recovery_code, new_code, new_phone_of, recovery_codes

Tale = Callable[[Cast], Awaitable[Flow]]


async def create_activated(cast: Cast) -> Flow:
    flow = await (await cast.sms_owner.create_api_key()).to_activation_code()
    await flow.enter_activation_code("000000")
    await flow.enter_activation_code()
    return flow


async def create_with_resent_code_then_later(cast: Cast) -> Flow:
    flow = await cast.sms_owner.create_api_key()
    await flow.code()
    await flow.post("/two-factor-code/resend")
    await flow.to_choice()
    await flow.choose("later")
    return flow


async def create_refused(cast: Cast) -> Flow:
    return await _five_wrong(await cast.owner.create_api_key())


async def create_by_signals_then_cancelled(cast: Cast) -> Flow:
    flow = await cast.owner.create_api_key()
    await flow.to_secret()
    await flow.handle.signal("two_factor_code", {"code": "000000"})
    await flow.handle.signal("cancel", Cancel(reason="recorded"))
    return flow


async def create_superseded(cast: Cast) -> Flow:
    return await _deactivated(await (await cast.owner.create_api_key()).to_activation_code(), "api-keys")


async def create_cancelled_in_temporal(cast: Cast) -> Flow:
    flow = await cast.owner.create_api_key()
    await flow.handle.cancel()
    return flow


async def create_expired(cast: Cast) -> Flow:
    return await cast.owner.create_api_key()


async def create_abandoned(cast: Cast) -> Flow:
    return await (await cast.owner.create_api_key()).to_secret()


async def create_unconfirmed(cast: Cast) -> Flow:
    return await (await cast.owner.create_api_key()).to_activation_code()


async def fix_activated(cast: Cast) -> Flow:
    return await _decided(cast, await (await cast.sms_owner.create_fix()).to_account_manager(), "activate")


async def fix_rejected(cast: Cast) -> Flow:
    return await _decided(cast, await (await cast.owner.create_fix()).to_account_manager(), "reject")


async def fix_forged_then_activated(cast: Cast) -> Flow:
    flow = await (await cast.owner.create_fix()).to_account_manager()
    await flow.handle.signal("account_manager_decision", {})
    await flow.handle.signal("account_manager_decision")
    return await _decided(cast, flow, "activate")


async def fix_reminded_then_activated(cast: Cast) -> Flow:
    flow = await (await cast.owner.create_fix()).to_account_manager()
    await asyncio.sleep(1.5)
    return await _decided(cast, flow, "activate")


async def fix_expired(cast: Cast) -> Flow:
    return await cast.owner.create_fix()


async def edit_activated(cast: Cast) -> Flow:
    flow = await (await _edit(cast)).to_activation_code()
    await flow.enter_activation_code()
    return flow


async def edit_later(cast: Cast) -> Flow:
    flow = await (await _edit(cast)).to_choice()
    await flow.choose("later")
    return flow


async def api_key_activated(cast: Cast) -> Flow:
    flow = await _activation(cast)
    await flow.enter_code()
    return flow


async def fix_activation_activated(cast: Cast) -> Flow:
    credentials = await cast.owner.inactive_fix()
    flow = await cast.owner.begin(f"/fix-credentials/{credentials['id']}/activations")
    return await _decided(cast, flow, "activate")


async def fix_activation_rejected(cast: Cast) -> Flow:
    credentials = await cast.owner.inactive_fix()
    flow = await cast.owner.begin(f"/fix-credentials/{credentials['id']}/activations")
    return await _decided(cast, flow, "reject")


async def fix_activation_superseded(cast: Cast) -> Flow:
    credentials = await cast.owner.inactive_fix()
    flow = await cast.owner.begin(f"/fix-credentials/{credentials['id']}/activations")
    return await _deactivated(flow, "fix-credentials")


async def two_factor_turned_on(cast: Cast) -> Flow:
    return await changed(cast.bare_owner, "authenticator")


async def two_factor_moved_to_sms(cast: Cast) -> Flow:
    flow = await begin_change(cast.owner, "sms", phone=new_phone_of(cast.owner))
    await flow.enter_code("000000")
    await flow.enter_code()
    await flow.post("/two-factor-code/resend")
    await flow.enter_code(await new_code(flow))
    return flow


async def two_factor_off_by_recovery_code(cast: Cast) -> Flow:
    codes = await recovery_codes(await changed(cast.owner, "recovery_codes"))
    flow = await begin_change(cast.owner, "off")
    await enter_recovery_code(flow, codes[0])
    return flow


async def two_factor_change_by_signals_then_cancelled(cast: Cast) -> Flow:
    flow = await begin_change(cast.owner, "authenticator")
    await flow.handle.signal("recovery_code", RecoveryCode(code="0000-0000-0000-0000"))
    await flow.handle.signal("cancel", Cancel(reason="recorded"))
    return flow


async def two_factor_change_expired(cast: Cast) -> Flow:
    return await begin_change(cast.bare_owner, "authenticator")


async def create_refused_at_activation(cast: Cast) -> Flow:
    return await _five_wrong_by_mail(await (await cast.owner.create_api_key()).to_activation_code())


async def create_undecided(cast: Cast) -> Flow:
    return await (await cast.owner.create_api_key()).to_choice()


async def fix_refused(cast: Cast) -> Flow:
    return await _five_wrong(await cast.owner.create_fix())


async def fix_later(cast: Cast) -> Flow:
    flow = await (await cast.owner.create_fix()).to_choice()
    await flow.choose("later")
    return flow


async def fix_superseded(cast: Cast) -> Flow:
    flow = await (await cast.owner.create_fix()).to_account_manager()
    return await _deactivated(flow, "fix-credentials")


async def fix_cancelled(cast: Cast) -> Flow:
    return await _cancelled(await (await cast.owner.create_fix()).to_account_manager())


async def fix_abandoned(cast: Cast) -> Flow:
    return await (await cast.owner.create_fix()).to_secret()


async def fix_undecided(cast: Cast) -> Flow:
    return await (await cast.owner.create_fix()).to_choice()


async def edit_refused(cast: Cast) -> Flow:
    return await _five_wrong(await _edit(cast))


async def edit_refused_at_activation(cast: Cast) -> Flow:
    return await _five_wrong_by_mail(await (await _edit(cast)).to_activation_code())


async def edit_superseded(cast: Cast) -> Flow:
    return await _deactivated(await (await _edit(cast)).to_choice(), "api-keys")


async def edit_cancelled(cast: Cast) -> Flow:
    return await _cancelled(await _edit(cast))


async def edit_expired(cast: Cast) -> Flow:
    return await _edit(cast)


async def edit_undecided(cast: Cast) -> Flow:
    return await (await _edit(cast)).to_choice()


async def edit_unconfirmed(cast: Cast) -> Flow:
    return await (await _edit(cast)).to_activation_code()


async def api_key_refused(cast: Cast) -> Flow:
    return await _five_wrong(await _activation(cast))


async def api_key_superseded(cast: Cast) -> Flow:
    return await _deactivated(await _activation(cast), "api-keys")


async def api_key_cancelled(cast: Cast) -> Flow:
    return await _cancelled(await _activation(cast))


async def api_key_expired(cast: Cast) -> Flow:
    return await _activation(cast)


async def fix_activation_cancelled(cast: Cast) -> Flow:
    credentials = await cast.owner.inactive_fix()
    return await _cancelled(await cast.owner.begin(f"/fix-credentials/{credentials['id']}/activations"))


async def two_factor_change_refused(cast: Cast) -> Flow:
    return await _five_wrong(await begin_change(cast.owner, "authenticator"))


async def two_factor_new_factor_refused(cast: Cast) -> Flow:
    return await _five_wrong(await begin_change(cast.bare_owner, "authenticator"))


async def two_factor_change_unproven(cast: Cast) -> Flow:
    return await begin_change(cast.owner, "authenticator")


async def requests_compared(cast: Cast) -> Flow:
    return await _run_of(cast, "reconcile")


async def house_kept(cast: Cast) -> Flow:
    return await _run_of(cast, "housekeeping")


async def _run_of(cast: Cast, workflow: str) -> Flow:
    flow = Flow(cast.owner, "", f"{workflow}/{uuid4()}")
    await cast.core.client.start_workflow(workflow, id=flow.workflow_id, task_queue=cast.core.settings.task_queue)
    return flow


async def _activation(cast: Cast) -> Flow:
    return await cast.owner.begin(f"/api-keys/{await cast.owner.inactive_api_key()}/activations")


async def _five_wrong(flow: Flow) -> Flow:
    for number in range(5):
        await flow.enter_code(f"00000{number}")
    return flow


async def _five_wrong_by_mail(flow: Flow) -> Flow:
    for number in range(5):
        await flow.enter_activation_code(f"00000{number}")
    return flow


async def _cancelled(flow: Flow) -> Flow:
    await flow.cancel()
    return flow


async def _deactivated(flow: Flow, kind: str) -> Flow:
    await flow.person.post(f"/{kind}/{(await flow.shown())['credential_id']}/deactivations")
    return flow


async def _edit(cast: Cast) -> Flow:
    form = {"permissions": ["trade"], "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True}
    return await cast.owner.begin(f"/api-keys/{await cast.owner.inactive_api_key()}/edits", form)


async def _decided(cast: Cast, flow: Flow, decision: str) -> Flow:
    shown = await flow.shown()
    manager = cast.account_manager
    path = f"/account-manager/fix-credentials/{shown['name']}"
    version = (await manager.get(path)).json()["version"]
    form = {"decision": decision, "reason": "recorded", "version": version}
    response = await manager.post(f"{path}/decision", form)
    assert response.status_code == 200, response.text
    return flow


PATIENT: list[Tale] = [
    create_activated,
    create_with_resent_code_then_later,
    create_refused,
    create_by_signals_then_cancelled,
    create_superseded,
    create_cancelled_in_temporal,
    fix_activated,
    fix_rejected,
    fix_forged_then_activated,
    edit_activated,
    edit_later,
    api_key_activated,
    fix_activation_activated,
    fix_activation_rejected,
    fix_activation_superseded,
    two_factor_turned_on,
    two_factor_moved_to_sms,
    two_factor_off_by_recovery_code,
    two_factor_change_by_signals_then_cancelled,
    create_refused_at_activation,
    fix_refused,
    fix_later,
    fix_superseded,
    fix_cancelled,
    edit_refused,
    edit_refused_at_activation,
    edit_superseded,
    edit_cancelled,
    api_key_refused,
    api_key_superseded,
    api_key_cancelled,
    fix_activation_cancelled,
    two_factor_change_refused,
    two_factor_new_factor_refused,
    house_kept,
    requests_compared,
]
IN_A_HURRY: list[Tale] = [
    create_expired,
    create_abandoned,
    create_unconfirmed,
    fix_expired,
    fix_reminded_then_activated,
    two_factor_change_expired,
    create_undecided,
    fix_abandoned,
    fix_undecided,
    edit_expired,
    edit_undecided,
    edit_unconfirmed,
    api_key_expired,
    two_factor_change_unproven,
]

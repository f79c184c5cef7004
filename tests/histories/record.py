"""Records the histories that ``tests/durability/test_replay.py`` replays: ``python -m tests.histories.record``.

Run it when a journey was changed so that old histories may go (none of it runs anywhere any more), or when a new end
was added; names of ends after the command record these alone. It starts a PostgreSQL and a Temporal server of its own,
with short deadlines instead of skipped time, and payloads that are not encrypted. All people, codes and addresses in it
are made up for the recording.

``fix_garbage_dropped_then_activated.json`` is from before garbage decisions were refused on the record
(``workflows/messages.py``): the same tale as ``fix_forged_then_activated``, told by the code of then.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from countersign.adapters.keyring import Purpose, new_key_ring_json
from countersign.domain.messages import Cancel, RecoveryCode
from countersign.domain.rules import Rules
from countersign.local.issuer import ISSUER, Issuer, load_or_make_issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.storage.migrate import migrate
from countersign.wiring import parts
from tests.adapters.standins import SendGridStandIn, TwilioStandIn
from tests.support.cast import Cast, Flow, Providers
from tests.support.security import begin_change, changed, enter_recovery_code, new_code, new_phone_of, recovery_codes
from tests.support.stage import Stage, ended, set_stage

FOLDER = Path(__file__).parent
_QUICK = Rules(
    code_lifetime=timedelta(seconds=1),
    resend_after=timedelta(0),
    two_factor_idle=timedelta(seconds=1),
    secret_unacknowledged=timedelta(seconds=1),
    activation_unconfirmed=timedelta(seconds=1),
    first_reminder=timedelta(seconds=0.5),
    second_reminder=timedelta(seconds=1),
)
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
    flow = await cast.owner.create_api_key()
    for number in range(5):
        await flow.enter_code(f"00000{number}")
    return flow


async def create_by_signals_then_cancelled(cast: Cast) -> Flow:
    flow = await cast.owner.create_api_key()
    await flow.to_secret()
    await flow.handle.signal("two_factor_code", {"code": "000000"})
    await flow.handle.signal("cancel", Cancel(reason="recorded"))
    return flow


async def create_superseded(cast: Cast) -> Flow:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    await cast.owner.post(f"/api-keys/{(await flow.shown())['credential_id']}/deactivations")
    return flow


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
    flow = await cast.owner.begin(f"/api-keys/{await cast.owner.inactive_api_key()}/activations")
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
    await cast.owner.post(f"/fix-credentials/{credentials['id']}/deactivations")
    return flow


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
]
IN_A_HURRY: list[Tale] = [
    create_expired,
    create_abandoned,
    create_unconfirmed,
    fix_expired,
    fix_reminded_then_activated,
    two_factor_change_expired,
]


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


async def _connect(*, address: str, namespace: str, **_others: object) -> Client:
    # The identity would tell the name of the machine.
    return await Client.connect(
        address, namespace=namespace, data_converter=pydantic_data_converter, identity="recorder"
    )


async def record(settings: Settings, issuer: Issuer, providers: Providers, *, names: list[str]) -> None:
    with patch("countersign.wiring.connect", _connect):
        async with parts(settings, purposes=frozenset(Purpose), lazy=False) as core:
            for tales, rules in ((PATIENT, Rules(resend_after=timedelta(0))), (IN_A_HURRY, _QUICK)):
                for tale in (each for each in tales if each.__name__ in names or not names):
                    async with set_stage(core, issuer=issuer, providers=providers, rules=rules) as stage:
                        await _record(stage, tale)


async def _record(stage: Stage, tale: Tale) -> None:
    async with stage.at_work(chores=True):
        flow = await tale(stage.cast)
        outcome = await ended(flow)
        history = await flow.handle.fetch_history()
    # Tracebacks tell where things lie on the machine; replay does not look at them.
    text = re.sub(r'"stackTrace": "(?:[^"\\]|\\.)*"', '"stackTrace": ""', history.to_json())
    (FOLDER / f"{tale.__name__}.json").write_text(text)
    sys.stdout.write(f"{tale.__name__}: {outcome}, {len(history.events)} events\n")


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(EmbeddedPostgres(folder, free_port(), durable=False).running())
        migrate(postgres.owner_url)
        postgres.grant_application()
        temporal = stack.enter_context(EmbeddedTemporal(port=free_port()).running())
        twilio = stack.enter_context(TwilioStandIn.running())
        sendgrid = stack.enter_context(SendGridStandIn.running())
        issuer = load_or_make_issuer(folder)
        settings = Settings(
            database_url=SecretStr(postgres.app_url),
            temporal_address=temporal.address,
            key_ring=SecretStr(new_key_ring_json()),
            jwt_issuer=ISSUER,
            jwt_key_file=issuer.jwks_file,
            oidc_issuer="https://identity.example",
            oidc_client_id="countersign",
            oidc_client_secret=SecretStr("secret"),
            twilio_account_sid=f"AC{'0' * 32}",
            twilio_auth_token=SecretStr("token"),
            twilio_from="+447700900000",
            twilio_base_url=twilio.url,
            sendgrid_api_key=SecretStr("key"),
            sendgrid_from="countersign@example.com",
            sendgrid_base_url=sendgrid.url,
            public_url="https://countersign.example.com",
        )
        people = Providers(twilio=twilio, sendgrid=sendgrid)
        asyncio.run(record(settings, issuer, people, names=sys.argv[1:]))


if __name__ == "__main__":
    main()

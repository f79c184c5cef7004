"""Records the histories that ``tests/durability/test_replay.py`` replays: ``python -m tests.histories.record``.

Run it when a journey was changed so that old histories may go (none of it runs anywhere any more), or when a new end
was added; names of ends after the command record these alone. It starts a PostgreSQL and a Temporal server of its own,
with short deadlines instead of skipped time, and payloads that are not encrypted. All people, codes and addresses in it
are made up for the recording.

The folder ``one_timer_a_step`` holds the same tales told by the code from before a timer stayed when the deadline moved
on (``workflows/approval.py``). Its ``fix_garbage_dropped_then_activated.json`` is from before garbage decisions were
refused on the record (``workflows/messages.py``): the tale of ``fix_forged_then_activated``.
"""

import asyncio
import re
import sys
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from countersign.adapters.keyring import Purpose, new_key_ring_json
from countersign.adapters.temporal import Frontend
from countersign.domain.rules import Rules
from countersign.local.issuer import ISSUER, Issuer, load_or_make_issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.storage.migrate import migrate
from countersign.wiring import parts
from tests.adapters.standins import SendGridStandIn, TwilioStandIn
from tests.histories.tales import IN_A_HURRY, PATIENT, Tale
from tests.support.cast import Providers
from tests.support.recorded import scrub
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


async def _connect(frontend: Frontend, *_keys: object, **_how: object) -> Client:
    # The identity would tell the name of the machine.
    return await Client.connect(
        frontend.address, namespace=frontend.namespace, data_converter=pydantic_data_converter, identity="recorder"
    )


async def record(settings: Settings, issuer: Issuer, providers: Providers, *, names: list[str]) -> None:
    with patch.object(Frontend, "connect", _connect):
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
    (FOLDER / f"{tale.__name__}.json").write_text(scrub(text))
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

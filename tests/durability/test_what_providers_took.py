"""What a provider has taken is not sent again because the database could not note it at once."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import SecretStr

from countersign.adapters.keyring import KeyRing, Purpose, new_key_ring_json
from countersign.adapters.senders import Mail
from countersign.adapters.twilio_sms import TwilioSms
from countersign.dispatch.outbox import Outbox
from countersign.domain.rules import Rules
from countersign.effects.work import Desk
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage import accounts, database, notices, users
from countersign.storage.database import Database, scalar
from countersign.wiring import parts
from tests.support.cast import Providers
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.proxy import Proxy
from tests.support.stage import set_stage

_AWAY_SECONDS = 0.6


async def _be_away(proxy: Proxy) -> None:
    await proxy.cut()
    asyncio.get_running_loop().call_later(_AWAY_SECONDS, lambda: asyncio.ensure_future(proxy.mend()))


class _TakesItAsTheDatabaseGoes:
    """A mail provider; the database goes away as it answers."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.taken: list[str] = []

    async def send_mail(self, *, to: str, mail: Mail, key: str) -> str:  # noqa: ARG002 - as MailSender has it
        self.taken.append(key)
        await _be_away(self.proxy)
        return key

    async def aclose(self) -> None:
        """Nothing is open."""


async def _put_notice(desk: Desk) -> None:
    account_id, user_id = uuid4(), uuid4()
    async with desk.database.transaction() as connection:
        await accounts.insert(connection, account_id=account_id, name="Home", prime_liquidity=True)
        await users.insert(connection, user_id=user_id, name="olivia", email="olivia@example.com", phone=None)
        await notices.insert(
            connection, account_id=account_id, request_id=None, told={user_id: None},
            event="issuing_frozen", context={"account_name": "Home", "at": "now", "actor_name": "Countersign"},
        )  # fmt: skip


async def test_a_notice_whose_database_goes_as_the_provider_answers_is_noted_as_sent_when_it_is_back(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.2)
    own = OwnDatabase.make_migrated(postgres)
    async with Proxy.to(postgres.port) as proxy:
        behind = Database(own.app_url.replace(f":{postgres.port}/", f":{proxy.port}/"), pool_size=2)
        await behind.open()
        desk = Desk(database=behind, keys=KeyRing.from_json(new_key_ring_json()), rules=Rules())
        await _put_notice(desk)
        mail = _TakesItAsTheDatabaseGoes(proxy)

        assert await Outbox(desk=desk, mail=mail, public_url="https://countersign.example").send_due() == 1

        async with behind.connection() as connection:
            assert await scalar(connection, "SELECT count(*) FROM notices WHERE sent_at IS NOT NULL") == 1
        assert len(mail.taken) == 1
        await behind.close()


async def test_a_code_whose_database_goes_as_the_provider_answers_is_sent_once(
    settings: Settings,
    postgres: EmbeddedPostgres,
    issuer: Issuer,
    providers: Providers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send_sms = TwilioSms.send_sms
    async with Proxy.to(postgres.port) as proxy:

        async def broken(self: TwilioSms, *, to: str, text: str, key: str) -> str:
            sent = await send_sms(self, to=to, text=text, key=key)
            await _be_away(proxy)
            return sent

        monkeypatch.setattr(database, "_WAIT_SECONDS", 0.2)
        monkeypatch.setattr(TwilioSms, "send_sms", broken)
        url = settings.database_url.get_secret_value().replace(f":{postgres.port}/", f":{proxy.port}/")
        behind = settings.model_copy(update={"database_url": SecretStr(url)})
        async with (
            parts(behind, purposes=frozenset(Purpose), lazy=False) as own,
            set_stage(own, issuer=issuer, providers=providers) as stage,
            stage.at_work(),
        ):
            sam = stage.cast.sms_owner
            begun = await sam.post("/api-keys", {"name": "bot", "permissions": []})
            assert begun.status_code == 202

            await eventually(lambda: _delivery(stage.core.desk, begun.json()["id"]), lambda found: found == "sent")

            assert len(providers.texts_to(sam.phone)) == 1


async def _delivery(desk: Desk, request_id: str) -> str:
    query = "SELECT delivery FROM code_sends s JOIN challenges c ON c.id = s.challenge_id WHERE c.request_id = %s"
    found: list[str] = []

    async def look(connection: database.Connection) -> None:
        found.append(str(await scalar(connection, query, (request_id,))))

    await desk.database.insist(look)
    return found[-1]

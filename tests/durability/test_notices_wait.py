"""While the mail provider is away notices wait; afterwards each goes out once, to each person in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.adapters.sendgrid_mail import SendGridMail
from countersign.dispatch.outbox import Outbox
from countersign.domain.credentials import CredentialKind
from countersign.domain.rules import Rules
from countersign.effects.deactivation import deactivate
from countersign.effects.work import Desk
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage.database import Database
from tests.adapters.standins import Mood, SendGridStandIn
from tests.support.databases import OwnDatabase
from tests.support.house import House, by

_AWAY = [
    Mood.BUSY,
    *(pytest.param(mood, marks=pytest.mark.prove) for mood in (Mood.BROKEN, Mood.UNAUTHORIZED, Mood.SLOW)),
]
_LONG = 1800


@dataclass
class Post:
    """A house whose notices nobody sends but who is asked to, and the provider they go to."""

    house: House
    outbox: Outbox
    provider: SendGridStandIn

    async def tell(self, name: str) -> None:
        """Let every owner be told of a creation, and then of the deactivation."""
        creation = await self.house.create_key(name=name)
        await creation.to_waiting()
        credential_id = (await creation.request()).credential_id
        async with self.house.desk.on_account(
            self.house.account_id, at=datetime.now(UTC), actor=by(self.house.owner)
        ) as work:
            await deactivate(work, self.house.owner, credential_id, kind=CredentialKind.API_KEY)

    async def let_pass(self, seconds: int) -> None:
        statement = "UPDATE notices SET due_at = due_at - make_interval(secs => %s) WHERE sent_at IS NULL"
        await self.house.change(statement, seconds)

    async def until_all_went_out(self) -> list[str]:
        """Return the subjects of what reaches the owner from now on, as time passes by four seconds."""
        self.provider.received.clear()
        self.provider.mood = Mood.GOOD
        unsent = "SELECT 1 FROM notices WHERE sent_at IS NULL AND NOT unwritable"
        for _ in range(_LONG):
            await self.outbox.send_due()
            if not await self.house.select(unsent):
                break
            await self.let_pass(4)
        return self.reached(self.house.owner)

    def reached(self, user_id: UUID) -> list[str]:
        """Return the subjects of what reached the person, oldest first."""
        mails = [each.body for each in self.provider.received]
        return [mail["subject"] for mail in mails if user_id.hex in str(mail["personalizations"])]


@pytest.fixture(scope="module")
async def desk(postgres: EmbeddedPostgres) -> AsyncIterator[Desk]:
    database = Database(OwnDatabase.make_migrated(postgres).app_url, pool_size=4)
    await database.open()
    yield Desk(database=database, keys=KeyRing.from_json(new_key_ring_json()), rules=Rules())
    await database.close()


@pytest.fixture
async def post(desk: Desk) -> AsyncIterator[Post]:
    with SendGridStandIn.running() as provider:
        mail = SendGridMail(api_key="key", sender="desk@example.com", base_url=provider.url, timeout_seconds=0.3)
        async with aclosing(mail):
            yield Post(await House.build(desk), Outbox(desk, mail, "https://countersign.example"), provider)


def _told(*names: str) -> list[str]:
    return [f"API key {what}: {name}" for name in names for what in ("created", "deactivated")]


@pytest.mark.parametrize("mood", _AWAY)
async def test_what_a_provider_could_not_take_goes_out_later_in_order_and_once_with_what_came_meanwhile(
    post: Post, mood: Mood
) -> None:
    post.provider.mood = mood
    await post.tell("first")
    for _ in range(3):
        await post.outbox.send_due()
        await post.let_pass(15)
    await post.outbox.send_due()
    await post.tell("second")

    assert await post.until_all_went_out() == _told("first", "second")


async def test_a_person_is_mailed_within_minutes_of_the_providers_return_however_long_it_was_away(post: Post) -> None:
    post.provider.mood = Mood.BROKEN
    await post.tell("first")
    for _ in range(20):
        await post.outbox.send_due()
        await post.let_pass(_LONG)
    await post.outbox.send_due()

    [[longest]] = await post.house.select("SELECT extract(epoch FROM max(due_at) - now())::int FROM notices")
    assert longest <= 300
    assert await post.until_all_went_out() == _told("first")


async def test_a_notice_that_cannot_be_written_holds_up_no_other(post: Post) -> None:
    await post.tell("first")
    await post.house.change(
        "UPDATE notices SET context = '{}' WHERE user_id = %s AND event = 'credential_created'", post.house.owner
    )

    assert await post.until_all_went_out() == ["API key deactivated: first"]


async def test_two_workers_at_once_send_each_notice_once_and_in_order(post: Post) -> None:
    names = [f"key {number}" for number in range(4)]
    for name in names:
        await post.tell(name)

    async def send() -> None:
        for _ in range(20):
            await post.outbox.send_due()

    await asyncio.gather(send(), send())

    assert post.reached(post.house.owner) == post.reached(post.house.sms_owner) == _told(*names)

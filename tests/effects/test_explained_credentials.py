"""What a credential is, the audit trail explains: whoever writes to the credentials' table alone is found out."""

from typing import LiteralString

import pytest

from countersign.auditing.verifying import Verifier
from countersign.domain.audit_chain import Fault
from countersign.domain.credentials import CredentialKind
from countersign.domain.messages import ActivationCode
from countersign.effects.deactivation import deactivate
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage.audit_reading import snapshot
from tests.support.house import NOW, House, by


def findings(house: House, postgres: EmbeddedPostgres) -> list[tuple[Fault, str]]:
    """Return what verifying the account's trail finds."""
    with snapshot(postgres.app_url) as trails:
        report = Verifier(house.desk.keys).verify_database(trails, house.account_id)
    # Other tests' checkpoints in the same database are signed with keys of theirs.
    account = str(house.account_id)
    return [(finding.fault, finding.detail) for finding in report.findings if finding.account_id == account]


async def test_a_credential_that_came_about_rightly_is_explained_at_every_step(
    house: House, postgres: EmbeddedPostgres
) -> None:
    waiting = await (await house.create_key()).to_waiting()
    await (await house.create_key()).cancel()
    await (await (await house.create_key()).to_secret()).cancel()
    await (await house.create_fix()).left_inactive()
    assert findings(house, postgres) == []

    await waiting.send(ActivationCode(code=await waiting.sent()))
    assert findings(house, postgres) == []

    credential_id = (await waiting.request()).credential_id
    async with house.desk.on_account(house.account_id, at=NOW, actor=by(house.owner)) as work:
        await deactivate(work, house.owner, credential_id, kind=CredentialKind.API_KEY)
    assert findings(house, postgres) == []


async def test_an_edit_that_was_confirmed_is_explained_and_one_that_was_not_changes_nothing(
    house: House, postgres: EmbeddedPostgres
) -> None:
    made = await house.create_key(trading_limits="BTC order 1.5 day 10\nETH day 20")
    credential_id = (await (await made.left_inactive()).request()).credential_id
    edit = await house.edit_key(credential_id, permissions=["funds_wallet"], ip_whitelist="2001:db8::/48")
    assert findings(house, postgres) == []

    await edit.to_secret()

    assert findings(house, postgres) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE credentials SET status = 'active' WHERE id = %s", "is active, and the trail leaves it inactive"),
        ("UPDATE credentials SET permissions = '{read,trade,funds_external}' WHERE id = %s", "has not the permissions"),
        ("UPDATE credentials SET ip_whitelist = '{}' WHERE id = %s", "has not the permissions and the IP whitelist"),
        (
            """UPDATE credentials SET trading_limits = '[{"asset": "BTC", "order_size": "9"}]' WHERE id = %s""",
            "has not the trading limits that the trail gives it",
        ),
    ],
)
async def test_a_change_of_the_table_alone_is_found(
    house: House, postgres: EmbeddedPostgres, statement: LiteralString, told: str
) -> None:
    credential_id = (await (await (await house.create_key()).left_inactive()).request()).credential_id
    await house.change(statement, credential_id)

    [(fault, detail)] = findings(house, postgres)

    assert fault is Fault.UNEXPLAINED
    assert detail.startswith(f"credential {credential_id} {told}")


async def test_a_credential_that_no_event_tells_of_is_found(house: House, postgres: EmbeddedPostgres) -> None:
    await house.change(
        """INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, status, secret_sealed, created_by)
           VALUES (gen_random_uuid(), %s, 'api_key', 'x', 'x', gen_random_uuid(), 'active', 'x', %s)""",
        house.account_id, house.owner,
    )  # fmt: skip

    assert [fault for fault, _ in findings(house, postgres)] == [Fault.UNEXPLAINED]

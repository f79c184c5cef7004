"""Sealing anew: whoever changed or erased a value meanwhile wins."""

import asyncio
from uuid import UUID

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.effects.resealing import reseal
from countersign.effects.work import found
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage import accounts, sealed_values
from countersign.storage.database import Connection, scalar
from countersign.storage.key_uses import Kind
from tests.support.cast import Cast, Providers
from tests.support.rings import FIRST, TAKEN_OVER, Place

_BEFORE_ALL = UUID(int=0)


async def test_a_value_that_was_changed_or_erased_meanwhile_is_not_replaced(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    async with cast.core.database.transaction() as connection:
        [reveal] = [each for each in await _reveals(connection) if str(each.id) == flow.id]
        secret = next(each for each in await _secrets(connection) if each.account_id == cast.owner.account_id)
        seed = next(each for each in await _seeds(connection) if each.id == cast.owner.id)
        await connection.execute("UPDATE requests SET reveal_sealed = NULL WHERE id = %s", (reveal.id,))
        await connection.execute("UPDATE credentials SET secret_sealed = '\\x01' WHERE id = %s", (secret.id,))
        await connection.execute("UPDATE users SET totp_seed = '\\x02' WHERE id = %s", (seed.id,))

        replaced = [
            await sealed_values.replace_reveal(connection, reveal, b"anew"),
            await sealed_values.replace_secret(connection, secret, b"anew"),
            await sealed_values.replace_seed(connection, seed, b"anew"),
        ]

        assert replaced == [False, False, False]
        assert await scalar(connection, "SELECT reveal_sealed FROM requests WHERE id = %s", (reveal.id,)) is None
        assert await scalar(connection, "SELECT totp_seed FROM users WHERE id = %s", (seed.id,)) == b"\x02"


async def _reveals(connection: Connection) -> list[sealed_values.SealedReveal]:
    return await sealed_values.reveals_under_others(connection, "another", after=_BEFORE_ALL, limit=10_000)


async def _secrets(connection: Connection) -> list[sealed_values.SealedSecret]:
    return await sealed_values.secrets_under_others(connection, "another", after=_BEFORE_ALL, limit=10_000)


async def _seeds(connection: Connection) -> list[sealed_values.SealedSeed]:
    return await sealed_values.seeds_under_others(connection, "another", after=_BEFORE_ALL, limit=10_000)


async def test_it_waits_for_effects_on_the_account_and_may_be_broken_off_and_run_again(
    postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers
) -> None:
    place = Place.make(postgres, settings, issuer, providers)
    async with place.served(FIRST) as processes:
        cast = await processes.enter()
        database = processes.core.database
        keys = KeyRing.of(TAKEN_OVER, purposes=Purpose)
        async with database.transaction() as connection:
            await accounts.lock(connection, found(cast.owner.account_id))
            broken_off = asyncio.create_task(reseal(database, keys))
            done, _ = await asyncio.wait({broken_off}, timeout=0.5)
            assert not done
            broken_off.cancel()
            await asyncio.wait({broken_off})
        async with database.connection() as connection:
            left = len(await sealed_values.seeds_under_others(connection, keys.current, after=_BEFORE_ALL, limit=10))

        assert 0 < left <= 5
        assert (await reseal(database, keys)).counts == {Kind.TOTP_SEED: left}
        assert (await reseal(database, keys)).counts.total() == 0

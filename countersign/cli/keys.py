"""``countersign keys``: the key ring, from one key to the next."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from countersign.cli.key_ring import KeptRing
    from countersign.effects.resealing import Resealed

app = typer.Typer(no_args_is_help=True, help="For ops: the key ring. Key material is never shown unasked.")

Printed = Annotated[bool, typer.Option("--print", help="Print the new ring, key material included; change no file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


class Process(StrEnum):
    """What a ring can be derived for."""

    API = "api"
    WORKER = "worker"
    VERIFIER = "verifier"


_RESTART = (
    "Derive the rings of all processes anew (`countersign keys derive`) and restart every process with its own;",
    "the local stack does it all when it is started.",
)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show the ids, which is current, what lies under each, and which processes hold them."""
    from countersign.cli.key_status import print_status, read_status
    from countersign.cli.output import print_json

    found = asyncio.run(read_status())
    if as_json:
        print_json(found)
    else:
        print_status(found)


@app.command()
def rotate(
    *,
    now: Annotated[bool, typer.Option("--now", help="In one step: where all processes start anew at once.")] = False,
    printed: Printed = False,
) -> None:
    """Add a key; run again once every process holds it: let it take over.

    Two steps, since a process that lacks a key drops what another has encrypted under it.
    """
    kept = _kept_ring()
    kept.require_place(printed=printed)
    if now:
        _take_over(kept, printed=printed, now=True)
    elif kept.ring.next is None:
        _add_next(kept, printed=printed)
    else:
        asyncio.run(_require_held_everywhere(kept.ring.next))
        _take_over(kept, printed=printed)


@app.command()
def reseal() -> None:
    """Seal every secret and seed anew under the current key, while everything runs; may be run again at any time."""
    done = asyncio.run(_reseal())
    for kind, count in sorted(done.counts.items()):
        typer.echo(f"{count} {kind} sealed anew.")
    if not done.counts.total():
        typer.echo("Nothing had to be sealed anew.")
    typer.echo(
        "FIX passwords, recovery codes, open challenges and audit events keep their key: what they are made from is\n"
        "not kept. `countersign keys status` shows how many are left under each."
    )
    for place in done.unreadable:
        typer.echo(f"Cannot be opened: {place}", err=True)
    if done.unreadable:
        raise typer.Exit(1)


@app.command()
def retire(key_id: Annotated[str, typer.Argument(metavar="ID")], *, printed: Printed = False) -> None:
    """Remove a key that nothing needs any more; what still needs it is told."""
    from countersign.cli.key_ring import say
    from countersign.domain.errors import NotFound

    kept = _kept_ring()
    kept.require_place(printed=printed)
    if key_id not in kept.ring.ids:
        raise NotFound("The key ring has no such key.")
    asyncio.run(_retire(key_id))
    kept.replace(kept.ring.without(key_id), printed=printed)
    say(f"The key {key_id} is retired.", *_RESTART)


@app.command()
def new(
    *,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there, mode 0600; never over another.")
    ] = None,
    printed: Annotated[bool, typer.Option("--print", help="Print it, key material included.")] = False,
) -> None:
    """Make a ring of masters with one random key: once, for a new deployment."""
    from countersign.adapters.keyring import new_key_ring_json
    from countersign.adapters.ring_file import replace_ring_file
    from countersign.adapters.ring_text import KeyRingInvalid
    from countersign.cli.key_ring import say

    if to is not None and to.exists():
        raise KeyRingInvalid(f"{to} exists: what is sealed under its keys could never be opened again.")
    if to is not None:
        replace_ring_file(to, new_key_ring_json())
        say(f"{to} holds the masters; keep a copy apart from the backups of the database.")
    elif printed:
        typer.echo(new_key_ring_json(), nl=False)
    else:
        raise KeyRingInvalid("Say where the ring goes: --to FILE, or --print for standard output.")


@app.command()
def derive(
    process: Annotated[Process, typer.Option("--for", help="The kind of process that is given the ring.")],
    *,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there, mode 0600.")] = None,
    printed: Printed = False,
) -> None:
    """Make a ring that holds no master, and of each key only what one kind of process needs."""
    from countersign.adapters.keyring import derive_ring
    from countersign.adapters.ring_file import replace_ring_file
    from countersign.adapters.ring_text import KeyRingInvalid
    from countersign.cli.key_ring import say
    from countersign.verification.purposes import VERIFIER_PURPOSES
    from countersign.wiring import API_PURPOSES, WORKER_PURPOSES, held_purposes

    by_process = {Process.API: API_PURPOSES, Process.WORKER: WORKER_PURPOSES, Process.VERIFIER: VERIFIER_PURPOSES}
    purposes = by_process[process]
    derived = derive_ring(_kept_ring().ring, held_purposes(purposes))
    if to is not None:
        replace_ring_file(to, derived.dump())
        say(f"{to} holds the keys of {process} processes alone; derive it anew after each change of the ring.")
    elif printed:
        typer.echo(derived.dump(), nl=False)
    else:
        raise KeyRingInvalid("Say where the ring goes: --to FILE, or --print for standard output.")


def _kept_ring() -> "KeptRing":
    from countersign.cli.context import command_settings
    from countersign.cli.key_ring import KeptRing

    return KeptRing.find(command_settings())


def _add_next(kept: "KeptRing", *, printed: bool) -> None:
    from countersign.cli.key_ring import say

    ring = kept.ring.with_next()
    kept.replace(ring, printed=printed)
    say(f"The key {ring.next} is added; {ring.current} stays current for now.", *_RESTART)
    say("Then run `countersign keys rotate` again: it lets the new key take over.")


def _take_over(kept: "KeptRing", *, printed: bool, now: bool = False) -> None:
    from countersign.cli.key_ring import say

    following = kept.ring.with_next() if kept.ring.next is None else kept.ring
    kept.replace(following.taken_over(), printed=printed)
    say(f"The key {following.next} is current from the next start of each process on.", *_RESTART)
    if now:
        say("Stop all of them before the first one starts again: one that lacks the key drops what others send it.")
    say("Then run `countersign keys reseal`.")


async def _require_held_everywhere(key_id: str) -> None:
    from countersign.cli.server_side import opened
    from countersign.dispatch.retiring import KeyNeeded, holding_back
    from countersign.storage import key_checks

    async with opened() as core, core.database.connection() as connection:
        without = holding_back(await key_checks.holders(connection), key_id)
    if without:
        raise KeyNeeded(
            f"{len(without)} processes do not hold the key {key_id} yet ({', '.join(without)}): restart them with the "
            "ring as it is, then run `countersign keys rotate` again."
        )


async def _reseal() -> "Resealed":
    from countersign.adapters.keyring import Purpose
    from countersign.cli.server_side import opened
    from countersign.dispatch.retiring import KeyNeeded, holding_back
    from countersign.effects.resealing import reseal as seal_anew
    from countersign.storage import key_checks

    purposes = {Purpose.PAYLOAD, Purpose.VERIFIER, Purpose.TOTP_SEED, Purpose.REVEAL, Purpose.ENROLMENT}
    async with opened(purposes=frozenset(purposes)) as core:
        async with core.database.connection() as connection:
            without = holding_back(await key_checks.holders(connection), core.keys.current)
        if without:
            raise KeyNeeded(
                f"{len(without)} processes do not hold the key {core.keys.current} ({', '.join(without)}) and could "
                "not open what is sealed anew: restart them first."
            )
        return await seal_anew(core.database, core.keys)


async def _retire(key_id: str) -> None:
    from countersign.cli.server_side import opened
    from countersign.dispatch.retiring import Retirement

    async with opened(temporal=True) as core:
        retirement = Retirement(database=core.database, client=core.client, key_id=key_id, current=core.keys.current)
        await retirement.carry_out()

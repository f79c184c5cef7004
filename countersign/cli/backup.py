"""``countersign backup`` and ``restore``: for local stacks; docs/backup.md tells of production."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(envvar="COUNTERSIGN_DATA", help="The data folder of the stack.")]
_DATA = Path(".countersign")
_NEXT = """Start the stack, and heal what differs, before anything else:
  countersign requests reconcile --dry-run
  countersign requests reconcile
  countersign accounts contain --checkpoints FILE --dry-run   (the checkpoints of before)"""


class Part(StrEnum):
    """What a restore can be confined to."""

    DATABASE = "database"
    TEMPORAL = "temporal"


def backup(folder: Annotated[Path, typer.Argument(help="A new folder.")], *, data: Data = _DATA) -> None:
    """Back up the local stack that runs: database, Temporal, keys. The folder is as secret as all keys in it."""
    from countersign.local.backing_up import back_up

    back_up(data, folder)
    typer.echo(f"Backed up {data} to {folder}. It holds the key ring: keep it as secret as that.")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that backup made.")],
    *,
    data: Data = _DATA,
    only: Annotated[Part | None, typer.Option(help="Leave the other part as it is.")] = None,
) -> None:
    """Restore the local stack that does not run to what a backup holds."""
    from countersign.local.backing_up import restore as put_back

    told = put_back(data, folder, database=only is not Part.TEMPORAL, temporal=only is not Part.DATABASE)
    for line in told:
        typer.echo(line)
    typer.echo(_NEXT)

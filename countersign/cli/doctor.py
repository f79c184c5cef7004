"""``countersign doctor``: tells whether all that a process needs is there, and safe."""

from typing import TYPE_CHECKING, Annotated

import typer

from countersign.cli.context import command_settings
from countersign.cli.output import print_json

if TYPE_CHECKING:
    from countersign.checkup.findings import Finding


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False) -> None:
    """Look at the settings and the services they name; a line each, and exit code 1 if anything is at fault."""
    import asyncio

    from countersign.checkup.examination import examine
    from countersign.checkup.findings import Level

    found = asyncio.run(examine(command_settings()))
    if as_json:
        print_json(found)
    else:
        for finding in found:
            typer.echo(_line(finding))
    if any(finding.level is Level.FAULT for finding in found):
        raise typer.Exit(1)


def _line(finding: "Finding") -> str:
    return f"{finding.level:<8} {finding.what:<18} {finding.told}"

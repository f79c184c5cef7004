"""``countersign up``: the whole local stack with one command."""

from pathlib import Path
from typing import Annotated

import typer


def up(
    *,
    data: Annotated[Path, typer.Option(envvar="COUNTERSIGN_DATA", help="Where the stack keeps its data.")] = Path(
        ".countersign"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin with empty data.")] = False,
    api_port: Annotated[int, typer.Option(envvar="COUNTERSIGN_API_PORT")] = 8080,
    temporal_port: Annotated[int, typer.Option(envvar="COUNTERSIGN_TEMPORAL_PORT")] = 7233,
    ui_port: Annotated[int, typer.Option(envvar="COUNTERSIGN_TEMPORAL_UI_PORT")] = 8233,
    worker_port: Annotated[int, typer.Option(envvar="COUNTERSIGN_WORKER_PORT", help="0: none.")] = 8081,
    verifier_port: Annotated[int, typer.Option(envvar="COUNTERSIGN_VERIFIER__PORT")] = 8090,
    postgres_port: Annotated[int, typer.Option(envvar="COUNTERSIGN_POSTGRES_PORT")] = 54329,
) -> None:
    """Start the local stack: PostgreSQL, Temporal, worker and API, on loopback only. Ctrl-C stops it."""
    # Imported here: what a stack needs takes a second to import, and every other command would wait for it.
    from countersign.local.stack import StackOptions, run_stack
    from countersign.local.tcp_ports import Ports
    from countersign.local.voice import Voice

    ports = Ports(
        api=api_port,
        temporal=temporal_port,
        temporal_ui=ui_port,
        postgres=postgres_port,
        verifier=verifier_port,
        worker=worker_port,
    )
    run_stack(StackOptions(data=data, ports=ports, fresh=fresh), Voice())

"""The command ``countersign``."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

import typer

from countersign import logs
from countersign.cli import audit, credentials, fix, issuance, keys, notices, requests, staff, stop, versions
from countersign.cli.accounts import accounts_app, users_app
from countersign.cli.backup import backup, restore
from countersign.cli.demo import demo
from countersign.cli.doctor import doctor
from countersign.cli.housekeeping import housekeeping
from countersign.cli.people import otp, token
from countersign.cli.processes import api, migrate, seed, verifier, worker
from countersign.cli.trace import trace
from countersign.cli.up import up
from countersign.domain.errors import DomainError
from countersign.local.errors import StackError

app = typer.Typer(
    name="countersign",
    help="Issues trading credentials, each approved by the people it concerns.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command; what goes wrong is told in one line, with exit code 1."""
    logs.install(logging.WARNING)
    try:
        app()
    except (DomainError, StackError) as error:
        sys.stderr.write(f"countersign: {error}\n")
        _end(1)
    except SystemExit as end:
        _end(end.code)


def _end(code: str | int | None) -> NoReturn:
    """End at once, without Python's own farewell.

    A thread of Temporal's SDK may let go of an answer only then, and would abort the process that has done its work.
    """
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it has gone
            stream.flush()
    os._exit(code or 0)


for command in (
    up,
    demo,
    doctor,
    api,
    worker,
    verifier,
    migrate,
    seed,
    token,
    otp,
    trace,
    backup,
    restore,
    housekeeping,
):
    app.command()(command)
users_app.command()(staff.find)
users_app.command()(staff.add)
groups = {
    "stop": stop.app,
    "issuance": issuance.app,
    "requests": requests.app,
    "notices": notices.app,
    "credentials": credentials.app,
    "fix": fix.app,
    "accounts": accounts_app,
    "users": users_app,
    "audit": audit.app,
    "keys": keys.app,
    "versions": versions.app,
}
for name, group in groups.items():
    app.add_typer(group, name=name)

"""The command ``countersign``."""

import logging
import sys

import typer

from countersign import logs
from countersign.cli import audit, credentials, fix, issuance, keys, notices, requests, staff, stop
from countersign.cli.accounts import accounts_app, users_app
from countersign.cli.backup import backup, restore
from countersign.cli.demo import demo
from countersign.cli.doctor import doctor
from countersign.cli.housekeeping import housekeeping
from countersign.cli.people import otp, token
from countersign.cli.processes import api, migrate, seed, verifier, worker
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
        sys.exit(1)


for command in (up, demo, doctor, api, worker, verifier, migrate, seed, token, otp, backup, restore, housekeeping):
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
}
for name, group in groups.items():
    app.add_typer(group, name=name)

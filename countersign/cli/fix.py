"""``countersign fix``: what an account manager does from a terminal, over the HTTP API alone."""

import json
import shlex
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from countersign.cli.context import command_settings
from countersign.cli.output import console, fields, moment, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.schemas import QueueEntry, RequestOut, StatementOut
    from countersign.cli.http import Api
    from countersign.settings import Settings

app = typer.Typer(no_args_is_help=True, help="For account managers: activate or reject FIX credentials.")

SessionName = Annotated[str, typer.Argument(help="As it was read out; case and spaces don't matter.")]
ActingAs = Annotated[str | None, typer.Option("--as", metavar="USER", help="On the local stack: be this demo user.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Reason = Annotated[str, typer.Option(help="Told to the owner.")]


class Decision(StrEnum):
    """What an account manager may decide."""

    ACTIVATE = "activate"
    REJECT = "reject"


@app.command()
def queue(*, acting_as: ActingAs = None, as_json: AsJson = False) -> None:
    """Show what waits for your decision, oldest first."""
    from api.schemas import QueueEntry

    with _signed_in(acting_as) as api:
        waiting = [QueueEntry.model_validate(each) for each in api.get("/v1/account-manager/queue")]
    if as_json:
        print_json(waiting)
    elif not waiting:
        typer.echo("Nothing waits for you.")
    else:
        for entry in waiting:
            _print_entry(entry)


@app.command()
def find(session_name: SessionName, *, acting_as: ActingAs = None, as_json: AsJson = False) -> None:
    """Show the FIX credentials of a Session Name."""
    with _signed_in(acting_as) as api:
        entry = _find(api, session_name)
    if as_json:
        print_json(entry)
    else:
        _print_entry(entry)


@app.command()
def activate(session_name: SessionName, *, yes: Yes = False, acting_as: ActingAs = None) -> None:
    """Activate the FIX credentials of a Session Name."""
    _decide(session_name, Decision.ACTIVATE, reason="", yes=yes, acting_as=acting_as)


@app.command()
def reject(session_name: SessionName, *, reason: Reason, yes: Yes = False, acting_as: ActingAs = None) -> None:
    """Reject the activation; the credentials stay inactive."""
    _decide(session_name, Decision.REJECT, reason=reason, yes=yes, acting_as=acting_as)


@app.command()
def sign(
    session_name: SessionName,
    *,
    decision: Annotated[Decision, typer.Option()],
    reason: Reason = "",
    acting_as: ActingAs = None,
    as_json: AsJson = False,
) -> None:
    """Sign a decision, and print the line that sends it with the `temporal` command."""
    from api.schemas import StatementOut

    with _signed_in(acting_as) as api:
        entry = _find(api, session_name)
        signed = StatementOut.model_validate(api.post(_path(entry, "statement"), _body(entry, decision, reason)))
        line = _signal_line(command_settings(), signed, codec=f"{api.url}/codec", with_token=acting_as is None)
    if as_json:
        print_json({**signed.model_dump(), "command": line})
        return
    _print_entry(entry)
    typer.echo(f"Statement: {decision}, good once, until {moment(signed.expires_at)}\n\n{signed.statement}\n\n{line}")


def _decide(session_name: str, decision: Decision, *, reason: str, yes: bool, acting_as: str | None) -> None:
    from api.schemas import RequestOut

    with _signed_in(acting_as) as api:
        entry = _find(api, session_name)
        _print_entry(entry)
        if not yes:
            typer.confirm(f"{decision.capitalize()} version {entry.version} of {entry.session_name}?", abort=True)
        after = RequestOut.model_validate(api.post(_path(entry, "decision"), _body(entry, decision, reason)))
    typer.echo(_told(entry, after))


def _told(entry: "QueueEntry", after: "RequestOut") -> str:
    return f"{entry.session_name}: {after.outcome or after.step} ({after.workflow_id})"


@contextmanager
def _signed_in(acting_as: str | None) -> "Iterator[Api]":
    from countersign.cli.http import Api, api_url, bearer_token

    settings = command_settings()
    with Api(api_url(settings), bearer_token(settings, acting_as)) as api:
        yield api


def _find(api: "Api", session_name: str) -> "QueueEntry":
    from api.schemas import QueueEntry

    return QueueEntry.model_validate(api.get(f"/v1/account-manager/fix-credentials/{quote(session_name, safe='')}"))


def _path(entry: "QueueEntry", what: str) -> str:
    return f"/v1/account-manager/fix-credentials/{entry.session_name}/{what}"


def _body(entry: "QueueEntry", decision: Decision, reason: str) -> dict[str, object]:
    """Return the decision about the version that was shown, and no later one."""
    return {"decision": decision, "reason": reason, "version": entry.version}


def _print_entry(entry: "QueueEntry") -> None:
    out = console()
    out.print(
        fields(
            {
                "Session Name": entry.session_name,
                "Account": entry.account_name,
                "For": str(entry.session_type).replace("_", " "),
                "Status": entry.status,
                "Version": entry.version,
                "Request": f"at the step {entry.step}" if entry.step else "none",
                "Waiting since": entry.asked_at,
                "Workflow": entry.workflow_id,
            }
        )
    )
    out.print()


def _signal_line(settings: "Settings", signed: "StatementOut", *, codec: str, with_token: bool) -> str:
    words = [
        *("temporal", "workflow", "signal", "--address", settings.temporal_address),
        *("--namespace", settings.temporal_namespace, "--workflow-id", signed.workflow_id),
        *("--name", "account_manager_decision", "--input", json.dumps({"statement": signed.statement})),
        *("--codec-endpoint", codec),
    ]
    words += _tls_words(settings)
    # Left to the shell, so that the token itself stands neither on the screen nor in the history.
    token = ' --codec-auth "Bearer $COUNTERSIGN_TOKEN"' if with_token else ""
    return shlex.join(words) + token


def _tls_words(settings: "Settings") -> list[str]:
    from countersign.wiring import frontend

    there = frontend(settings)
    named = {
        "--tls-ca-path": there.tls.ca_file,
        "--tls-cert-path": there.tls.cert_file,
        "--tls-key-path": there.tls.key_file,
        "--tls-server-name": there.tls.server_name,
    }
    options = [word for option, value in named.items() if value for word in (option, str(value))]
    return ["--tls", *options] if there.is_encrypted else []

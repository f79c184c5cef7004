"""``countersign requests``: what ops see of approvals, and how they end those that are stuck."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import typer

from countersign.cli.output import console, events, fields, listing, moment, print_json

if TYPE_CHECKING:
    from api.schemas import RequestOut
    from countersign.dispatch.reconcile import Difference
    from countersign.storage.ledger import AuditEvent
    from countersign.storage.oversight import CodeDelivery
    from countersign.storage.requests import Request
    from countersign.wiring import Parts

app = typer.Typer(no_args_is_help=True, help="For ops: look at requests, and end them.")

RequestId = Annotated[UUID, typer.Argument(metavar="ID", help="The request's id: the end of its workflow id.")]
# By the kind of difference (countersign.dispatch.reconcile.Kind).
_DONE = {
    "ended": "had ended in Temporal; its request is closed now.",
    "lost": "was not in Temporal; it goes on where its request stands.",
    "behind": "ran on after its request; it was told to look again.",
    "orphan": "had no request in the database; it is terminated now.",
}
_WOULD_BE_DONE = {
    "ended": "has ended in Temporal; its request would be closed.",
    "lost": "is not in Temporal; it would be started where its request stands.",
    "behind": "runs on after its request; it would be told to look again.",
    "orphan": "has no request in the database; it would be terminated.",
}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command("list")
def list_requests(
    *,
    only_open: Annotated[bool, typer.Option("--open/--all", help="Those that are open, or all.")] = True,
    account: Annotated[UUID | None, typer.Option(metavar="ID", help="Of this account alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List requests, newest first."""
    found = asyncio.run(_list(only_open=only_open, account=account, limit=limit))
    if as_json:
        print_json([{**request.model_dump(), "account_id": owner} for owner, request in found])
    elif not found:
        typer.echo("No open requests." if only_open else "No requests.")
    else:
        _print_list(found)


@app.command()
def find(
    text: Annotated[
        str, typer.Argument(help="How a key's name or a Session Name begins, a part of an account's name, an id.")
    ],
    *,
    only_open: Annotated[bool, typer.Option("--open/--all", help="Those that are open, or all.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Find requests of all accounts by what whoever calls can say; for people see `countersign users find`."""
    found = asyncio.run(_search(text, only_open=only_open, limit=limit))
    if as_json:
        print_json([{**request.model_dump(), "account_id": owner} for owner, request in found])
    elif not found:
        typer.echo("No such requests.")
    else:
        _print_list(found)


@app.command()
def show(request_id: RequestId, *, as_json: AsJson = False) -> None:
    """Show a request with its code deliveries and audit events."""
    request, deliveries, happened = asyncio.run(_read(request_id))
    if as_json:
        print_json({"request": request, "code_deliveries": deliveries, "audit_events": happened})
        return
    out = console()
    out.print(fields(request))
    _print_deliveries(deliveries)
    _print_events(happened)


@app.command()
def cancel(
    request_id: RequestId, *, reason: Annotated[str | None, typer.Option(help="Kept with the request.")] = None
) -> None:
    """Cancel a request; one whose workflow is gone is closed all the same."""
    typer.echo(asyncio.run(_cancel(request_id, reason)))


@app.command()
def reconcile(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what differs, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare all requests with their workflows, and heal what differs; for the time after a restore, too."""
    found = asyncio.run(_reconcile(heal=not dry_run))
    if as_json:
        print_json(found)
        return
    done = _WOULD_BE_DONE if dry_run else _DONE
    for difference in found:
        typer.echo(f"{difference.workflow_id}: {done[difference.kind]}")
    if not found:
        typer.echo("Every open request has its workflow, and every workflow its request.")


async def _list(*, only_open: bool, account: UUID | None, limit: int) -> list[tuple[UUID, "RequestOut"]]:
    from countersign.cli.server_side import opened
    from countersign.storage import requests

    async with opened() as core, core.database.connection() as connection:
        if account is None:
            rows = await requests.every(connection, only_open=only_open, limit=limit)
        else:
            rows = await requests.of_account(connection, account, only_open=only_open, limit=limit)
    return [(row.account_id, _shown(core, row)) for row in rows]


async def _search(text: str, *, only_open: bool, limit: int) -> list[tuple[UUID, "RequestOut"]]:
    from api.pages.ops import Asked
    from api.services import now
    from countersign.cli.server_side import opened
    from countersign.storage import oversight

    asked = Asked(q=text, status="open" if only_open else "")
    async with opened() as core, core.database.connection() as connection:
        rows = await oversight.search(connection, asked.narrowing(), at=now(), limit=limit)
    return [(row.account_id, _shown(core, row)) for row in rows]


async def _read(request_id: UUID) -> tuple[dict[str, Any], "list[CodeDelivery]", "list[AuditEvent]"]:
    from countersign.cli.server_side import opened
    from countersign.storage import oversight

    async with opened() as core, core.database.connection() as connection:
        request = await _find(core, request_id)
        deliveries = await oversight.deliveries_of(connection, request_id)
        happened = await oversight.events_of(connection, request)
    # What owners are told wins: past its deadline a request has ended, whoever sleeps.
    stored = request.model_dump(exclude={"name_key", "reveal_challenge", "user_id"})
    return {**stored, **_shown(core, request).model_dump()}, deliveries, happened


async def _cancel(request_id: UUID, reason: str | None) -> str:
    from pydantic import ValidationError

    from countersign.cli.server_side import OPS, opened
    from countersign.domain.errors import InvalidInput, Unavailable
    from countersign.domain.messages import Cancel
    from countersign.wiring import messenger

    try:
        message = Cancel(actor=OPS, reason=reason)
    except ValidationError:
        raise InvalidInput("A reason has at most 200 characters, and none that control.") from None
    async with opened(temporal=True) as core:
        request = await _find(core, request_id)
        try:
            await messenger(core).send(request, message, key=str(uuid4()))
        except Unavailable:
            return await _close_without_workflow(core, request)
    return f"Cancelled {request.workflow_id}."


async def _close_without_workflow(core: "Parts", request: "Request") -> str:
    from countersign.domain.errors import Unavailable
    from countersign.wiring import reconciler

    if not await reconciler(core).close_if_over(request):
        raise Unavailable("No worker answers for it now; see later whether it was cancelled, or cancel it again.")
    return f"{request.workflow_id} had ended in Temporal; its request is closed now."


async def _reconcile(*, heal: bool) -> "list[Difference]":
    from countersign.cli.server_side import opened
    from countersign.wiring import reconciler

    async with opened(temporal=True) as core:
        comparing = reconciler(core)
        found = await comparing.find()
        return [each for each in found if await comparing.heal(each)] if heal else found


async def _find(core: "Parts", request_id: UUID) -> "Request":
    from countersign.domain.errors import NO_SUCH_REQUEST, NotFound
    from countersign.storage import requests

    async with core.database.connection() as connection:
        request = await requests.get(connection, request_id)
    if request is None:
        raise NotFound(NO_SUCH_REQUEST)
    return request


def _shown(core: "Parts", request: "Request") -> "RequestOut":
    from api.schemas import RequestOut
    from api.services import now

    return RequestOut.of(request, rules=core.settings.rules, at=now())


def _print_list(found: list[tuple[UUID, "RequestOut"]]) -> None:
    table = listing("Request / account", "Journey / name", "Step / since")
    for account_id, request in found:
        stands = request.outcome or request.step
        since = moment(request.created_at, seconds=False)
        table.add_row(f"{request.id}\n{account_id}", f"{request.journey}\n{_short(request.name)}", f"{stands}\n{since}")
    console().print(table)


def _short(name: str, *, limit: int = 24) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def _print_deliveries(deliveries: "list[CodeDelivery]") -> None:
    if not deliveries:
        return
    table = listing("Code for / send", "Delivery / provider's id", "Made / settled / good until")
    for each in deliveries:
        times = f"{moment(each.opened_at)}\n{moment(each.settled_at) or '-'}\n{moment(each.expires_at)}"
        sent = f"{each.step}\n{each.channel} {each.number}"
        table.add_row(sent, "\n".join(filter(None, (_delivered(each), each.failure, each.provider_id))), times)
    table.columns[1].no_wrap, table.columns[1].overflow = False, "fold"
    out = console()
    out.print()
    out.print(table)


def _delivered(send: "CodeDelivery") -> str:
    return f"{send.delivery} at try {send.tries}" if send.tries else str(send.delivery)


def _print_events(found: "list[AuditEvent]") -> None:
    out = console()
    out.print()
    out.print(events(found))

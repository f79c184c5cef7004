"""``countersign api``, ``worker``, ``verifier``, ``migrate``, ``seed``: the processes of a deployment, one by one."""

from typing import TYPE_CHECKING

from countersign.cli.context import command_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from countersign.adapters.keyring import Purpose
    from countersign.settings import Settings


def api() -> None:
    """Serve the HTTP API."""
    import uvicorn

    from api.serving import server_config
    from countersign import logs
    from countersign.adapters.temporal_core import measured_core
    from countersign.collecting import collect_seldom
    from countersign.wiring import API_PURPOSES, traced

    logs.install()
    logs.tell_of_the_end()
    sdk = measured_core()
    settings = command_settings()
    logs.install(as_json=settings.log_format == "json")
    _require_usable(settings, API_PURPOSES)
    with traced(settings, service="countersign-api"):
        app = _application(settings)
        app.state.sdk = sdk
        server = uvicorn.Server(server_config(app, settings))
        collect_seldom()
        server.run()


def verifier() -> None:
    """Serve trading gateways, which ask whether calls are their owners'."""
    from api.verifier.app import create_verifier
    from api.verifier.checking import require_verifier_settings
    from api.verifier.serving import VerifierServer
    from countersign import logs
    from countersign.collecting import collect_seldom

    logs.install()
    logs.tell_of_the_end()
    settings = command_settings()
    logs.install(as_json=settings.log_format == "json")
    require_verifier_settings(settings)
    server = VerifierServer(create_verifier(settings), settings)
    collect_seldom()
    server.run()


def _application(settings: "Settings") -> "FastAPI":
    if settings.mode == "local":
        from countersign.local.application import local_application

        return local_application(settings)
    from api.app import create_app

    return create_app(settings)


def worker() -> None:
    """Run the Temporal worker."""
    from countersign.wiring import WORKER_PURPOSES
    from countersign.work_loop import work

    settings = command_settings()
    _require_usable(settings, WORKER_PURPOSES)
    work(settings)


def _require_usable(settings: "Settings", purposes: "frozenset[Purpose]") -> None:
    # Told here in a line; later it would be one of the errors that nobody foresaw, whose words are not logged.
    from countersign.adapters.ring_text import KeyRingInvalid
    from countersign.wiring import SettingsMissing, frontend, load_keys, require_service_settings

    require_service_settings(settings)
    frontend(settings).tls.config()
    try:
        load_keys(settings, purposes)
    except KeyRingInvalid as error:
        raise SettingsMissing(str(error)) from None


def migrate() -> None:
    """Bring the database schema up to date, as the owner role."""
    from sqlalchemy.exc import OperationalError

    from countersign.domain.errors import Unavailable
    from countersign.storage.migrate import migrate as apply_migrations
    from countersign.storage.refusals import why_not

    settings = command_settings()
    try:
        apply_migrations((settings.migration_database_url or settings.database_url).get_secret_value())
    except OperationalError as error:
        raise Unavailable(f"The database: {why_not(error)}") from None


def seed() -> None:
    """Make the demo accounts; on the local stack alone."""
    import asyncio

    from countersign.domain.errors import Forbidden
    from countersign.local.demo import seed as make_demo_accounts

    settings = command_settings()
    if settings.mode != "local":
        raise Forbidden("Demo accounts are for the local stack alone.")
    asyncio.run(make_demo_accounts(settings))

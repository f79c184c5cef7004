"""``countersign api``, ``worker``, ``migrate`` and ``seed``: the processes of a deployment, one by one."""

from typing import TYPE_CHECKING

from countersign.cli.context import command_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from countersign.settings import Settings


def api() -> None:
    """Serve the HTTP API."""
    import uvicorn

    from countersign.wiring import API_PURPOSES, load_keys

    settings = command_settings()
    if settings.key_ring.get_secret_value() or settings.key_ring_file:
        load_keys(settings, API_PURPOSES)  # what is wrong with the ring is told in one line, not in the server's many
    uvicorn.run(
        _application(settings),
        host=settings.api_host,
        port=settings.api_port,
        server_header=False,
        # Whose word is taken for where a caller is: without proxies nobody's, or callers could claim any address.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        access_log=False,  # it would hold addresses that are asked for
        timeout_graceful_shutdown=5,
    )


def _application(settings: "Settings") -> "FastAPI":
    if settings.mode == "local":
        from countersign.local.application import local_application

        return local_application(settings)
    from api.app import create_app

    return create_app(settings)


def worker() -> None:
    """Run the Temporal worker."""
    import asyncio

    from countersign.work_loop import run_worker

    asyncio.run(run_worker(command_settings()))


def migrate() -> None:
    """Bring the database schema up to date, as the owner role."""
    from countersign.storage.migrate import migrate as apply_migrations

    settings = command_settings()
    apply_migrations((settings.migration_database_url or settings.database_url).get_secret_value())


def seed() -> None:
    """Make the demo accounts; on the local stack alone."""
    import asyncio

    from countersign.domain.errors import Forbidden
    from countersign.local.demo import seed as make_demo_accounts

    settings = command_settings()
    if settings.mode != "local":
        raise Forbidden("Demo accounts are for the local stack alone.")
    asyncio.run(make_demo_accounts(settings))

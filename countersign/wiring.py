"""Puts the parts together from the settings; each process gets the keys of its purposes alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

from activities.housekeeping import HousekeepingActivities
from activities.reconciling import ReconcilingActivities
from activities.requests import RequestActivities
from activities.sending import SendingActivities
from countersign.adapters.checkpoint_file import CheckpointFile
from countersign.adapters.keyring import KeyRing, Purpose, load_key_ring
from countersign.adapters.local_inbox import LocalInbox
from countersign.adapters.message_guard import MessageGuard
from countersign.adapters.senders import MailSender, SmsSender
from countersign.adapters.sendgrid_mail import SendGridMail
from countersign.adapters.temporal import connect
from countersign.adapters.twilio_sms import TwilioSms
from countersign.dispatch.audit_keeping import AuditKeeper
from countersign.dispatch.dispatcher import Dispatcher
from countersign.dispatch.messenger import Messenger
from countersign.dispatch.outbox import Outbox
from countersign.dispatch.reconcile import Reconciler
from countersign.dispatch.schedules import Schedules
from countersign.domain.errors import DomainError
from countersign.effects.work import Desk
from countersign.settings import Settings
from countersign.storage.database import Database
from workflows.journeys import WORKFLOWS

API_PURPOSES = frozenset(
    {
        Purpose.PAYLOAD,
        Purpose.REVEAL,
        Purpose.ENROLMENT,
        Purpose.RECOVERY_CODE,
        Purpose.STATEMENT,
        Purpose.MESSAGE_KEY,
        Purpose.AUDIT,
        Purpose.SIGN_IN,
        Purpose.STOP_LINK,
    }
)
WORKER_PURPOSES = frozenset(Purpose) - {Purpose.SIGN_IN}


class SettingsMissing(DomainError):
    """A setting is missing or unsafe."""

    slug = "settings-missing"


@dataclass(frozen=True)
class Parts:
    """What a process works with."""

    settings: Settings
    keys: KeyRing
    database: Database
    desk: Desk
    client: Client


@asynccontextmanager
async def parts(settings: Settings, *, purposes: frozenset[Purpose], lazy: bool) -> AsyncIterator[Parts]:
    """Open database and Temporal; a lazy Temporal client connects at its first call.

    Raises ``SettingsMissing``, ``KeyRingInvalid``, and ``RuntimeError`` when Temporal does not answer (never if lazy).
    """
    _require_database(settings)
    keys = load_keys(settings, purposes)
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    await database.open()
    try:
        client = await connect(
            address=settings.temporal_address,
            namespace=settings.temporal_namespace,
            key_ring=keys,
            api_key=settings.temporal_api_key.get_secret_value(),
            tls=settings.temporal_tls,
            lazy=lazy,
        )
        desk = Desk(database=database, keys=keys, rules=settings.rules)
        yield Parts(settings=settings, keys=keys, database=database, desk=desk, client=client)
    finally:
        await database.close()


def load_keys(settings: Settings, purposes: frozenset[Purpose]) -> KeyRing:
    """Return the keys of these purposes; raises ``KeyRingInvalid``."""
    return load_key_ring(
        json_text=settings.key_ring.get_secret_value(), file=settings.key_ring_file, purposes=held_purposes(purposes)
    )


def held_purposes(purposes: frozenset[Purpose]) -> frozenset[Purpose]:
    """Return the purposes with what every process needs to prove that its keys fit the database."""
    return purposes | {Purpose.KEY_CHECK}


def _require_database(settings: Settings) -> None:
    if not settings.database_url.get_secret_value():
        raise SettingsMissing("DATABASE_URL is not set.")


def require_service_settings(settings: Settings) -> None:
    """Raise ``SettingsMissing``: a line for each setting that a production service lacks, or must not have."""
    _require_database(settings)
    if settings.mode == "production":
        faults = [told for told, at_fault in production_faults(settings).items() if at_fault]
        if faults:
            raise SettingsMissing("\n".join(faults))


def production_faults(settings: Settings) -> dict[str, bool]:
    """Return what a production service must not have, each with whether it has it."""
    return {
        "COUNTERSIGN_CODEC_OPEN is for the local stack only: unset it.": settings.codec_open,
        "COUNTERSIGN_CODEC_CORS_ORIGINS names every origin (*): name the Temporal UI's.": (
            "*" in settings.codec_cors_origins
        ),
        "COUNTERSIGN_KEY_RING_FILE is not set.": not (settings.key_ring.get_secret_value() or settings.key_ring_file),
        "COUNTERSIGN_JWT_ISSUER is not set.": not settings.jwt_issuer,
        "COUNTERSIGN_JWT_AUDIENCE is empty.": not settings.jwt_audience,
        "COUNTERSIGN_JWT_JWKS_URL is not set, nor is COUNTERSIGN_JWT_KEY_FILE.": (
            not settings.jwt_jwks_url and settings.jwt_key_file is None
        ),
        "COUNTERSIGN_JWT_JWKS_URL is not an https address.": (
            bool(settings.jwt_jwks_url) and not settings.jwt_jwks_url.startswith("https://")
        ),
        "COUNTERSIGN_OIDC_ISSUER is not an https address; people sign in there.": (
            not settings.oidc_issuer.startswith("https://")
        ),
        "COUNTERSIGN_OIDC_CLIENT_ID is not set.": not settings.oidc_client_id,
        "COUNTERSIGN_OIDC_CLIENT_SECRET is not set.": not settings.oidc_client_secret.get_secret_value(),
        "COUNTERSIGN_TRUSTED_PROXIES trusts everyone (*, or a network of size /0): name the proxies.": (
            trusts_everyone(settings.trusted_proxies)
        ),
        "COUNTERSIGN_TRUSTED_PROXIES names something that is no address and no network.": (
            bool(strange_proxies(settings.trusted_proxies))
        ),
        "COUNTERSIGN_TWILIO_ACCOUNT_SID is not set.": not settings.twilio_account_sid,
        "COUNTERSIGN_TWILIO_AUTH_TOKEN is not set.": not settings.twilio_auth_token.get_secret_value(),
        "COUNTERSIGN_TWILIO_FROM is not set.": not settings.twilio_from,
        "COUNTERSIGN_SENDGRID_API_KEY is not set.": not settings.sendgrid_api_key.get_secret_value(),
        "COUNTERSIGN_SENDGRID_FROM is not set.": not settings.sendgrid_from,
        "COUNTERSIGN_PUBLIC_URL is not an https address; mails lead people there.": not settings.is_https,
    }


def trusts_everyone(trusted_proxies: str) -> bool:
    """Tell whether every caller's word would be taken for where he or she is."""
    networks = [network for each in _split(trusted_proxies) if (network := _network(each))]
    return "*" in trusted_proxies or any(network.prefixlen == 0 for network in networks)


def strange_proxies(trusted_proxies: str) -> list[str]:
    """Return the entries that are no address, no network and no ``*``."""
    return [each for each in _split(trusted_proxies) if each != "*" and _network(each) is None]


def _split(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def messenger(core: Parts) -> Messenger:
    """Return the messenger of an API process."""
    timeout = timedelta(seconds=core.settings.message_timeout_seconds)
    return Messenger(client=core.client, desk=core.desk, timeout=timeout)


def sms_sender(settings: Settings) -> SmsSender:
    """Return Twilio, or where it is not configured the local stack's inbox; else raise ``SettingsMissing``."""
    if settings.twilio_account_sid:
        return TwilioSms(
            account_sid=settings.twilio_account_sid,
            auth_token=settings.twilio_auth_token.get_secret_value(),
            sender=settings.twilio_from,
            base_url=settings.twilio_base_url,
            timeout_seconds=settings.provider_timeout_seconds,
        )
    return _local_inbox(settings, instead_of="COUNTERSIGN_TWILIO_ACCOUNT_SID")


def mail_sender(settings: Settings) -> MailSender:
    """Return SendGrid, or where it is not configured the local stack's inbox; else raise ``SettingsMissing``."""
    if settings.sendgrid_api_key.get_secret_value():
        return SendGridMail(
            api_key=settings.sendgrid_api_key.get_secret_value(),
            sender=settings.sendgrid_from,
            base_url=settings.sendgrid_base_url,
            timeout_seconds=settings.provider_timeout_seconds,
        )
    return _local_inbox(settings, instead_of="COUNTERSIGN_SENDGRID_API_KEY")


def _local_inbox(settings: Settings, *, instead_of: str) -> LocalInbox:
    if settings.mode != "local":
        raise SettingsMissing(f"{instead_of} is not set.")
    return LocalInbox(settings.data)


def dispatcher(core: Parts, mail: MailSender) -> Dispatcher:
    """Return the chores of a worker process."""
    return Dispatcher(
        client=core.client,
        desk=core.desk,
        outbox=Outbox(desk=core.desk, mail=mail, public_url=core.settings.public_url),
        audit=audit_keeper(core),
        task_queue=core.settings.task_queue,
    )


def reconciler(core: Parts) -> Reconciler:
    """Return what compares requests with their workflows."""
    return Reconciler(client=core.client, desk=core.desk, task_queue=core.settings.task_queue)


def schedules(core: Parts) -> Schedules:
    """Return what runs by itself, in Temporal."""
    return Schedules(client=core.client, task_queue=core.settings.task_queue)


def audit_keeper(core: Parts) -> AuditKeeper:
    """Return what writes checkpoints and makes partitions."""
    file = core.settings.audit_checkpoint_file
    return AuditKeeper(
        desk=core.desk,
        file=None if file is None else CheckpointFile(file),
        interval=core.settings.audit_checkpoint_interval,
    )


def worker(core: Parts, *, sms: SmsSender, mail: MailSender, runner: WorkflowRunner | None = None) -> Worker:
    """Return the Temporal worker with all workflows and activities.

    Without a ``runner`` workflows run outside the SDK's sandbox, which takes half of a worker's time: tests give it.
    """
    requests = RequestActivities(core.desk)
    sending = SendingActivities(core.desk, sms=sms, mail=mail, public_url=core.settings.public_url)
    return Worker(
        core.client,
        task_queue=core.settings.task_queue,
        workflows=WORKFLOWS,
        activities=[
            requests.begin_request,
            requests.read_state,
            requests.apply_message,
            requests.expire_step,
            requests.remind_account_managers,
            requests.give_up_sending,
            requests.await_storage,
            sending.send_code,
            ReconcilingActivities(reconciler(core).heal_all).reconcile,
            HousekeepingActivities(core.desk).keep_house,
        ],
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        interceptors=[MessageGuard()],
        # After a crash Temporal holds work for the dead process this long; its default is 10 seconds.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        graceful_shutdown_timeout=timedelta(seconds=5),
        # With more than one the SDK makes a task for each payload, also where nothing is stored elsewhere.
        max_workflow_task_external_storage_concurrency=1,
    )

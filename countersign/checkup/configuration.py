"""The settings themselves: what production refuses, and what is allowed but unwise."""

import re

from countersign.checkup.files import is_in_a_file
from countersign.checkup.findings import Finding, locally_allowed, ok, warning
from countersign.settings import Settings
from countersign.wiring import production_faults

_WHAT = "settings"
_TWILIO_SID = re.compile(r"AC[0-9a-f]{32}")
_TWILIO_TOKEN = re.compile(r"[0-9a-f]{32}")
_TWILIO_FROM = re.compile(r"\+[1-9][0-9]{6,14}|MG[0-9a-f]{32}|[A-Za-z0-9 ]{1,11}")
_SENDGRID_KEY = re.compile(r"SG\.[\w-]{16,32}\.[\w-]{32,64}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


async def check_settings(settings: Settings) -> list[Finding]:
    """Return what is missing or unsafe, a line each."""
    at_fault = [told for told, is_so in production_faults(settings).items() if is_so]
    found = [locally_allowed(settings, _WHAT, told) for told in at_fault]
    found += [warning(_WHAT, told) for told, is_so in _unwise(settings).items() if is_so]
    return found or [ok(_WHAT, "nothing is missing, nothing unsafe")]


async def check_cookies(settings: Settings) -> list[Finding]:
    """Return whether session cookies are kept from other hosts, and off plain http."""
    if settings.is_https:
        return [ok("cookies", "Secure, and bound to the host of COUNTERSIGN_PUBLIC_URL (__Host-)")]
    told = "Session cookies are not Secure, because COUNTERSIGN_PUBLIC_URL is not https."
    return [locally_allowed(settings, "cookies", told)]


async def check_providers(settings: Settings) -> list[Finding]:
    """Return whether the keys of Twilio and SendGrid look like keys; neither is asked, for that may cost."""
    return [*_twilio(settings), *_sendgrid(settings)]


def _twilio(settings: Settings) -> list[Finding]:
    token = settings.twilio_auth_token.get_secret_value()
    if not settings.twilio_account_sid:
        return [locally_allowed(settings, "Twilio", "No SMS can be sent: set COUNTERSIGN_TWILIO_ACCOUNT_SID.")]
    odd = {
        "COUNTERSIGN_TWILIO_ACCOUNT_SID": not _TWILIO_SID.fullmatch(settings.twilio_account_sid),
        "COUNTERSIGN_TWILIO_AUTH_TOKEN": not _TWILIO_TOKEN.fullmatch(token),
        "COUNTERSIGN_TWILIO_FROM": not _TWILIO_FROM.fullmatch(settings.twilio_from),
    }
    return _shaped(settings, "Twilio", odd, elsewhere=bool(settings.twilio_base_url))


def _sendgrid(settings: Settings) -> list[Finding]:
    key = settings.sendgrid_api_key.get_secret_value()
    if not key:
        return [locally_allowed(settings, "SendGrid", "No mail can be sent: set COUNTERSIGN_SENDGRID_API_KEY.")]
    odd = {
        "COUNTERSIGN_SENDGRID_API_KEY": not _SENDGRID_KEY.fullmatch(key),
        "COUNTERSIGN_SENDGRID_FROM": not _ADDRESS.fullmatch(settings.sendgrid_from),
    }
    return _shaped(settings, "SendGrid", odd, elsewhere=bool(settings.sendgrid_base_url))


def _shaped(settings: Settings, what: str, odd: dict[str, bool], *, elsewhere: bool) -> list[Finding]:
    found = [
        locally_allowed(settings, what, f"{name} does not look like one: copy it anew from {what}'s console.")
        for name, is_odd in odd.items()
        if is_odd
    ]
    if elsewhere:
        found.append(warning(what, f"The base URL leads elsewhere than to {what}: unset it but for tests."))
    return found or [ok(what, "keys and sender are shaped right (not asked)")]


def _unwise(settings: Settings) -> dict[str, bool]:
    return {
        "COUNTERSIGN_QUOTAS has a 0: that quota sets no limit.": 0 in settings.quotas.model_dump().values(),
        "COUNTERSIGN_HTTP__CONNECTIONS is 0: connections have no limit.": settings.http.connections == 0,
        "COUNTERSIGN_RULES__SMS_PER_DAY is 0: what SMS cost has no limit.": settings.rules.sms_per_day == 0,
        "COUNTERSIGN_TRUSTED_PROXIES is not set: behind a proxy all callers seem to have one address.": (
            settings.is_https and not settings.trusted_proxies and settings.mode == "production"
        ),
        "COUNTERSIGN_AUDIT_CHECKPOINT_FILE is not set: whoever writes to the database can shorten the trail.": (
            settings.audit_checkpoint_file is None
        ),
        "COUNTERSIGN_KEY_RING holds the keys in the environment, for every child process to see: prefer a file.": (
            bool(settings.key_ring.get_secret_value()) and not is_in_a_file(settings, "COUNTERSIGN_KEY_RING")
        ),
    }

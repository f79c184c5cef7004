"""The settings of a production service whose providers are stand-ins."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from countersign.local.issuer import ISSUER

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("COUNTERSIGN_", "CHAOS_", "DATABASE_URL", "TEMPORAL_")
_QUOTAS = ("SIGN_IN", "UNPROVEN", "CODES", "STARTS", "PREVIEWS", "CODEC")
_CAPS = (
    "CODE_SENDS_PER_HOUR", "WRONG_CODES_PER_HOUR", "WRONG_CODES_BEFORE_FREEZE", "REQUESTS_PER_HOUR",
    "SMS_PER_ACCOUNT_AND_DAY", "SMS_PER_DAY",
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """What the processes of a service are told; none of its limits per hour or minute is ever reached."""

    database_url: str
    temporal_address: str
    key_ring_file: Path
    jwks_file: Path
    twilio_url: str
    sendgrid_url: str
    rules: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Return the environment of a process; nothing of the caller's own settings is left in it."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "COUNTERSIGN_MODE": "production",
            "DATABASE_URL": self.database_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "COUNTERSIGN_KEY_RING_FILE": str(self.key_ring_file),
            "COUNTERSIGN_JWT_ISSUER": ISSUER,
            "COUNTERSIGN_JWT_KEY_FILE": str(self.jwks_file),
            "COUNTERSIGN_OIDC_ISSUER": "https://identity.example",
            "COUNTERSIGN_OIDC_CLIENT_ID": "countersign",
            "COUNTERSIGN_OIDC_CLIENT_SECRET": "secret",
            "COUNTERSIGN_TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
            "COUNTERSIGN_TWILIO_AUTH_TOKEN": "token",
            "COUNTERSIGN_TWILIO_FROM": "+447700900000",
            "COUNTERSIGN_TWILIO_BASE_URL": self.twilio_url,
            "COUNTERSIGN_SENDGRID_API_KEY": "key",
            "COUNTERSIGN_SENDGRID_FROM": "countersign@example.com",
            "COUNTERSIGN_SENDGRID_BASE_URL": self.sendgrid_url,
            "COUNTERSIGN_PROVIDER_TIMEOUT_SECONDS": "4",
            "COUNTERSIGN_PUBLIC_URL": "https://countersign.example",
            **{f"COUNTERSIGN_QUOTAS__{name}": "0" for name in _QUOTAS},
            **{f"COUNTERSIGN_RULES__{name}": "100000" for name in _CAPS},
            **{f"COUNTERSIGN_RULES__{name}": value for name, value in self.rules.items()},
        }

"""The environment of the local stack's processes, and of the commands that talk to it."""

import json
import os
import secrets
from pathlib import Path

from countersign.local.issuer import ISSUER
from countersign.local.tcp_ports import LOOPBACK, Ports

ENVIRONMENT_NAME = "stack.env"
# The same whatever the code: there is only the code of now, and what began under that of before goes on with it.
LOCAL_BUILD = "local"
IDENTITY_PATH = "/local/identity"
COLLECTOR_PATH = "/local/traces"
_OWN_PREFIX = "COUNTERSIGN_"


def own_variables() -> dict[str, str]:
    """Return the settings of Countersign that the caller's environment holds: rules, Twilio, SendGrid, and so on."""
    return {name: value for name, value in os.environ.items() if name.startswith(_OWN_PREFIX)}


def stack_variables(*, data: Path, ports: Ports, key_ring_file: Path, jwks_file: Path) -> dict[str, str]:
    """Return the settings of a stack on ``data``, the databases' and Temporal's addresses left out."""
    return {
        "COUNTERSIGN_PUBLIC_URL": f"http://{LOOPBACK}:{ports.api}",
        "COUNTERSIGN_OIDC_ISSUER": identity_issuer(ports.api),
        "COUNTERSIGN_OIDC_CLIENT_ID": "countersign-local",
        "COUNTERSIGN_OIDC_CLIENT_SECRET": secrets.token_urlsafe(32),
        "COUNTERSIGN_AUDIT_CHECKPOINT_FILE": str(data / "audit-checkpoints.jsonl"),
        "COUNTERSIGN_OTLP_ENDPOINT": f"http://{LOOPBACK}:{ports.api}{COLLECTOR_PATH}",
        **own_variables(),
        "COUNTERSIGN_MODE": "local",
        "COUNTERSIGN_DATA": str(data),
        "COUNTERSIGN_BUILD_ID": LOCAL_BUILD,
        "COUNTERSIGN_API_HOST": LOOPBACK,
        "COUNTERSIGN_API_PORT": str(ports.api),
        "COUNTERSIGN_WORKER_HOST": LOOPBACK,
        "COUNTERSIGN_WORKER_PORT": str(ports.worker),
        "COUNTERSIGN_VERIFIER__HOST": LOOPBACK,
        "COUNTERSIGN_VERIFIER__PORT": str(ports.verifier),
        "COUNTERSIGN_KEY_RING_FILE": str(key_ring_file),
        "COUNTERSIGN_JWT_KEY_FILE": str(jwks_file),
        "COUNTERSIGN_JWT_ISSUER": ISSUER,
        "COUNTERSIGN_CODEC_OPEN": "true",
        "COUNTERSIGN_CODEC_CORS_ORIGINS": json.dumps(_ui_origins(ports)),
    }


def identity_issuer(api_port: int) -> str:
    """Return the address of the stack's own identity provider."""
    return f"http://{LOOPBACK}:{api_port}{IDENTITY_PATH}"


def _ui_origins(ports: Ports) -> list[str]:
    return [f"http://{host}:{ports.temporal_ui}" for host in (LOOPBACK, "localhost")]

"""Every setting, read from the environment (prefix ``COUNTERSIGN_`` unless an alias is given)."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from countersign.domain.rules import Rules
from countersign.verifier_settings import VerifierSettings


class Quotas(BaseModel, frozen=True):
    """How often one caller may call within a minute, in each API process; 0 sets no limit.

    A caller is an address, and where a person has signed in, that person at that address.
    """

    sign_in: NonNegativeInt = 30
    unproven: NonNegativeInt = 300
    codes: NonNegativeInt = 60
    starts: NonNegativeInt = 30
    previews: NonNegativeInt = 300
    codec: NonNegativeInt = 1200


class HttpLimits(BaseModel, frozen=True):
    """How long, how much and how many at once the API puts up with; ``connections`` of 0 sets no limit."""

    head_seconds: PositiveFloat = 10.0
    body_seconds: PositiveFloat = 20.0
    keep_alive_seconds: PositiveInt = 20
    connections: NonNegativeInt = 1000
    head_bytes: PositiveInt = 16_384
    headers: PositiveInt = 64
    address_bytes: PositiveInt = 8_192


class Settings(BaseSettings):
    """The configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix="COUNTERSIGN_", env_nested_delimiter="__", hide_input_in_errors=True, populate_by_name=True
    )

    mode: Literal["production", "local"] = "production"
    data: Path = Path(".countersign")

    database_url: SecretStr = Field(
        default=SecretStr(""), validation_alias=AliasChoices("DATABASE_URL", "COUNTERSIGN_DATABASE_URL")
    )
    migration_database_url: SecretStr = SecretStr("")
    database_pool_size: int = 10

    temporal_address: str = Field(
        default="127.0.0.1:7233", validation_alias=AliasChoices("TEMPORAL_ADDRESS", "COUNTERSIGN_TEMPORAL_ADDRESS")
    )
    temporal_namespace: str = "default"
    temporal_api_key: SecretStr = SecretStr("")
    temporal_tls: bool = False
    task_queue: str = "countersign"
    message_timeout_seconds: float = 5.0

    key_ring: SecretStr = SecretStr("")
    key_ring_file: Path | None = None

    audit_checkpoint_file: Path | None = None
    audit_checkpoint_interval: timedelta = timedelta(hours=1)

    jwt_issuer: str = ""
    jwt_audience: str = "countersign"
    jwt_jwks_url: str = ""
    jwt_key_file: Path | None = None

    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")

    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    twilio_from: str = ""
    twilio_base_url: str = ""
    sendgrid_api_key: SecretStr = SecretStr("")
    sendgrid_from: str = ""
    sendgrid_base_url: str = ""
    provider_timeout_seconds: float = 10.0

    public_url: str = "http://127.0.0.1:8080"
    two_factor_settings_url: str = ""
    temporal_ui_url: str = ""
    trusted_proxies: str = ""
    api_host: str = "127.0.0.1"
    api_port: int = 8080
    codec_cors_origins: list[str] = Field(default_factory=list)
    codec_open: bool = False
    body_limit_bytes: int = 65_536

    http: HttpLimits = HttpLimits()
    quotas: Quotas = Quotas()
    verifier: VerifierSettings = Field(default=VerifierSettings(), description="The verifier, for trading gateways.")
    rules: Rules = Rules()

    @property
    def is_https(self) -> bool:
        """Whether people reach the pages over https."""
        return self.public_url.startswith("https://")

    @property
    def enable_two_factor_at(self) -> str:
        """Where people enable two-factor authentication: a page of the exchange's, or ours."""
        return self.two_factor_settings_url or f"{self.public_url}/settings/security"

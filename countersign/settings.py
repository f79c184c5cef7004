"""Every setting, from the environment (prefix ``COUNTERSIGN_`` unless an alias is given) or from a file of secrets.

What a description says stands in docs/settings.md, which is made from here.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from countersign.domain.errors import DomainError
from countersign.domain.rules import Rules
from countersign.verifier_settings import VerifierSettings

_PREFIX = "COUNTERSIGN_"
_SECRETS = "COUNTERSIGN_SECRETS"
_USUAL_SECRETS = Path("/run/secrets")


class SettingsUnreadable(DomainError):
    """A setting cannot be read."""

    slug = "settings-unreadable"


class Quotas(BaseModel, frozen=True):
    """How often one caller may call within a minute, in each API process; 0 sets no limit.

    A caller is an address, and where a person has signed in, that person at that address.
    """

    sign_in: NonNegativeInt = Field(30, description="Calls a minute of one caller to sign in; 0: no limit.")
    unproven: NonNegativeInt = Field(
        300, description="Calls a minute of one caller that say who calls and have not proven it; 0: no limit."
    )
    codes: NonNegativeInt = Field(60, description="Codes and tokens that one caller may enter a minute; 0: no limit.")
    starts: NonNegativeInt = Field(30, description="Requests that one caller may start a minute; 0: no limit.")
    previews: NonNegativeInt = Field(
        300, description="Looks a minute of one caller at what a form would do; 0: no limit."
    )
    codec: NonNegativeInt = Field(1200, description="Calls a minute of one caller to the codec endpoint; 0: no limit.")


class HttpLimits(BaseModel, frozen=True):
    """How long, how much and how many at once the API puts up with; ``connections`` of 0 sets no limit."""

    head_seconds: PositiveFloat = Field(10.0, description="Seconds within which the head of a call must be there.")
    body_seconds: PositiveFloat = Field(20.0, description="Seconds within which the body of a call must be there.")
    keep_alive_seconds: PositiveInt = Field(
        20, description="Seconds that a connection may idle before the next call; longer than the proxy's, if any."
    )
    connections: NonNegativeInt = Field(1000, description="Connections at once of one API process; 0: no limit.")
    head_bytes: PositiveInt = Field(16_384, description="Bytes that the head of a call may have.")
    headers: PositiveInt = Field(64, description="Headers that a call may have.")
    address_bytes: PositiveInt = Field(8_192, description="Bytes that the address of a call may have.")


class Settings(BaseSettings):
    """The configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", hide_input_in_errors=True, populate_by_name=True
    )

    mode: Literal["production", "local"] = Field(
        "production",
        description="What it is: `production`, or `local` for the local stack, which allows what production refuses.",
    )
    data: Path = Field(Path(".countersign"), description="Where the local stack keeps its data, and commands find it.")
    secrets: Path = Field(
        _USUAL_SECRETS,
        description="Folder whose files are settings too, named like the variable in lower case (`database_url`); the "
        "environment wins over a file. Its absence is a fault only where the variable is set.",
    )

    database_url: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("DATABASE_URL", "COUNTERSIGN_DATABASE_URL"),
        description="PostgreSQL as the application: a login in the role `countersign_app`, which `countersign migrate` "
        "makes. TLS by libpq's parameters: `?sslmode=verify-full&sslrootcert=/path/ca.pem`. Needed by every process.",
    )
    migration_database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL as the role that owns the schema, for `countersign migrate` and `audit archive`; "
        "empty: `DATABASE_URL`.",
    )
    database_pool_size: int = Field(10, description="Connections to PostgreSQL that one process holds at most.")

    temporal_address: str = Field(
        default="127.0.0.1:7233",
        validation_alias=AliasChoices("TEMPORAL_ADDRESS", "COUNTERSIGN_TEMPORAL_ADDRESS"),
        description="Host and port of Temporal's frontend. Needed by API, workers and the commands of ops.",
    )
    temporal_namespace: str = Field("default", description="The namespace in Temporal.")
    temporal_api_key: SecretStr = Field(
        SecretStr(""), description="API key for Temporal (Temporal Cloud); with one the connection has TLS."
    )
    temporal_tls: bool = Field(
        default=False,
        description="Whether the connection to Temporal has TLS. It has, whatever this says, with an API key and "
        "with any of the next four.",
    )
    temporal_tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that Temporal's certificate is held against; none: the system's."
    )
    temporal_tls_cert_file: Path | None = Field(
        None, description="PEM file of the certificate, with its chain, that this process shows to Temporal (mTLS)."
    )
    temporal_tls_key_file: Path | None = Field(
        None, description="PEM file of the key of that certificate, without a passphrase."
    )
    temporal_tls_server_name: str = Field(
        "", description="The name in Temporal's certificate, where it is not the host of the address."
    )
    task_queue: str = Field("countersign", description="The workers' task queue; API and workers must name the same.")
    deployment: str = Field(
        "countersign",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="The name under which Temporal knows the workers together, of whatever build.",
    )
    build_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="The build of this worker, such as its release: Temporal keeps it apart from other builds (Worker "
        "Versioning), and it gets work after `countersign versions promote`. Empty: a worker without versions.",
    )
    message_timeout_seconds: float = Field(
        5.0, description="Seconds that a message waits for a worker before the API answers 503."
    )

    key_ring: SecretStr = Field(
        SecretStr(""),
        description="The key ring as JSON, best from a file of secrets. Processes get one derived for them "
        "(`countersign keys derive`), commands of ops the one with the masters.",
    )
    key_ring_file: Path | None = Field(
        None, description="The same as a file that its owner alone may read (0600). One of the two is needed."
    )

    audit_checkpoint_file: Path | None = Field(
        None,
        description="Where workers append signed checkpoints of the audit trail; put it on write-once storage. "
        "On the local stack it lies in the data folder.",
    )
    audit_checkpoint_interval: timedelta = Field(timedelta(hours=1), description="How often they do.")

    jwt_issuer: str = Field("", description="What bearer tokens must say as their issuer. Needed by the API.")
    jwt_audience: str = Field("countersign", description="What they must say as their audience.")
    jwt_jwks_url: str = Field("", description="Where the gateway publishes its public keys (JWKS), by https.")
    jwt_key_file: Path | None = Field(None, description="The same as a file. The API needs one of the two.")

    oidc_issuer: str = Field(
        "",
        description="The OpenID provider that signs people in to the pages, by https; its subjects are the users' ids, "
        "and it sends them back to `/sign-in/callback`. Needed by the API; the local stack brings its own.",
    )
    oidc_client_id: str = Field("", description="Our client id there.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Our client secret there.")

    twilio_account_sid: str = Field("", description="Twilio's account, for SMS; needed by workers.")
    twilio_auth_token: SecretStr = Field(SecretStr(""), description="Twilio's token for it.")
    twilio_from: str = Field("", description="Who sends SMS: a number, a messaging service (`MG…`) or a name.")
    twilio_base_url: str = Field("", description="Where Twilio is, for tests; empty: Twilio itself.")
    sendgrid_api_key: SecretStr = Field(SecretStr(""), description="SendGrid's key, for mail; needed by workers.")
    sendgrid_from: str = Field("", description="The address that mails come from.")
    sendgrid_base_url: str = Field("", description="Where SendGrid is, for tests; empty: SendGrid itself.")
    provider_timeout_seconds: float = Field(10.0, description="Seconds of patience with Twilio and SendGrid.")

    public_url: str = Field(
        "http://127.0.0.1:8080", description="Where people reach the pages, and the links in mails lead; https."
    )
    two_factor_settings_url: str = Field(
        "",
        description="Where people enable two-factor authentication, told with `two-factor-not-enabled`; empty: "
        "`/settings/security` at the public URL.",
    )
    temporal_ui_url: str = Field("", description="Where the pages for ops link to; empty: no links.")
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, by commas, whose `X-Forwarded-For` tells where a caller is; empty: "
        "nobody's word is taken.",
    )
    api_host: str = Field("127.0.0.1", description="Where the API listens.")
    api_port: int = Field(8080, description="Where the API listens.")
    worker_host: str = Field(
        "127.0.0.1", description="Where a worker listens for health checks and Prometheus, if it has a port."
    )
    worker_port: NonNegativeInt = Field(
        0,
        description="The port on which a worker serves `/healthz`, `/readyz` and `/metrics`; 0 opens none. Keep it "
        "from the public: it asks for no token.",
    )
    codec_cors_origins: list[str] = Field(
        default_factory=list, description="The Temporal UI's origins, which may call the codec endpoint: a JSON list."
    )
    codec_open: bool = Field(
        default=False, description="Whether the codec endpoint decodes for whoever calls it: the local stack alone."
    )
    body_limit_bytes: int = Field(65_536, description="Bytes that the body of a call may have.")

    log_format: Literal["text", "json"] = Field(
        "text",
        description="How processes log: lines of text, or a JSON object a line, with one for each call of the API.",
    )
    otlp_endpoint: str = Field(
        "",
        description="Base address of the OTLP/HTTP collector that spans go to, at `/v1/traces` below it; empty: no "
        "traces. `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say which.",
    )

    http: HttpLimits = Field(HttpLimits(), description="What the API puts up with.")
    quotas: Quotas = Field(Quotas(), description="How often one caller may call.")
    verifier: VerifierSettings = Field(
        VerifierSettings(), description="What concerns verifiers, which trading gateways ask."
    )
    rules: Rules = Field(Rules(), description="The numbers of the product.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the parameters that pydantic-settings names
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the first that has one wins; raises ``SettingsUnreadable``."""
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=_secrets_folder())

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Return the names of the variables, but for those within groups."""
        aliases = [field.validation_alias for field in cls.model_fields.values()]
        given = {str(name) for each in aliases if isinstance(each, AliasChoices) for name in each.choices}
        return frozenset(given | {_PREFIX + name.upper() for name in cls.model_fields})

    @property
    def is_https(self) -> bool:
        """Whether people reach the pages over https."""
        return self.public_url.startswith("https://")

    @property
    def enable_two_factor_at(self) -> str:
        """Where people enable two-factor authentication: a page of the exchange's, or ours."""
        return self.two_factor_settings_url or f"{self.public_url}/settings/security"


def read_settings() -> Settings:
    """Return the settings of this process; raises ``SettingsUnreadable``: a line for each that is wrong, without it."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsUnreadable("\n".join(_told(each) for each in error.errors(include_input=False))) from None
    except SettingsError as error:
        # It names the field and where it comes from, never the value.
        raise SettingsUnreadable(f"{error}.") from None
    except OSError as error:
        raise SettingsUnreadable(f"{error.filename}, a file of {_SECRETS}, cannot be read: {error.strerror}.") from None


def _secrets_folder() -> Path | None:
    named = os.environ.get(_SECRETS)
    if not named:
        return _USUAL_SECRETS if _USUAL_SECRETS.is_dir() else None
    if not Path(named).is_dir():
        raise SettingsUnreadable(f"{_SECRETS} names {named}, and there is no such folder: make it, or unset it.")
    return Path(named)


def _told(error: ErrorDetails) -> str:
    place = "__".join(str(each) for each in error["loc"]).upper()
    name = place if place in {"DATABASE_URL", "TEMPORAL_ADDRESS"} or place.startswith(_PREFIX) else _PREFIX + place
    return f"{name}: {error['msg'].rstrip('.')}."

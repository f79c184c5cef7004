"""The settings of verifier processes alone: ``COUNTERSIGN_VERIFIER__PORT`` and so on."""

from pathlib import Path

from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt


class VerifierSettings(BaseModel, frozen=True):
    """How a verifier is reached, who may ask it, and how much it remembers and puts up with."""

    host: str = Field("127.0.0.1", description="Where it listens.")
    port: PositiveInt = Field(8090, description="Its port.")
    audience: str = Field("countersign-verifier", description="The audience that gateways' tokens must name.")
    tls_cert_file: Path | None = Field(None, description="Its certificate (PEM), for HTTPS.")
    tls_key_file: Path | None = Field(None, description="The certificate's private key (PEM).")
    client_ca_file: Path | None = Field(
        None, description="Who signs gateways' certificates (PEM): a gateway with one needs no token."
    )
    client_names: list[str] = Field(
        default_factory=list, description="The names (DNS or URI) that gateways' certificates may bear."
    )
    cache_size: PositiveInt = Field(100_000, description="Credentials kept in memory, about 2 kB each.")
    body_bytes: PositiveInt = Field(4_194_304, description="The largest body: a hundred calls with theirs.")
    failures_per_minute: PositiveInt = Field(
        20, description="Wrong signatures or passwords for one key from one address, before others are not looked at."
    )
    unknown_keys_per_minute: PositiveInt = Field(
        300, description="Unknown keys from one address, before others are not looked for."
    )
    connections: NonNegativeInt = Field(1000, description="Connections at once; 0: no limit.")
    silence_seconds: PositiveFloat = Field(1.0, description="How often a stream of revocations says that it is alive.")

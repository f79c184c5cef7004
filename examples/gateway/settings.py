"""The settings of the example: ``GATEWAY_PORT`` and so on."""

from pathlib import Path

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class GatewaySettings(BaseSettings):
    """Where it listens, and how it reaches the verifier."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True)

    verifier_url: str = Field("http://127.0.0.1:8090", description="Where the verifier is.")
    token: SecretStr = Field(SecretStr(""), description="The gateway's bearer token for the verifier.")
    token_file: Path | None = Field(None, description="A file with the token, read for each question: it may change.")
    host: str = Field("127.0.0.1", description="Where it listens.")
    port: PositiveInt = Field(8100, description="The port for REST and WebSocket.")
    fix_trade_port: PositiveInt = Field(9880, description="The port for FIX trade sessions.")
    fix_market_data_port: PositiveInt = Field(9881, description="The port for FIX market data sessions.")
    fix_comp_id: str = Field("EXAMPLE", description="What FIX clients call it (56).")
    tls_cert_file: Path | None = Field(None, description="Its certificate (PEM), for HTTPS, WSS and FIX over TLS.")
    tls_key_file: Path | None = Field(None, description="The certificate's private key (PEM).")
    trusted_proxies: str = Field(
        "", description="Addresses whose X-Forwarded-For is believed, with commas between; none by default."
    )
    body_bytes: PositiveInt = Field(65_536, description="The largest body or message.")
    hello_seconds: PositiveFloat = Field(10.0, description="How long a body, an auth message or a Logon may take.")
    idle_seconds: PositiveFloat = Field(30.0, description="After so long without a word a WebSocket client is pinged.")
    doubt_seconds: PositiveFloat = Field(
        5.0,
        description="Sessions end that could not be verified anew for so long, after revocations may have been missed.",
    )

    def bearer(self) -> str:
        """Return the present token."""
        if self.token_file is not None:
            return self.token_file.read_text(encoding="ascii").strip()
        return self.token.get_secret_value()

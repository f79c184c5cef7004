"""What a verifier cannot do without, told in a line each before it starts."""

from countersign.adapters.keyring import KeyRing, load_key_ring
from countersign.domain.errors import DomainError
from countersign.settings import Settings
from countersign.verification.purposes import VERIFIER_PURPOSES


class VerifierSettingsMissing(DomainError):
    """A setting of the verifier is missing or unsafe."""

    slug = "verifier-settings-missing"


def require_verifier_settings(settings: Settings) -> None:
    """Raise ``VerifierSettingsMissing`` with a line for each fault, and ``KeyRingInvalid``."""
    faults = [told for told, is_so in _faults(settings).items() if is_so]
    if settings.mode == "production":
        faults += [told for told, is_so in _production_faults(settings).items() if is_so]
    if faults:
        raise VerifierSettingsMissing("\n".join(faults))
    load_verifier_keys(settings)


def load_verifier_keys(settings: Settings) -> KeyRing:
    """Return the keys of a verifier, and no others; raises ``KeyRingInvalid``."""
    return load_key_ring(
        json_text=settings.key_ring.get_secret_value(), file=settings.key_ring_file, purposes=VERIFIER_PURPOSES
    )


def _faults(settings: Settings) -> dict[str, bool]:
    own, takes_tokens = settings.verifier, bool(settings.jwt_jwks_url) or settings.jwt_key_file is not None
    takes_certificates = own.client_ca_file is not None
    return {
        "DATABASE_URL is not set.": not settings.database_url.get_secret_value(),
        "Nobody could be let in: set COUNTERSIGN_JWT_JWKS_URL or COUNTERSIGN_JWT_KEY_FILE for tokens, or "
        "COUNTERSIGN_VERIFIER__CLIENT_CA_FILE for certificates.": not (takes_tokens or takes_certificates),
        "COUNTERSIGN_JWT_ISSUER is not set.": takes_tokens and not settings.jwt_issuer,
        "COUNTERSIGN_VERIFIER__AUDIENCE is empty.": takes_tokens and not own.audience,
        "COUNTERSIGN_VERIFIER__AUDIENCE is that of people's tokens, COUNTERSIGN_JWT_AUDIENCE.": (
            takes_tokens and own.audience == settings.jwt_audience
        ),
        "COUNTERSIGN_VERIFIER__CLIENT_NAMES is empty: no certificate is let in.": (
            takes_certificates and not own.client_names
        ),
        "COUNTERSIGN_VERIFIER__TLS_CERT_FILE is not set: without it there are no certificates of gateways either.": (
            takes_certificates and own.tls_cert_file is None
        ),
        "COUNTERSIGN_VERIFIER__TLS_KEY_FILE is not set.": own.tls_cert_file is not None and own.tls_key_file is None,
    }


def _production_faults(settings: Settings) -> dict[str, bool]:
    return {
        "COUNTERSIGN_JWT_JWKS_URL is not an https address.": (
            bool(settings.jwt_jwks_url) and not settings.jwt_jwks_url.startswith("https://")
        ),
    }

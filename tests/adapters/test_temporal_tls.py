"""TLS to Temporal: which files can be used, and what is told of those that cannot."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from countersign.adapters.temporal import Frontend
from countersign.adapters.temporal_tls import Tls, TlsUnusable, why_not
from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def test_without_a_word_of_it_there_is_no_tls() -> None:
    assert (Tls().is_on, Tls().config(), Frontend("x").is_encrypted) == (False, None, False)


def test_an_api_key_never_goes_out_in_the_clear() -> None:
    there = Frontend("x", api_key="hush")

    assert there.is_encrypted
    assert "hush" not in repr(there)


def test_whoever_names_a_file_or_the_server_asks_for_tls(authority: Authority) -> None:
    client = authority.certify("client")

    mutual = Tls(ca_file=authority.file, cert_file=client.certificate, key_file=client.key, server_name="temporal")

    assert Tls(ca_file=authority.file).is_on
    assert Tls(server_name="temporal").is_on
    config = mutual.config()
    assert config is not None
    assert config.domain == "temporal"
    assert config.server_root_ca_cert == authority.file.read_bytes()
    assert (config.client_cert, config.client_private_key) == (client.certificate.read_bytes(), client.key.read_bytes())


def test_a_certificate_and_its_key_go_together(authority: Authority) -> None:
    client, other = authority.certify("client"), authority.certify("other")

    assert "KEY_FILE is not: a certificate and its key" in _told(Tls(cert_file=client.certificate))
    assert "CERT_FILE is not: a certificate and its key" in _told(Tls(key_file=client.key))
    assert "holds another key" in _told(Tls(cert_file=client.certificate, key_file=other.key))


def test_a_file_that_is_missing_or_something_else_is_named(authority: Authority, tmp_path: Path) -> None:
    client, garbage, nowhere = authority.certify("client"), tmp_path / "garbage", tmp_path / "nowhere"
    garbage.write_text("hush")

    assert f"TLS_CA_FILE cannot be read ({nowhere}): No such file" in _told(Tls(ca_file=nowhere))
    assert "TLS_CA_FILE holds no certificate" in _told(Tls(ca_file=garbage))
    assert "TLS_CERT_FILE holds no certificate" in _told(Tls(cert_file=garbage, key_file=client.key))
    assert "TLS_KEY_FILE holds no private key" in _told(Tls(cert_file=client.certificate, key_file=garbage))
    assert "hush" not in _told(Tls(cert_file=client.certificate, key_file=garbage))


def test_a_key_with_a_passphrase_is_told(authority: Authority, tmp_path: Path) -> None:
    client, locked = authority.certify("client"), tmp_path / "locked"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )

    assert "has a passphrase" in _told(Tls(cert_file=client.certificate, key_file=locked))


def test_a_certificate_that_has_run_out_or_is_not_good_yet_is_told(authority: Authority) -> None:
    old = authority.certify("old", good_for=timedelta(minutes=1))
    early = authority.certify("early", since=datetime.now(UTC) + timedelta(hours=1))

    assert "has run out" in _told(Tls(cert_file=old.certificate, key_file=old.key))
    assert "is the clock right?" in _told(Tls(cert_file=early.certificate, key_file=early.key))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("transport error: Connection refused", "Temporal does not answer at there:7233."),
        ("error: InvalidCertificate(Expired)", "Temporal at there:7233: its certificate has run out."),
        ("InvalidCertificate(NotValidYetContext { .. })", "its certificate is not good yet"),
        ("InvalidCertificate(BadSignature)", "its certificate is not accepted"),
        ("Status { code: PermissionDenied }", "for the namespace"),
        ("Status { code: Unauthenticated }", "does not take the API key"),
    ],
)
def test_what_the_sdk_says_is_told_in_words_of_ours(said: str, told: str) -> None:
    assert told in str(why_not(RuntimeError(said), address="there:7233"))


def _told(tls: Tls) -> str:
    with pytest.raises(TlsUnusable) as caught:
        tls.config()
    return str(caught.value)

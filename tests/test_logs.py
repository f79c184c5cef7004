"""What is logged: never a secret, a code, a token, an address or a number; always what tells one event from another."""

import asyncio
import base64
import json
import logging
import secrets
import string
import subprocess
import sys
import traceback
from collections.abc import Iterator
from io import StringIO
from uuid import uuid4

import jwt
import pyotp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.adapters.keyring import new_key_ring_json
from countersign.domain.secrets import new_api_key, new_api_secret, new_fix_password, new_recovery_code
from countersign.logs import Discreet, told
from countersign.redaction import redact

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)

BASE64URL = string.ascii_letters + string.digits + "-_"
DIGITS = st.text(string.digits, min_size=6, max_size=6)
KEY = st.binary(min_size=32, max_size=32).map(lambda key: base64.urlsafe_b64encode(key).decode())
TOKEN = KEY.map(lambda key: key.rstrip("="))
LOCAL = st.from_regex(r"[a-z0-9][a-z0-9.+_-]{0,20}", fullmatch=True)
PHONE = st.from_regex(r"\+[1-9][0-9]{6,13}", fullmatch=True)
SEED = st.binary(min_size=20, max_size=20).map(lambda key: base64.b32encode(key).decode())
PASSWORD = st.text(string.ascii_letters + string.digits + "!$%*-_.~", min_size=1, max_size=30)
SURROUNDED = st.sampled_from(
    ["{}", "sent to {}", "({})", "'{}'", '"{}",', "x={} y", "a: {}; b", "[{}]", "{}\nmore", "<{}>"]
)
BODY62 = st.text(string.ascii_letters + string.digits, min_size=28, max_size=49)


@EXAMPLES
@given(SURROUNDED, st.sampled_from(["css_", "csp_", "csk_"]), BODY62)
def test_tokens_of_ours_are_masked_whole(place: str, prefix: str, body: str) -> None:
    assert body not in redact(place.format(prefix + body))
    assert f"{prefix}***" in redact(place.format(prefix + body))


@pytest.mark.parametrize(
    "make", [new_api_key, new_api_secret, new_fix_password, new_recovery_code, pyotp.random_base32]
)
def test_what_the_product_makes_is_masked(make: "pytest.FixtureFunction") -> None:  # type: ignore[name-defined]
    for _ in range(50):
        made = make()
        assert made[-12:] not in redact(f"made {made} just now")


@EXAMPLES
@given(SURROUNDED, LOCAL, st.sampled_from(["example.com", "mail.example.co.uk", "xn--bcher-kva.example"]))
def test_email_addresses_are_masked(place: str, local: str, domain: str) -> None:
    for at in ("@", "%40"):
        assert f"{at}{domain}" not in redact(place.format(f"{local}{at}{domain}"))


@EXAMPLES
@given(SURROUNDED, PHONE)
def test_phone_numbers_are_masked(place: str, phone: str) -> None:
    for written in (phone, phone.replace("+", "%2B")):
        assert phone[1:] not in redact(place.format(written))


@EXAMPLES
@given(
    st.sampled_from(
        [
            "code {}", "code={}", "code: {}", '{{"code": "{}"}}', "code='{}'", "otp={}", "TOTP {}", "Code is {}.",
            "{} is your code", "{} is the code to enter", "two_factor_code={}", "wrong code '{}' entered", "PIN: {}",
            "'code': ['{}']", "codes {}",
        ]
    ),
    DIGITS,
)  # fmt: skip
def test_six_digits_beside_a_word_for_codes_are_masked(place: str, code: str) -> None:
    for written in (code, f"{code[:3]} {code[3:]}"):
        assert written not in redact(place.format(written))


@EXAMPLES
@given(SURROUNDED, TOKEN)
def test_keys_and_tokens_of_256_bits_are_masked(place: str, token: str) -> None:
    assert token not in redact(place.format(token))


@EXAMPLES
@given(SURROUNDED, KEY)
def test_the_material_of_a_key_ring_is_masked(place: str, key: str) -> None:
    ring = json.dumps({"current": "k1", "keys": {"k1": key}})
    assert key.rstrip("=") not in redact(place.format("{}").replace("{}", ring))


@EXAMPLES
@given(SEED)
def test_seeds_are_masked_in_one_piece_in_groups_and_in_a_uri(seed: str) -> None:
    grouped = " ".join(seed[at : at + 4] for at in range(0, 16, 4))
    uri = pyotp.TOTP(seed).provisioning_uri(name="olivia@example.com", issuer_name="Countersign")
    assert seed not in redact(f"the seed {seed} of")
    assert grouped not in redact(f"key {grouped}, shown")
    assert redact(f"shown {uri} once") == "shown otpauth:*** once"


@EXAMPLES
@given(PASSWORD)
def test_passwords_of_addresses_and_settings_are_masked(password: str) -> None:
    assert redact(f"at postgresql://app:{password}@db.example:5432/x") == "at postgresql://app:***@db.example:5432/x"
    assert redact(f"password={password}").startswith("password=***")


@EXAMPLES
@given(TOKEN)
def test_the_fragment_of_an_activation_link_is_masked_and_its_request_stays(token: str) -> None:
    request_id = uuid4()
    assert redact(f"https://x.example/activate/{request_id}#{token}") == f"https://x.example/activate/{request_id}#***"


def test_jwts_and_bearer_tokens_are_masked() -> None:
    token = jwt.encode({"sub": str(uuid4())}, secrets.token_bytes(32), algorithm="HS256")
    assert redact(f"got {token} from") == "got *** from"
    assert redact(f"Authorization: Bearer {token}") == "Authorization: Bearer ***"
    assert "c2VjcmV0" not in redact("{'Authorization': 'Basic c2VjcmV0OnNlY3JldA=='}")
    assert redact('Bearer realm="countersign"') == 'Bearer realm="countersign"'


@EXAMPLES
@given(st.text())
def test_what_is_masked_stays_as_it_is(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@EXAMPLES
@given(
    st.uuids(),
    st.datetimes(),
    st.integers(0, 65535),
    st.integers(0, 10**9),
    st.sampled_from(["create-api-key", "change-two-factor", "activate-fix-credentials"]),
)
def test_what_tells_one_event_from_another_stays(
    request_id: object, at: object, port: int, count: int, journey: str
) -> None:
    for line in (
        f"{at} Closed {journey}/{request_id}",
        f"127.0.0.1:{port} answered after {count} ms",
        f"[2001:db8::1]:{port} run {request_id}",
        f"Could not start {journey}/{request_id}: 14",
        f"code sent for {request_id} at {at}",
        f"{at}+00:00 status code 503, {count} left",
        "Working on the task queue countersign, step two_factor_code, CS-T-7K4M-9QXR-2B8D",
    ):
        assert redact(line) == line


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What the root logger writes in the format of the processes."""
    stream, root = StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Discreet())
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


LOG = logging.getLogger("some.package")


def test_arguments_and_nested_values_are_masked(written: StringIO) -> None:
    LOG.error("to %s: %r", "sam@example.com", {"form": [{"code": "493817"}, ("+12025550123",)]})

    assert written.getvalue().endswith("to ***: {'form': [{'code': '***'}, ('***',)]}\n")


def test_of_an_exception_type_and_place_are_told_and_of_its_cause_too_and_never_their_words(written: StringIO) -> None:
    try:
        _fail()
    except RuntimeError:
        LOG.exception("It failed")

    line = written.getvalue()
    assert "RuntimeError at _fail:" in line
    assert "caused by ValueError at _fail:" in line
    assert "hush" not in line
    assert line.count("\n") == 1


def _fail() -> None:
    try:
        int("hush, the cause")
    except ValueError as cause:
        raise RuntimeError("hush, the words") from cause


def test_an_exception_that_causes_itself_is_told_once() -> None:
    error = RuntimeError()
    error.__cause__ = error
    assert told(error) == "RuntimeError at no place known"


def test_a_traceback_that_another_handler_has_cached_is_not_used(written: StringIO) -> None:
    record = LOG.makeRecord("x", logging.ERROR, "", 0, "It failed", (), (ValueError, ValueError("hush"), None))
    record.exc_text, record.stack_info = "Traceback: hush", "Stack: hush"
    LOG.handle(record)

    assert "hush" not in written.getvalue()


def test_a_traceback_within_a_message_is_cut_down_to_its_type(written: StringIO) -> None:
    try:
        _fail()
    except RuntimeError:
        LOG.error("Startup failed: %s", traceback.format_exc())  # noqa: TRY400 - as Starlette does

    assert written.getvalue().endswith("Startup failed: RuntimeError, whose words are left out\n")


def test_a_message_stays_on_its_line(written: StringIO) -> None:
    LOG.warning("first\n2026-01-01 CRITICAL forged\x1b[2J")

    assert written.getvalue().count("\n") == 1
    assert "\\x1b[2J" in written.getvalue()


async def test_a_task_that_nobody_waited_for_does_not_tell_what_it_failed_of(written: StringIO) -> None:
    async def fail() -> None:
        raise ValueError("hush (really)")

    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    await asyncio.sleep(0)

    assert "hush" not in written.getvalue()
    assert "never retrieved" in written.getvalue()


SCRIPT = """
import logging, sys, threading, warnings
from countersign import logs
logs.install()
logs.tell_of_the_end()
log = logging.getLogger("x")
log.info("%d of hush", "hush")
warnings.warn("mail hush@example.com")
threading.Thread(target=lambda: int("hush")).start()
logging.getLogger("httpx").info("GET https://hush.example")
raise ValueError("hush")
"""


def test_a_process_with_the_logs_installed_says_nothing_of_what_it_should_not_even_when_it_ends_badly() -> None:
    ended = subprocess.run((sys.executable, "-c", SCRIPT), capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "hush" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert "A thread ended: ValueError at <lambda>" in ended.stderr
    assert "The process ended: ValueError at <module>" in ended.stderr


def test_a_key_ring_is_masked_whole() -> None:
    ring = new_key_ring_json()
    [material] = json.loads(ring)["keys"].values()
    assert material not in redact(f"COUNTERSIGN_KEY_RING={ring}")

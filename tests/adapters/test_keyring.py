import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.adapters.keyring import (
    KeyNotHeld,
    KeyRing,
    Purpose,
    SealBroken,
    load_key_ring,
    new_key_ring_json,
)
from countersign.adapters.ring_text import KeyRingInvalid

OLD = base64.urlsafe_b64encode(b"o" * 32).decode()
NEW = base64.urlsafe_b64encode(b"n" * 40).decode().rstrip("=")
RING = json.dumps({"current": "new", "keys": {"old": OLD, "new": NEW}})
BEFORE_ROTATION = json.dumps({"current": "old", "keys": {"old": OLD}})
AFTER_RETIREMENT = json.dumps({"current": "new", "keys": {"new": NEW}})
HELD = KeyRing.from_json(RING)
VERIFIER_KEY_OF_OLD = "dbd9bc128c8171e4c17343c2fe5be313d795bda52c3a55f281e9c8e74f7bd1af"
SEALED = HELD.seal(Purpose.REVEAL, b"the secret", bound_to="row 1")


def test_a_new_ring_is_usable_and_never_the_same() -> None:
    first, second = new_key_ring_json(), new_key_ring_json()
    assert KeyRing.from_json(first).key(Purpose.AUDIT) != KeyRing.from_json(second).key(Purpose.AUDIT)


def test_each_purpose_and_each_id_has_its_own_key() -> None:
    keys = {HELD.key(purpose, key_id) for purpose in Purpose for key_id in ("old", "new")}
    assert len(keys) == 2 * len(Purpose)
    assert {len(key) for key in keys} == {32}


def test_derived_keys_never_change_from_release_to_release() -> None:
    # Whatever is stored was made with these: another value here means that nothing stored can be read.
    assert HELD.key(Purpose.VERIFIER, "old").hex() == VERIFIER_KEY_OF_OLD


def test_a_process_holds_the_keys_of_its_purposes_alone() -> None:
    ring = KeyRing.from_json(RING, purposes=[Purpose.PAYLOAD])
    assert ring.key(Purpose.PAYLOAD) == HELD.key(Purpose.PAYLOAD)
    with pytest.raises(KeyNotHeld):
        ring.key(Purpose.REVEAL)
    with pytest.raises(KeyNotHeld):
        ring.seal(Purpose.REVEAL, b"", bound_to="")
    with pytest.raises(KeyNotHeld):
        ring.open(Purpose.REVEAL, SEALED, bound_to="row 1")
    with pytest.raises(KeyNotHeld):
        ring.mac(Purpose.REVEAL, b"")


@pytest.mark.parametrize("key_id", ["gone", "", "\n"])
def test_an_unknown_key_id_is_refused(key_id: str) -> None:
    with pytest.raises(KeyNotHeld):
        HELD.key(Purpose.PAYLOAD, key_id)


def test_neither_repr_nor_the_object_shows_a_key() -> None:
    shown = repr(HELD)
    assert shown.startswith("KeyRing(current='new', ids=['new', 'old']")
    for key in (OLD, NEW, HELD.key(Purpose.PAYLOAD).hex(), repr(HELD.key(Purpose.PAYLOAD))):
        assert key not in shown
    assert b"o" * 32 not in repr(vars(HELD)).encode()


def test_what_was_sealed_before_a_rotation_opens_after_it() -> None:
    sealed = KeyRing.from_json(BEFORE_ROTATION).seal(Purpose.VERIFIER, b"secret", bound_to="row")
    assert HELD.open(Purpose.VERIFIER, sealed, bound_to="row") == b"secret"


def test_what_was_sealed_under_a_retired_key_is_broken() -> None:
    sealed = KeyRing.from_json(BEFORE_ROTATION).seal(Purpose.VERIFIER, b"secret", bound_to="row")
    with pytest.raises(SealBroken):
        KeyRing.from_json(AFTER_RETIREMENT).open(Purpose.VERIFIER, sealed, bound_to="row")


@given(plaintext=st.binary(max_size=200), bound_to=st.text(st.characters(codec="utf-8"), max_size=50))
def test_what_is_sealed_can_be_opened_and_looks_different_each_time(plaintext: bytes, bound_to: str) -> None:
    first, second = (HELD.seal(Purpose.REVEAL, plaintext, bound_to=bound_to) for _ in range(2))
    assert first != second
    assert HELD.open(Purpose.REVEAL, first, bound_to=bound_to) == plaintext


@given(position=st.integers(0, len(SEALED) - 1), flip=st.integers(1, 255))
def test_one_changed_byte_anywhere_breaks_the_seal(position: int, flip: int) -> None:
    changed = bytearray(SEALED)
    changed[position] ^= flip
    with pytest.raises(SealBroken):
        HELD.open(Purpose.REVEAL, bytes(changed), bound_to="row 1")


@given(length=st.integers(0, len(SEALED) - 1))
def test_a_seal_cut_short_is_broken(length: int) -> None:
    with pytest.raises(SealBroken):
        HELD.open(Purpose.REVEAL, SEALED[:length], bound_to="row 1")


@given(st.binary(max_size=200))
def test_rubbish_is_a_broken_seal_and_nothing_else(rubbish: bytes) -> None:
    with pytest.raises(SealBroken):
        HELD.open(Purpose.REVEAL, rubbish, bound_to="row 1")


def test_a_seal_is_bound_to_its_row_and_purpose() -> None:
    assert HELD.open(Purpose.REVEAL, SEALED, bound_to="row 1") == b"the secret"
    with pytest.raises(SealBroken):
        HELD.open(Purpose.REVEAL, SEALED, bound_to="row 2")
    with pytest.raises(SealBroken):
        HELD.open(Purpose.VERIFIER, SEALED, bound_to="row 1")


def test_a_mac_depends_on_message_purpose_and_key() -> None:
    macs = {
        HELD.mac(Purpose.AUDIT, b"one"),
        HELD.mac(Purpose.AUDIT, b"two"),
        HELD.mac(Purpose.AUDIT, b"one", key_id="old"),
        HELD.mac(Purpose.FIX_PASSWORD, b"one"),
    }
    assert len(macs) == 4
    assert HELD.mac(Purpose.AUDIT, b"one") == HELD.mac(Purpose.AUDIT, b"one", key_id="new")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not valid JSON"),
        ("{" * 100_000, "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "must look like"),
        ('{"current": "a"}', "must look like"),
        ('{"current": "a", "keys": {}}', "must look like"),
        ('{"current": "a", "keys": ["a"]}', "must look like"),
        (f'{{"current": "b", "keys": {{"a": "{OLD}"}}}}', "current id is none of its ids (a)"),
        (f'{{"keys": {{"a": "{OLD}"}}}}', "current id is none"),
        (f'{{"current": ["a"], "keys": {{"a": "{OLD}"}}}}', "current id is none"),
        (f'{{"current": "a", "keys": {{"a": "{OLD}", "b": "{OLD}"}}}}', "same key"),
        (f'{{"current": "a", "keys": {{"a": "{OLD}", "a": "{NEW}"}}}}', "names a member twice"),
        ('{"current": "a", "keys": {"a": "c2hvcnQ"}}', "has 5 bytes"),
        ('{"current": "a", "keys": {"a": "+/+/"}}', "not base64url"),
        ('{"current": "a", "keys": {"a": "abcde"}}', "not base64url"),
        ('{"current": "a", "keys": {"a": 7}}', "not base64url"),
        (f'{{"current": "a b", "keys": {{"a b": "{OLD}"}}}}', "letters, digits"),
    ],
)
def test_a_faulty_ring_is_refused_with_its_fault_and_without_key_material(text: str, complaint: str) -> None:
    with pytest.raises(KeyRingInvalid) as refusal:
        KeyRing.from_json(text)
    assert complaint in str(refusal.value)
    assert OLD not in str(refusal.value)
    assert NEW not in str(refusal.value)


def private(file: Path, text: str, mode: int = 0o600) -> Path:
    file.write_text(text)
    file.chmod(mode)
    return file


def test_the_text_of_a_setting_wins_over_a_file(tmp_path: Path) -> None:
    file = private(tmp_path / "ring.json", BEFORE_ROTATION)
    assert load_key_ring(json_text=RING, file=file, purposes=Purpose).current == "new"
    assert load_key_ring(json_text="", file=file, purposes=Purpose).current == "old"


def test_without_text_and_file_it_says_which_setting_to_give() -> None:
    with pytest.raises(KeyRingInvalid, match="COUNTERSIGN_KEY_RING_FILE"):
        load_key_ring(json_text="", file=None, purposes=Purpose)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_open_to_others_is_refused_with_the_mend(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "ring.json", RING, mode)
    with pytest.raises(KeyRingInvalid, match="chmod 600"):
        load_key_ring(json_text="", file=file, purposes=Purpose)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRingInvalid, match="No such file"):
        load_key_ring(json_text="", file=tmp_path / "none", purposes=Purpose)
    file = tmp_path / "bytes"
    file.write_bytes(b"\xff\xfe")
    file.chmod(0o600)
    with pytest.raises(KeyRingInvalid, match="not text"):
        load_key_ring(json_text="", file=file, purposes=Purpose)

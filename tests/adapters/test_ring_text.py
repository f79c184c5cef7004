"""The text of a ring through its life, and the file it lies in."""

import base64
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose, derive_ring
from countersign.adapters.ring_file import read_ring_file, replace_ring_file
from countersign.adapters.ring_text import KeyRingInvalid, RingText
from countersign.wiring import API_PURPOSES, WORKER_PURPOSES, held_purposes

RING = RingText.new()
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


def test_a_ring_gives_back_what_it_was_written_from() -> None:
    for ring in (RING, RING.with_next(), RING.with_next().taken_over(), derive_ring(RING.with_next(), Purpose)):
        assert RingText.parse(ring.dump()) == ring


def test_a_new_key_is_known_first_and_takes_over_later() -> None:
    known = RING.with_next()
    assert (known.current, known.ids) == (RING.current, (RING.current, known.next))

    taken_over = known.taken_over()

    assert (taken_over.current, taken_over.next, taken_over.ids) == (known.next, None, known.ids)
    assert taken_over.taken_over() == taken_over


def test_a_key_that_goes_leaves_the_others_and_a_next_key_that_goes_is_next_no_more() -> None:
    known = RING.with_next()
    assert known.taken_over().without(RING.current).ids == (known.next,)
    assert known.without(str(known.next)) == RING


def test_the_eldest_key_stays_the_same_until_it_goes() -> None:
    known = RING.with_next()
    rings = (RING, known, known.taken_over(), derive_ring(known.taken_over(), API_PURPOSES))
    assert {KeyRing.of(ring, purposes=API_PURPOSES).eldest for ring in rings} == {RING.current}
    assert KeyRing.of(known.taken_over().without(RING.current), purposes=API_PURPOSES).eldest == known.next


def test_a_ring_without_any_key_has_its_current_one_for_the_eldest() -> None:
    assert KeyRing(current="a", keys={}).eldest == "a"


def test_a_key_to_come_that_is_not_the_one_that_goes_stays_the_next() -> None:
    ring = RING.with_next().taken_over().with_next()

    assert ring.without(RING.current).next == ring.next


def test_an_id_that_is_taken_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["aa", "aa", "bb"])
    monkeypatch.setattr("secrets.token_hex", lambda _bytes: next(names))

    ring = RingText.new()

    assert [each.rpartition("-")[2] for each in ring.with_next().ids] == ["aa", "bb"]


def test_a_ring_of_one_key_names_no_next_one_and_is_text_for_people_to_look_at() -> None:
    assert RingText(current="a", masters={"a": b"k" * 32}).dump() == (
        f'{{\n  "current": "a",\n  "keys": {{\n    "a": "{KEY}"\n  }}\n}}\n'
    )


def test_a_key_of_more_than_256_bits_is_taken_whole() -> None:
    key = base64.urlsafe_b64decode("X" * 44)

    assert RingText.parse(json.dumps({"current": "a", "keys": {"a": "X" * 44}})).masters == {"a": key}
    assert len(key) == 33


def test_the_ids_of_a_derived_ring_and_its_next_one_are_those_of_its_masters() -> None:
    known = RING.with_next()
    derived = derive_ring(known, API_PURPOSES)

    assert (derived.ids, derived.current, derived.next) == (known.ids, known.current, known.next)


@pytest.mark.parametrize("purposes", [API_PURPOSES, WORKER_PURPOSES])
def test_a_derived_ring_holds_the_same_keys_of_its_purposes_and_neither_others_nor_a_master(
    purposes: frozenset[Purpose],
) -> None:
    ring = RING.with_next()
    text = derive_ring(ring, held_purposes(purposes)).dump()
    held, whole = KeyRing.from_json(text, purposes=held_purposes(purposes)), KeyRing.of(ring, purposes=Purpose)

    for key_id in ring.ids:
        for purpose in held_purposes(purposes):
            assert held.key(purpose, key_id) == whole.key(purpose, key_id)
    for others in set(Purpose) - held_purposes(purposes):
        assert base64.urlsafe_b64encode(whole.key(others)).decode() not in text
        with pytest.raises(KeyNotHeld):
            held.key(others)
    for master in json.loads(ring.dump())["keys"].values():
        assert master not in text
    assert held.current == ring.current


def test_a_process_that_is_given_the_ring_of_another_kind_is_told_to_have_it_derived_anew() -> None:
    workers = derive_ring(RING, held_purposes(WORKER_PURPOSES)).dump()
    with pytest.raises(KeyRingInvalid, match=r"no key for sign_in.*derive it anew with `countersign keys derive`"):
        KeyRing.from_json(workers, purposes=API_PURPOSES)


def test_nothing_is_derived_from_a_derived_ring() -> None:
    with pytest.raises(KeyRingInvalid, match="only a ring of masters"):
        derive_ring(derive_ring(RING, Purpose), Purpose)


def test_the_repr_of_a_ring_shows_no_key() -> None:
    shown = repr(RING.with_next()) + repr(derive_ring(RING, Purpose))
    for key in (*RING.masters.values(), *derive_ring(RING, Purpose).derived[RING.current].values()):
        assert repr(key) not in shown
    assert RING.current in shown


@pytest.mark.parametrize(
    ("ring", "complaint"),
    [
        ({"current": "a", "keys": {"a": KEY}, "derived": {"b": {"payload": KEY}}}, "must look like"),
        ({"current": "a", "keys": {"a": KEY}, "next": "b"}, "next id is none of its other ids"),
        ({"current": "a", "keys": {"a": KEY}, "next": "a"}, "next id is none of its other ids"),
        ({"current": "a", "keys": {"a": KEY}, "next": ["a"]}, "next id is no text"),
        ({"current": "a", "derived": {"a": {}}}, "named by their purposes"),
        ({"current": "a", "derived": {"a": KEY}}, "named by their purposes"),
        ({"current": "a", "derived": {"a": {"payload": "c2hvcnQ"}}}, "has 5 bytes"),
        ({"current": "a", "derived": {"a": {"payload": KEY, "reveal": KEY}}}, "same key"),
        ([], "must look like"),
        (["keys"], "must look like"),
        ({"current": None, "keys": {"a": KEY, "b c": KEY}}, "none of its ids (a, ?)"),
        ({"current": [], "keys": {"a": KEY}}, "current id is none of its ids (a)"),
        ({"current": "c", "keys": {"a": KEY, "b": KEY[:-4] + "AAA="}}, "none of its ids (a, b)"),
        ({"current": "a", "next": "c", "keys": {"a": KEY, "b": KEY[:-4] + "AAA="}}, "other ids (a, b)"),
        ({"current": "a", "derived": {"b c": {}}}, "keys under ? must"),
    ],
)
def test_a_faulty_ring_is_refused_with_its_fault_and_without_key_material(ring: Any, complaint: str) -> None:
    with pytest.raises(KeyRingInvalid) as refusal:
        RingText.parse(json.dumps(ring))
    assert refusal.value.slug == "key-ring-invalid"
    assert complaint in str(refusal.value)
    assert KEY not in str(refusal.value)


def test_a_ring_file_is_private_from_its_first_moment_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "ring.json"
    before = os.umask(0)
    try:
        replace_ring_file(file, "one")
        replace_ring_file(file, "two")
    finally:
        os.umask(before)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_ring_file(file) == "two"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("dies_at", ["os.fsync", "pathlib.Path.replace"])
def test_a_crash_before_the_new_ring_is_in_its_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    file = tmp_path / "ring.json"
    replace_ring_file(file, "old")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(dies_at, die)
        with pytest.raises(KeyboardInterrupt):
            replace_ring_file(file, "new")

    assert read_ring_file(file) == "old"
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    replace_ring_file(file, "new")
    assert read_ring_file(file) == "new"


def test_the_file_can_be_read_whole_at_every_moment_of_its_replacement(tmp_path: Path) -> None:
    file, texts = tmp_path / "ring.json", {"a" * 100_000, "b" * 100_000}
    replace_ring_file(file, "a" * 100_000)

    def replace_often() -> None:
        for text in [*texts] * 20:
            replace_ring_file(file, text)

    replacing = threading.Thread(target=replace_often)
    replacing.start()
    seen = set()
    while replacing.is_alive():
        seen.add(read_ring_file(file))
    replacing.join()

    assert seen <= texts


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "ring.json"
    link.symlink_to(tmp_path / "there" / "ring.json")

    replace_ring_file(link, "text")

    assert link.is_symlink()
    assert (tmp_path / "there" / "ring.json").read_text() == "text"


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(KeyRingInvalid, match="cannot be written: No such file"):
        replace_ring_file(tmp_path / "none" / "ring.json", "text")


def test_whoever_rotates_as_root_leaves_the_file_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ring.json"
    given: list[tuple[int, ...]] = []
    replace_ring_file(file, "old")
    monkeypatch.setattr("os.fchown", lambda _descriptor, *owner: given.append(owner))

    replace_ring_file(file, "new")

    assert given == [(file.stat().st_uid, file.stat().st_gid)]

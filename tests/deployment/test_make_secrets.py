"""deploy/make-secrets: what it makes, for whom, and what it leaves to people."""

import re
import stat
from pathlib import Path

import psycopg.conninfo

from countersign.adapters.ring_text import RingText
from countersign.wiring import API_PURPOSES, WORKER_PURPOSES, held_purposes
from tests.support.compose import Deployment, asked_for, composed, variables


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def text(made: Deployment, name: str) -> str:
    return (made.secrets / name).read_text().strip()


def test_every_secret_of_the_deployment_is_made_or_told_to_be_put_there_by_hand(made: Deployment) -> None:
    files = composed()["secrets"] | {"postgres_certificate": composed()["configs"]["postgres_certificate"]}
    wanted = {Path(each["file"]).relative_to("deploy/secrets").name for each in files.values()}
    by_hand = set(re.findall(r"^ {5}(\w+)", (made.folder / "told.txt").read_text(), re.MULTILINE))
    there = {each.name for each in made.secrets.iterdir() if each.is_file()}

    assert there | by_hand == wanted == {*composed()["secrets"], "postgres_certificate"}
    assert not there & by_hand


def test_others_cannot_enter_the_folder_and_the_masters_are_their_owners_alone(made: Deployment) -> None:
    masters = made.secrets / "masters"

    assert [mode(path) for path in (made.secrets, masters, masters / "key_ring.json")] == [0o700, 0o700, 0o600]
    assert {mode(path) for path in made.secrets.iterdir() if path.is_file()} == {0o444}
    assert mode(made.folder / ".env") == 0o600


def test_no_container_is_shown_the_masters(made: Deployment) -> None:
    assert (made.secrets / "masters/key_ring.json").exists()
    assert "masters" not in str(composed())


def test_each_process_gets_a_ring_of_its_purposes_alone(made: Deployment) -> None:
    for process, purposes in (("api", API_PURPOSES), ("worker", WORKER_PURPOSES)):
        ring = RingText.parse((made.secrets / f"countersign_{process}_key_ring").read_text())
        assert ring.masters == {}
        assert set(ring.derived[ring.current]) == held_purposes(purposes)


def test_the_addresses_of_the_database_carry_the_passwords_of_their_roles_and_want_its_certificate(
    made: Deployment,
) -> None:
    for role, name in (("countersign_owner", "owner"), ("countersign_app_login", "app")):
        address = psycopg.conninfo.conninfo_to_dict(text(made, f"countersign_{name}_database_url"))
        password = text(made, f"countersign_{name}_password")
        assert (address["user"], address["password"], address["sslmode"]) == (role, password, "verify-full")
        assert address["sslrootcert"] == "/etc/postgres-certificate.pem"


def test_no_two_passwords_are_the_same(made: Deployment) -> None:
    passwords = [path.read_text().strip() for path in made.secrets.glob("*_password")]

    assert len(set(passwords)) == len(passwords) == 5
    assert all(re.fullmatch(r"[0-9a-f]{48}", each) for each in passwords)


def test_nothing_is_ever_made_over_what_is_there(made: Deployment) -> None:
    before = {path: path.read_bytes() for path in made.secrets.rglob("*") if path.is_file()}
    again = made.make_secrets()

    assert (again.returncode, again.stdout) == (1, "")
    assert "deploy/secrets exists" in again.stderr
    assert {path: path.read_bytes() for path in made.secrets.rglob("*") if path.is_file()} == before


def test_where_the_command_fails_nothing_is_left_behind(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    done = deployment.make_secrets(command="false")

    assert done.returncode != 0
    assert [path.name for path in (tmp_path / "deploy").iterdir() if path.name.startswith((".", "secrets"))] == []


def test_the_variables_to_be_filled_in_are_those_that_the_deployment_asks_for(made: Deployment) -> None:
    example = variables(made.folder / "deploy/env.example")

    assert set(example) == asked_for() == set(variables(Path(__file__).with_name("filled.env")))
    assert variables(made.folder / ".env") == example | {"COUNTERSIGN_VERSION": "0.1.0"}

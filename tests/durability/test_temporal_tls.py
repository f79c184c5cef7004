"""Temporal behind TLS that demands client certificates, as a cluster has it: a way there that ends TLS."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from countersign.adapters.keyring import Purpose
from countersign.adapters.temporal import Frontend
from countersign.adapters.temporal_tls import NotConnected, Tls
from countersign.checkup.findings import Finding
from countersign.checkup.temporal import check_temporal
from countersign.local.issuer import Issuer
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.wiring import parts
from countersign.work_loop import run_worker
from tests.support.cast import Providers
from tests.support.certificates import Authority, Certified
from tests.support.patience import eventually
from tests.support.proxy import Proxy
from tests.support.stage import api_of, set_stage

_NAME = "temporal.example"
# RFC 7541, appendix B: how HTTP/2 packs these letters.
_PACKED = {"B": "1011101", "e": "00101", "a": "00011", "r": "101100", " ": "010100", "t": "01001", "o": "00111"}


@dataclass(frozen=True)
class Fortress:
    """Temporal behind TLS, and who may enter."""

    way: Proxy
    authority: Authority
    stranger: Authority
    client: Certified

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.way.port}"

    @property
    def right(self) -> dict[str, Any]:
        """The settings with which one enters."""
        return {
            "temporal_address": self.address,
            "temporal_tls_ca_file": self.authority.file,
            "temporal_tls_cert_file": self.client.certificate,
            "temporal_tls_key_file": self.client.key,
            "temporal_tls_server_name": _NAME,
        }


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture
async def fortress(temporal: EmbeddedTemporal, authority: Authority, tmp_path: Path) -> AsyncIterator[Fortress]:
    async with Proxy.to(temporal.port, tls=_tls(authority, demand=True)) as way:
        yield Fortress(way, authority, Authority(tmp_path, "stranger"), authority.certify("client"))


def _tls(authority: Authority, *, demand: bool) -> ssl.SSLContext:
    server = authority.certify(_NAME)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.set_alpn_protocols(["h2"])
    if demand:
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_worker_and_api_carry_a_request_through_mutual_tls(
    fortress: Fortress, settings: Settings, issuer: Issuer, providers: Providers
) -> None:
    secured = settings.model_copy(update=fortress.right)
    async with (
        parts(secured, purposes=frozenset(Purpose), lazy=False) as core,
        set_stage(core, issuer=issuer, providers=providers) as stage,
        stage.at_work(),
    ):
        flow = await (await stage.cast.owner.create_api_key()).to_activation_code()
        await flow.enter_activation_code()

        assert await flow.outcome() == "activated"


async def test_the_doctor_says_how_temporal_is_reached(fortress: Fortress, settings: Settings) -> None:
    found = await check_temporal(settings.model_copy(update=fortress.right))

    assert _line(found, "TLS") == "the connection is encrypted (TLS)"
    assert "runs out on" in _line(found, "certificate")


async def test_who_may_not_enter_is_told_why(fortress: Fortress, settings: Settings) -> None:
    forged = fortress.stranger.certify("forged")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"temporal_tls_ca_file": fortress.stranger.file}, "of no authority that is trusted"),
        ({"temporal_tls_ca_file": None}, "of no authority that is trusted"),
        ({"temporal_tls_server_name": ""}, "for another name"),
        ({"temporal_tls_cert_file": None, "temporal_tls_key_file": None}, "demands TLS, or a client certificate"),
        (
            {"temporal_tls_cert_file": forged.certificate, "temporal_tls_key_file": forged.key},
            "demands TLS, or a client certificate",
        ),
    ]
    for changes, told in wrong:
        refused = settings.model_copy(update=fortress.right | changes)
        assert told in _line(await check_temporal(refused), fortress.address)
        with pytest.raises(NotConnected, match=told):
            async with parts(refused, purposes=frozenset(Purpose), lazy=False):
                pass


async def test_without_tls_or_where_there_is_none_is_told(
    fortress: Fortress, settings: Settings, temporal: EmbeddedTemporal
) -> None:
    bare = settings.model_copy(update={"temporal_address": fortress.address})
    assert "it demands TLS" in _line(await check_temporal(bare), fortress.address)

    eager = settings.model_copy(update=fortress.right | {"temporal_address": temporal.address})
    assert "does not speak TLS" in _line(await check_temporal(eager), temporal.address)


async def test_a_refused_worker_says_why_each_time_and_works_once_it_is_let_in(
    fortress: Fortress, settings: Settings
) -> None:
    log = _Log()
    logging.getLogger("countersign.work_loop").addHandler(log)
    fortress.way.target, there = 9, fortress.way.target
    process = asyncio.create_task(run_worker(settings.model_copy(update=fortress.right | {"task_queue": "let-in"})))
    try:
        await eventually(log.said, lambda said: "Temporal at" in said and "Trying again." in said)
        fortress.way.target = there
        await eventually(log.said, lambda said: "Working on the task queue let-in" in said)
    finally:
        logging.getLogger("countersign.work_loop").removeHandler(log)
        process.cancel()
        with suppress(asyncio.CancelledError):
            await process


async def test_an_api_whose_certificate_is_not_taken_is_ready_accepts_and_says_so(
    fortress: Fortress, settings: Settings, caplog: pytest.LogCaptureFixture, issuer: Issuer, providers: Providers
) -> None:
    forged = fortress.stranger.certify("forged")
    refused = fortress.right | {"temporal_tls_cert_file": forged.certificate, "temporal_tls_key_file": forged.key}
    async with parts(settings, purposes=frozenset(Purpose), lazy=True) as core:
        async with set_stage(core, issuer=issuer, providers=providers) as stage:
            owner = stage.cast.owner
        async with api_of(settings.model_copy(update=refused)) as api:
            owner.http = api
            started = await owner.post("/api-keys", {"name": "bot", "permissions": ["trade"]})
            ready = await api.get("/readyz")

    assert started.status_code == 202
    assert ready.json()["temporal"] == "down"
    assert "demands TLS, or a client certificate other than the one given" in caplog.text


async def test_an_api_key_goes_out_as_a_bearer_token_and_within_tls(
    temporal: EmbeddedTemporal, authority: Authority
) -> None:
    async with Proxy.to(temporal.port, tls=_tls(authority, demand=False)) as way:
        there = Frontend(f"127.0.0.1:{way.port}", api_key="tattoo", tls=Tls(ca_file=authority.file, server_name=_NAME))
        await there.connect_without_keys()

        bits = "".join(_PACKED[letter] for letter in "Bearer tattoo")
        whole = len(bits) // 8
        assert int(bits[: whole * 8], 2).to_bytes(whole, "big") in bytes(way.heard)


async def test_an_api_key_is_not_sent_to_a_server_without_tls(settings: Settings, temporal: EmbeddedTemporal) -> None:
    async with Proxy.to(temporal.port) as way:
        changes = {"temporal_address": f"127.0.0.1:{way.port}", "temporal_api_key": SecretStr("tattoo")}

        assert "does not speak TLS" in _line(await check_temporal(settings.model_copy(update=changes)), "127.0.0.1")


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    async def said(self) -> str:
        return "\n".join(self._lines)


def _line(found: list[Finding], sign: str) -> str:
    return next(each.told for each in found if sign in each.told)

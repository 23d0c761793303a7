"""smpps://: over a certificate that is right, and what is said of those that are not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.carriers.authority import Authority, Certificate
from tests.carriers.recording import Recorder, message, running_bind, submit_all, until
from tests.carriers.scripted import scripted_carrier
from tests.foreign_smsc import foreign_smsc
from tests.simulator.running import running_smsc

from clarion.carriers.smpp import connect, parse_url, probe
from clarion.wiring.machine import SystemTimer


@asynccontextmanager
async def tls_in_front_of(port: int, certificate: Certificate) -> AsyncIterator[int]:
    """A TLS server that hands on what it reads, both ways."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(hand_on(reader, inner_writer), hand_on(inner_reader, writer))

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(65_536):
                writer.write(octets)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.server_context())
    async with server:
        yield server.sockets[0].getsockname()[1]


async def detail(url: str) -> str:
    """What a probe says of its last step."""
    return (await probe(parse_url(url), SystemTimer())).steps[-1].detail


async def test_a_campaign_over_tls_in_front_of_the_simulator(tmp_path: Path) -> None:
    authority, recorder = Authority(tmp_path), Recorder()
    async with (
        running_smsc(receipt_delay_ms=0) as (_, inner),
        tls_in_front_of(inner, authority.certificate("IP:127.0.0.1")) as port,
        running_bind(port, recorder, f"window=50&ca={authority.file}", scheme="smpps") as bind,
    ):
        await submit_all(bind, [message(number) for number in range(500)])
        await until(lambda: len(recorder.receipts) == 500, "receipts")
    assert recorder.outcomes == ["sent"] * 500
    assert {receipt.state for receipt in recorder.receipts} == {"delivered"}


async def test_the_tls_of_an_smsc_that_is_not_ours(tmp_path: Path) -> None:
    authority, recorder = Authority(tmp_path), Recorder()
    made = authority.certificate("DNS:localhost")
    with foreign_smsc(tmp_path / "log", key=str(made.key), cert=str(made.certificate)) as smsc:
        options = f"ca={authority.file}"
        async with running_bind(smsc.port, recorder, options, scheme="smpps", host="localhost") as bind:
            await submit_all(bind, [message(number) for number in range(100)])
            await until(lambda: len(recorder.receipts) == 100, "receipts")
    assert recorder.outcomes == ["sent"] * 100


async def test_an_smsc_that_is_not_ours_is_checked_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    made = authority.certificate("DNS:localhost")
    with foreign_smsc(tmp_path / "log", key=str(made.key), cert=str(made.certificate)) as smsc:
        right = f"localhost:{smsc.port}?ca={authority.file}"
        assert "machine does not know who signed it" in await detail(f"smpps://me@localhost:{smsc.port}")
        assert f"who signed it is not in {other.file}" in await detail(f"smpps://me@localhost:{smsc.port}?ca={other.file}")
        assert "IP address mismatch" in await detail(f"smpps://me@127.0.0.1:{smsc.port}?ca={authority.file}")
        plain = await detail(f"smpp://me@localhost:{smsc.port}")
        assert plain.endswith("before the bind was answered; it may not know this address, or speak TLS (smpps://)")
        for kind in ("transceiver", "pair"):
            assert await detail(f"smpps://me@{right}&bind={kind}") == "answered"
    with foreign_smsc(tmp_path / "plain") as smsc:
        assert (await detail(f"smpps://me@localhost:{smsc.port}")).endswith("does it speak plain SMPP (smpp://)?")


async def test_a_server_that_never_shakes_hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and that is all."""
    monkeypatch.setattr(connect, "CONNECT_S", 0.3)
    async with scripted_carrier() as carrier:
        assert await detail(f"smpps://me@127.0.0.1:{carrier.port}") == f"no connection to 127.0.0.1:{carrier.port} in 0.3 s"


async def test_what_does_not_match_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    no_certificate = tmp_path / "empty.pem"
    no_certificate.write_text("nothing\n")
    async with running_smsc() as (_, inner):
        async with tls_in_front_of(inner, authority.certificate("IP:127.0.0.1")) as port:
            url = f"smpps://me@127.0.0.1:{port}"
            assert "does not know who signed it; name its authority by ca=" in await detail(url)
            assert f"who signed it is not in {other.file}" in await detail(f"{url}?ca={other.file}")
            assert await detail(f"{url}?ca=/no/such/file.pem") == (
                "the certificates in /no/such/file.pem cannot be read: No such file or directory"
            )
            assert f"the certificates in {no_certificate} cannot be read" in await detail(f"{url}?ca={no_certificate}")
            named = await detail(f"smpps://me@localhost:{port}?ca={authority.file}")
            assert "not accepted: Hostname mismatch, certificate is not valid for 'localhost'" in named
        async with tls_in_front_of(inner, authority.certificate("IP:127.0.0.1", days=-1)) as port:
            assert "certificate has expired" in await detail(f"smpps://me@127.0.0.1:{port}?ca={authority.file}")
        plain = await detail(f"smpps://me@127.0.0.1:{inner}?ca={authority.file}")
        assert plain.startswith(f"no TLS with 127.0.0.1:{inner}: ")
        assert plain.endswith("does it speak plain SMPP (smpp://)?")


async def test_a_bind_says_why_it_is_not_there(tmp_path: Path) -> None:
    """The state with its reason is what `carriers list` shows."""
    authority, recorder = Authority(tmp_path), Recorder()
    async with (
        running_smsc() as (_, inner),
        tls_in_front_of(inner, authority.certificate("IP:127.0.0.1")) as port,
        running_bind(port, recorder, f"ca={authority.file}", wait=False, scheme="smpps", host="localhost"),
    ):
        await until(lambda: recorder.states[1:], "a reason")
    state, reason = recorder.states[1]
    assert state == "connecting"
    assert reason.startswith(f"the certificate of localhost:{port} is not accepted: Hostname mismatch")

"""Keys and orders go to a host that proves its name, or nowhere: no client takes a certificate of nobody."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from arb.accounts.transport import GuardedSession
from connectors.model import RestRequest
from connectors.net.hosts import LOOPBACK
from connectors.net.interfaces import RestAnswer
from connectors.net.rest import HttpRest
from connectors.net.sockets import new_event_loop, transport_of
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.model import Act, Channel, WireRequest
from connectors.parsing.batch import Batch


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's, for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("certificate") / "both.pem"
    path.write_bytes(
        made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@asynccontextmanager
async def served(context: ssl.SSLContext, got: list[bytes]) -> AsyncIterator[int]:
    """A server with this certificate, which keeps what clients say behind the handshake."""

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(1000))
        writer.close()

    server = await asyncio.start_server(receive, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Listener:
    reason: str | None = None
    was_open = False

    def on_open(self) -> None:
        self.was_open = True

    def on_frame(self, frame: bytes, local_ts: int) -> None: ...

    def on_batch(self, batch: Batch) -> None: ...

    def on_close(self, reason: str) -> None:
        self.reason = reason


@pytest.mark.parametrize("library", ["picows", "websockets"])
def test_a_websocket_refuses_it(own_certificate: ssl.SSLContext, library: str) -> None:
    got: list[bytes] = []
    listener = Listener()

    async def scene() -> None:
        async with served(own_certificate, got) as port:
            transport_of(library).connect(f"wss://127.0.0.1:{port}/", listener)
            for _ in range(500):
                if listener.reason is not None:
                    break
                await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(scene())
    assert not listener.was_open
    assert "CERTIFICATE_VERIFY_FAILED" in (listener.reason or "")
    assert b"".join(got) == b""


def test_clients_of_rest_refuse_it(own_certificate: ssl.SSLContext) -> None:
    got: list[bytes] = []
    errors: list[str] = []

    async def scene() -> None:
        async with served(own_certificate, got) as port:
            url = f"https://127.0.0.1:{port}"
            market, orders = HttpRest(url, hosts=LOOPBACK), HttpTradeRest(url, LOOPBACK)
            errors.append((await market.ask(RestRequest("/x", 1))).error)
            answer: asyncio.Future[RestAnswer] = asyncio.get_running_loop().create_future()
            orders.send(
                WireRequest(Channel.REST, "1", Act.PLACE, 0, 1, method="POST", path="/x"), answer.set_result
            )
            errors.append((await answer).error)
            assert not (await answer).was_sent
            account = GuardedSession([url], LOOPBACK)
            with pytest.raises(OSError) as refused:
                await account.get(f"{url}/x")
            errors.append(str(refused.value))
            for client in (market, orders, account):
                await client.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(scene())
    assert len(errors) == 3
    assert all("CERTIFICATE_VERIFY_FAILED" in error for error in errors)
    assert b"".join(got) == b""

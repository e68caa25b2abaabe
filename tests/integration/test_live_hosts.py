"""No session in a test resolves a venue's name or connects beyond this machine; each environment has its own hosts.

Every way to a name or an address is replaced: those of sockets, of asyncio's loop and of uvloop's, which is in C.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from support.command_line import arb
from support.guard.loopback_only import is_local
from support.keyed_sandbox import KEYS, LIMITS, VENUES, KeyedSandbox
from support.live_sandbox import PATIENT_GUARD, demo_settings

from arb.accounts import ccxt_client
from arb.accounts.clients import account_clients
from arb.accounts.facts import AccountError
from arb.commands import live
from arb.commands.legs import legs_of
from arb.commands.order_setup import order_setup
from arb.config import load, write_templates
from arb.config.account_keys import account_signers, house_of
from arb.config.environment import EnvironmentName, LiveOptions, environment_of
from arb.engine.live import LiveWorld
from arb.errors import InputError
from arb.execution.ids import SessionIds
from arb.runtime import orders_start
from arb.runtime.feed_watch import FeedWatch
from arb.runtime.host import Host
from arb.runtime.live_orders import LiveOrders

pytestmark = pytest.mark.slow


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were to be resolved or connected to; those of other machines have no address."""
    hosts: list[str] = []

    def record(host: Any) -> None:
        name = host.decode() if isinstance(host, bytes) else str(host)
        hosts.append(name)
        if not is_local(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def guarded(owner: Any, name: str, place: int) -> None:
        inner = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            target = arguments[place] if len(arguments) > place else options.get("host")
            if target is not None:
                record(target[0] if isinstance(target, tuple) else target)
            return inner(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    guarded(socket, "getaddrinfo", 0)
    guarded(uvloop.Loop, "getaddrinfo", 1)
    guarded(uvloop.Loop, "create_connection", 2)
    guarded(uvloop.Loop, "sock_connect", 2)
    guarded(asyncio.BaseEventLoop, "create_connection", 2)
    return hosts


@pytest.fixture(autouse=True)
def own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(live, "no_core_files", lambda: None)


@pytest.mark.parametrize("name", ["live", "testnet", "demo"])
def test_every_client_of_a_session_asks_for_its_environment_s_hosts(
    tmp_path: Path, asked: list[str], name: EnvironmentName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_start, "_OPEN_S", 2.0)
    monkeypatch.setattr(ccxt_client, "_PAUSE_S", 0.0)
    write_templates(tmp_path / "config")
    config = load(tmp_path / "config" / "arbitrage.toml", LIMITS, [f"{venue}:BTCUSDT" for venue in VENUES])
    environment = environment_of(name, config.venues)
    houses = account_signers(config.venues)
    signers = {venue: houses[house_of(venue)] for venue in VENUES}
    legs = legs_of(config)
    setup = order_setup(config, legs, signers, SessionIds("ttests", 1, 1), LiveOptions(name))
    (tmp_path / "run").mkdir()
    session: Any = SimpleNamespace(
        write=lambda *_: None, emit=lambda *_: None, fail=lambda *_: None, on_answers=lambda *_: None, offset_ns=0,
        now=1, is_over=False,
    )  # fmt: skip

    async def clients_of_the_account() -> None:
        clients = account_clients(environment.urls, signers, environment.hosts, None)
        for client in clients.values():
            venue = next(one for one in VENUES if house_of(one) == client.house)
            calls: tuple[Callable[[], Any], ...] = (
                client.account_id,
                client.rights,
                client.positions,
                partial(client.modes, ["BTCUSDT"]),
                partial(client.balances, venue),
                partial(client.fees, venue, ["BTCUSDT"]),
            )
            for call in calls:
                try:
                    await call()
                except (AccountError, InputError):
                    continue
            await client.close()

    async def work() -> None:
        await host.compare_grids({venue: ["BTCUSDT"] for venue in VENUES})
        await clients_of_the_account()
        for venue in VENUES:
            watch = FeedWatch()
            watch.feed = host.open_feed(venue, ["BTCUSDT"], watch, tap=watch).feed
        host.start_feeds()
        orders = LiveOrders(LiveWorld(legs, is_live=True), setup, tmp_path / "run")
        with pytest.raises(InputError, match="no order connection within 2 s"):
            await orders.open(host, session)
        await orders.close()

    with Host(dict(config.venues), environment) as host:
        host.run(work)
    needed = {one.partition("//")[2].partition("/")[0].partition(":")[0]
              for urls in environment.urls.values() for one in (urls.websocket, urls.rest, urls.user)}  # fmt: skip
    assert needed <= set(asked) <= environment.hosts.names
    if name != "live":
        others = environment_of("live", config.venues).hosts.names
        # Bybit's demo has the live market data, and nothing else of them: see test_environment.py.
        assert set(asked) & others == ({"stream.bybit.com"} if name == "demo" else set())


@pytest.mark.parametrize("place", ["testnet", "demo", "sandbox"])
def test_a_rehearsal_connects_to_this_machine_alone(tmp_path: Path, asked: list[str], place: str) -> None:
    venues = ("binance_spot", "bybit_spot")
    own = demo_settings(
        tmp_path, "busy", PATIENT_GUARD, *LIMITS,
        *(f"capital.{venue}={{base=1.0, quote=100000.0}}" for venue in venues),
        *(f"{venue}.fees.asset='received'" for venue in venues),
    )  # fmt: skip
    with KeyedSandbox(tmp_path) as sandbox:
        main = sandbox.write_config(tmp_path / "config", "demo" if place == "demo" else "testnet")
        arb("live", f"--{place}", "--config", main, "--duration", "2s", "--no-report", "--out", tmp_path / "run",
            *(word for one in own for word in ("--set", one)))  # fmt: skip
    assert asked
    assert all(map(is_local, asked)), {host for host in asked if not is_local(host)}

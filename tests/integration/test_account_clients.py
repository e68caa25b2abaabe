"""Clients of accounts on a sandbox, over sockets: what they ask and change, and that keys stay with them."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from support.account_sandbox import (
    KEYS,
    PERPETUAL,
    SPOT,
    AccountSandbox,
    clients_at,
    config_of,
    signers,
    start_at,
    when_priced,
)

from arb.accounts.facts import CheckedOrder, ModeChange, Modes, Payment, SymbolModes
from arb.accounts.transport import GuardedSession
from arb.sandbox.funding import Funding

pytestmark = pytest.mark.slow

ALL = (*SPOT, *PERPETUAL)
HELD = [{"symbol": "BTCUSDT", "quantity": "0.05", "entry": "42000"}]


def test_raw_answers_are_kept_without_keys(tmp_path: Path) -> None:
    with AccountSandbox(tmp_path) as sandbox:
        asyncio.run(start_at(sandbox.urls, config_of(tmp_path, ALL), tmp_path))
    for house, key in KEYS.items():
        text = (tmp_path / "accounts" / f"{house}.jsonl").read_text()
        assert key["id"] not in text
        assert key["secret"] not in text
        assert not re.search(r"signature=[^*]", text)
        lines = [json.loads(line) for line in text.splitlines()]
        assert all(line["status"] == 200 for line in lines)
        assert len(lines) >= 5
    paths = [line["request"].partition("?")[0] for line in lines]
    assert "GET /v5/user/query-api" in paths
    assert lines[0]["info"]["retCode"] == 0


def test_ccxt_logs_no_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with AccountSandbox(tmp_path) as sandbox:
        asyncio.run(start_at(sandbox.urls, config_of(tmp_path, SPOT)))
    assert not any(key["id"] in caplog.text or key["secret"] in caplog.text for key in KEYS.values())
    assert "asyncio" in {record.name for record in caplog.records}, "others do log"


@pytest.mark.parametrize("venue", PERPETUAL)
def test_a_setting_that_is_made_already_is_no_error(tmp_path: Path, venue: str) -> None:
    async def change(urls: Any) -> None:
        (client,) = clients_at(urls, [venue], signers()).values()
        mode = "isolated" if venue == "binance_usdm" else "cross"
        try:
            for _ in range(2):
                await client.change(ModeChange("one_way"))
                await client.change(ModeChange("margin_mode", "BTCUSDT", mode))
                await client.change(ModeChange("leverage", "BTCUSDT", "7"))
            if venue == "binance_usdm":
                await client.change(ModeChange("single_asset"))
            modes = await client.modes(["BTCUSDT"])
        finally:
            await client.close()
        own = {"BTCUSDT": SymbolModes(mode, Decimal(7))}  # type: ignore[arg-type]
        assert modes == Modes(False, False, own, has_one_margin=venue == "bybit_linear")

    with AccountSandbox(tmp_path) as sandbox:
        asyncio.run(change(sandbox.urls))


def test_questions_that_come_too_soon_are_asked_again(tmp_path: Path) -> None:
    async def ask(urls: Any) -> list[Any]:
        clients = clients_at(urls, ["bybit_linear"], signers())
        try:
            return await asyncio.gather(
                *(clients["bybit"].fees("bybit_linear", ["BTCUSDT"]) for _ in range(8))
            )
        finally:
            await clients["bybit"].close()

    with AccountSandbox(tmp_path) as sandbox:
        found = asyncio.run(ask(sandbox.urls))
    assert len(found) == 8, "of which the venue answers five a second"
    assert all(one == found[0] for one in found)


def test_open_orders_positions_and_test_orders(tmp_path: Path) -> None:
    async def asked(urls: Any) -> list[Any]:
        clients = clients_at(urls, ALL, signers())
        try:
            binance, bybit = clients["binance"], clients["bybit"]
            order = CheckedOrder("BTCUSDT", "40000.00", "0.003")
            return [
                [await client.positions() for client in (binance, bybit)],
                [await clients[venue.partition("_")[0]].open_orders(venue) for venue in ALL],
                [
                    await when_priced(partial(clients[venue.partition("_")[0]].test, venue, order))
                    for venue in ALL
                ],
            ]
        finally:
            for client in clients.values():
                await client.close()

    with AccountSandbox(tmp_path, bybit={"positions": HELD}) as sandbox:
        positions, orders, tested = asyncio.run(asked(sandbox.urls))
    assert positions == [[], [("BTCUSDT", Decimal("0.05"), 42000)]]
    assert orders == [[], [], [], []]
    assert tested == [True, False, True, True]
    assert sandbox.orders == []


@pytest.mark.parametrize("venue", PERPETUAL)
def test_funding_and_transfers(tmp_path: Path, venue: str) -> None:
    house = venue.partition("_")[0]

    async def paid(urls: Any) -> list[Payment]:
        """The account's payments, once funding was paid."""
        (client,) = clients_at(urls, [venue], signers()).values()
        try:
            for _ in range(400):
                found = await client.payments(time.time_ns() // 1_000_000 - 60_000)
                if {one.kind for one in found} == {"funding", "transfer"}:
                    return found
                await asyncio.sleep(0.05)
            raise AssertionError(f"no funding: {found}")
        finally:
            await client.close()

    held = {"bybit": {"positions": HELD}} if house == "bybit" else {"binance_usdm": {"positions": HELD}}
    with AccountSandbox(tmp_path, funding=Funding(1000, ("0.001",)), **held) as sandbox:
        sandbox.begin(kind="transfer", venue=venue, account="main", asset="USDT", quantity="-12.5")
        found = asyncio.run(paid(sandbox.urls))
    assert [(one.asset, one.amount) for one in found if one.kind == "transfer"] == [
        ("USDT", Decimal("-12.5"))
    ]
    paid_long = [one.amount for one in found if one.kind == "funding"]
    assert all(-3 < amount < -1 for amount in paid_long), "a thousandth of 0.05 BTC"


def test_names_of_the_environment_are_resolved_and_redirects_are_not_followed(tmp_path: Path) -> None:
    class AnyHost:
        def allows(self, url: str) -> bool:
            return True

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://localhost:1/elsewhere")

    async def ask() -> tuple[int, str]:
        application = web.Application()
        application.router.add_get("/here", moved)
        async with TestServer(application) as server:
            base = f"http://localhost:{server.port}"
            session = GuardedSession([base], AnyHost())
            try:
                async with session.get(f"{base}/here") as response:
                    return response.status, response.headers["Location"]
            finally:
                await session.close()

    assert asyncio.run(ask()) == (302, "http://localhost:1/elsewhere")

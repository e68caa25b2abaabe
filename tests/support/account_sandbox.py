"""A sandbox with one account that a test describes, and the start of a session on it, over sockets."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from arb.accounts.checks import StartCheck, Step
from arb.accounts.clients import account_clients
from arb.accounts.facts import AccountClient, AccountError
from arb.accounts.start import AccountFacts, StartSetup, check_accounts
from arb.commands.legs import known_venues
from arb.commands.serve import sandbox_of
from arb.config import Config, load, write_templates
from arb.config.environment import EnvironmentName
from arb.config.live_keys import Account
from arb.runtime.listings import listed
from arb.runtime.sandbox_venues import at_sandbox
from arb.sandbox.funding import Funding
from arb.sandbox.serve.urls import VENUES, VenueUrls
from connectors.net.hosts import LOOPBACK
from connectors.orders.signing import HmacSigner, Signer
from support.guard.markers import marked
from support.live_sandbox import LiveSandbox, free_ports

SPOT = ("binance_spot", "bybit_spot")
PERPETUAL = ("binance_usdm", "bybit_linear")
KEYS = {
    house: {
        "venue": house,
        "id": marked(f"{house}00key"),
        "secret": marked(f"{house}Secret"),
        "ips": ["127.0.0.1"],
    }
    for house in ("binance", "bybit")
}
BALANCES = {"USDT": "20000", "BTC": "5", "ETH": "20"}
#: An account that the configuration of `config_of` accepts.
ACCOUNT: dict[str, Any] = {
    "binance_spot": {"balances": BALANCES},
    "binance_usdm": {"balances": BALANCES, "leverage": 1},
    "bybit": {"balances": BALANCES, "leverage": 1},
}


class AccountSandbox(LiveSandbox):
    """A running `arb sandbox serve --accounts`; its ledger has every order that it received."""

    def __init__(
        self,
        folder: Path,
        *,
        keys: Mapping[str, Any] = {},
        funding: Funding | None = None,
        symbols: Sequence[str] = ("BTCUSDT",),
        **account: Any,
    ) -> None:
        """account: tables that replace, key by key, those of ACCOUNT; keys: the same of KEYS, by house."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port_base = free_ports()
        self.ledger = folder / "ledger.jsonl"
        tables = {name: {**ACCOUNT.get(name, {}), **account.get(name, {})} for name in ACCOUNT}
        tables["keys"] = {house: {**key, **keys.get(house, {})} for house, key in KEYS.items()}
        path = folder / "accounts.toml"
        path.write_text(f"[accounts]\nmain = {_inline(tables)}\n")
        super().__init__(
            sandbox_of(
                known_venues(folder / "none.toml"), recording=None, seed=7, speed=1.0, venues=VENUES,
                symbols=symbols, keeps_times=False, faults=None, fault_log=None, port_base=self.port_base,
                accounts=path, ledger=self.ledger, funding=funding,
            )
        )  # fmt: skip

    def begin(self, **fault: Any) -> None:
        """Begins a fault."""
        post = urllib.request.Request(
            f"{self.urls['binance_spot'].rest}/sandbox/faults", json.dumps(fault).encode(), method="POST"
        )
        urllib.request.urlopen(post).close()

    @property
    def orders(self) -> list[dict[str, Any]]:
        """The lines of the ledger that are about orders."""
        lines = map(json.loads, self.ledger.read_text().splitlines()) if self.ledger.exists() else ()
        return [line for line in lines if "order" in line]


def config_of(folder: Path, venues: Sequence[str] = (*SPOT, *PERPETUAL), *settings: str) -> Config:
    """BTCUSDT at these venues, with the fees of a sandbox."""
    legs = json.dumps([f"{venue}:SYMBOL" for venue in venues])
    capital = [f"capital.{one}={{{'base=1.0, ' if one in SPOT else ''}quote=5000.0}}" for one in venues]
    if not (folder / "arbitrage.toml").exists():
        write_templates(folder)
    own = [*capital, f"strategy.legs={legs}", *settings]
    return load(folder / "arbitrage.toml", own)


def signers(**keys: tuple[str, str]) -> dict[str, Signer]:
    """By house; keys: id and secret in place of those of KEYS."""
    own = {house: (key["id"], key["secret"]) for house, key in KEYS.items()} | keys
    return {house: HmacSigner(*key) for house, key in own.items()}


def clients_at(
    urls: Mapping[str, VenueUrls],
    venues: Sequence[str],
    own: Mapping[str, Signer],
    folder: Path | None = None,
) -> dict[str, AccountClient]:
    by_venue = {venue: own[venue.partition("_")[0]] for venue in venues}
    return account_clients(urls, by_venue, LOOPBACK, folder)


async def when_priced(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer to a question that needs prices, which the market has a moment after its start."""
    for _ in range(400):
        try:
            return await ask()
        except AccountError as error:
            if error.code != "-1008":
                raise
        await asyncio.sleep(0.05)
    raise AssertionError("the market has no prices")


async def _unserved(code: str, *_: object) -> None:
    raise AccountError("house", "the question", code, "Not Found")


class Started:
    """What a start reported."""

    def __init__(self) -> None:
        self.checks: dict[Step, Sequence[StartCheck]] = {}
        self.facts: AccountFacts | None = None

    def text(self, step: Step) -> str:
        return "; ".join(check.text for check in self.checks[step])


async def start_at(
    urls: Mapping[str, VenueUrls],
    config: Config,
    folder: Path | None = None,
    *,
    own: Mapping[str, Signer] | None = None,
    wishes: Mapping[str, Account] = {},
    environment: EnvironmentName = "sandbox",
    unserved: Collection[str] = (),
    code: str = "404",
) -> Started:
    """The start's checks at these addresses. unserved: questions that are not, with this code.

    Raises what they raise.
    """
    venues = at_sandbox(config.venues, urls)
    setup = StartSetup(venues, config.legs, wishes, environment, LOOPBACK)
    listings = {
        name: await listed(venue, setup.symbols(name), 10.0, LOOPBACK) for name, venue in venues.items()
    }
    started = Started()
    clients = clients_at(urls, list(venues), signers() if own is None else own, folder)
    for client in clients.values():
        for name in unserved:
            setattr(client, name, partial(_unserved, code))
    try:
        started.facts = await check_accounts(setup, clients, listings, started.checks.__setitem__)
    finally:
        for client in clients.values():
            await client.close()
    return started


def _inline(value: Any) -> str:
    """A value as TOML, tables on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_inline(one)}" for name, one in value.items()) + "}"
    return json.dumps(value) if not isinstance(value, list) else "[" + ", ".join(map(_inline, value)) + "]"

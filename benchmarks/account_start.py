"""What the checks of accounts add to a start: `python benchmarks/account_start.py [--runs 10]`.

A sandbox in a process of its own serves four markets of two houses. Each run makes the clients and checks the accounts,
with new connections; the first one also sets the leverage, and is not counted. The import of ccxt's modules for the two
houses is measured in fresh processes, beside that of the whole of ccxt.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path

from alternate import show_machine

from arb.accounts.clients import account_clients
from arb.accounts.start import StartSetup, check_accounts
from arb.commands.legs import known_venues
from arb.commands.sandbox_account import running_keys
from arb.config import load
from arb.runtime.listings import listed
from arb.runtime.sandbox_venues import at_sandbox, sandbox_urls
from arb.runtime.trade_protocols import signer_of
from connectors.net.hosts import LOOPBACK

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
PORT = 18_900
#: Fee rates are limited to five questions a second.
_PAUSE_S = 1.2
_IMPORT = """
import asyncio, aiohttp, time
import arb.accounts.clients
from arb.accounts.ccxt_client import load_ccxt
start = time.perf_counter()
{work}
print(time.perf_counter() - start)
"""


def imported_s(work: str) -> float:
    """Seconds that a fresh process needs for an import, without that of libraries that arb has anyway."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT.format(work=work)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


async def check_once() -> float:
    """Seconds for the clients and all checks."""
    files = known_venues(Path("none.toml"))
    config = load(
        Path("config/arbitrage.toml"),
        [f"capital.{venue}={{quote=1000.0}}" for venue in VENUES],
        legs=[f"{venue}:BTCUSDT" for venue in VENUES],
    )
    urls = sandbox_urls(PORT)
    signers = {key.house: signer_of(key) for key in running_keys(urls, config.legs)}
    venues = at_sandbox({name: files[name] for name in VENUES}, urls)
    setup = StartSetup(venues, config.legs, {}, "sandbox", LOOPBACK)
    listings = {
        name: await listed(venue, setup.symbols(name), 10.0, LOOPBACK) for name, venue in venues.items()
    }
    started = time.perf_counter()
    by_venue = {venue: signers[venue.partition("_")[0]] for venue in VENUES}
    clients = account_clients(urls, by_venue, LOOPBACK, None)
    await check_accounts(setup, clients, listings, lambda step, checks: None)
    for client in clients.values():
        await client.close()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    show_machine()
    ours, whole = [], []
    for _ in range(runs):
        ours.append(imported_s("load_ccxt('binance'); load_ccxt('bybit')"))
        whole.append(imported_s("import ccxt.async_support"))
    print(
        f"import for two houses {statistics.median(ours) * 1e3:.0f} ms, the whole of ccxt "
        f"{statistics.median(whole) * 1e3:.0f} ms"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "arb", "sandbox", "serve", "--port-base", str(PORT)], stdout=subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        found = []
        for _ in range(runs + 1):
            found.append(asyncio.run(check_once()))
            time.sleep(_PAUSE_S)
        found = sorted(found[1:])
        print(
            f"checks of four markets {statistics.median(found) * 1e3:.0f} ms [{found[0] * 1e3:.0f} to "
            f"{found[-1] * 1e3:.0f}]"
        )
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()

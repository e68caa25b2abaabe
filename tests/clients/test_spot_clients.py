"""ccxt, ccxt.pro and Binance's own client at Binance spot: what they report equals the ledger, cell by cell."""

from __future__ import annotations

import pytest
from clients.harness import RunningSandbox, ahead, run_program
from clients.rehearsal import LISTS, ORDERS, Rehearsal, equal

from arb.sandbox.accounts.keys import TestKey, test_keys
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND as MS

pytestmark = pytest.mark.slow

VENUE = "binance_spot"
HMAC, ED25519, _ = test_keys(7)
CELLS = ("load_markets", *ORDERS, *LISTS, "fills", "balance", "fees", "stream")
#: Program and key of each client.
CLIENTS: dict[str, tuple[str, TestKey]] = {
    "ccxt-hmac": ("spot_ccxt", HMAC),
    "ccxt-ed25519": ("spot_ccxt", ED25519),
    "ccxt.pro-hmac": ("spot_ccxt_pro", HMAC),
    "ccxt.pro-ed25519": ("spot_ccxt_pro", ED25519),
    "sdk-rest-hmac": ("spot_sdk_rest", HMAC),
    "sdk-rest-ed25519": ("spot_sdk_rest", ED25519),
    "sdk-ws-hmac": ("spot_sdk_ws", HMAC),
    "sdk-ws-ed25519": ("spot_sdk_ws", ED25519),
    # With delays by which most events arrive before the answers of their requests.
    "ccxt.pro-late-answers": ("spot_ccxt_pro", HMAC),
    "sdk-ws-late-answers": ("spot_sdk_ws", HMAC),
}
LATE_ANSWERS = Delays(arrival_ns=(MS, 5 * MS), answer_ns=(10 * MS, 40 * MS), event_ns=(0, 15 * MS))
#: What a client does not have; its program reports that.
MISSING = {("spot_ccxt", "stream"), ("spot_ccxt_pro", "fees"), ("spot_sdk_rest", "stream")}


class SpotRehearsal(Rehearsal):
    def check_load_markets(self, value: list[str]) -> None:
        assert {"BTC/USDT", "BTCUSDT"} & set(value)

    def check_balance(self, value: dict[str, list[object]]) -> None:
        for asset, (total, locked) in self.balances.items():
            assert equal(value[asset][0], total - locked)
            assert equal(value[asset][1], locked)
        assert self.balances["USDT"][1] > 0

    def check_fees(self, value: list[object]) -> None:
        assert equal(value[0], self.fee_rule.maker)
        assert equal(value[1], self.fee_rule.taker)


@ahead([(client,) for client in CLIENTS])
def rehearsal(client: str) -> SpotRehearsal:
    """Runs a client once, in a sandbox of its own."""
    program, key = CLIENTS[client]
    delays = {VENUE: LATE_ANSWERS} if "late" in client else {}
    setup = TradingSetup((usual_account(),), (HMAC.key, ED25519.key), delays=delays)
    with RunningSandbox(setup, VENUE) as sandbox:
        reported = run_program(
            sandbox,
            program,
            spot=sandbox.addresses[VENUE],
            key=key.key.id,
            secret=key.private,
            is_ed25519=key is ED25519,
        )
        return SpotRehearsal(reported, sandbox, VENUE)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_reports_is_in_the_ledger(client: str, cell: str) -> None:
    if (CLIENTS[client][0], cell) in MISSING:
        rehearsal(client).check_absent(cell)
    else:
        rehearsal(client).check(cell)

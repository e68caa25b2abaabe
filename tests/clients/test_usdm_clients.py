"""ccxt, ccxt.pro and Binance's own connector at USD-M: what they report equals the ledger, cell by cell."""

from __future__ import annotations

import pytest
from clients.harness import RunningSandbox, ahead, run_program
from clients.rehearsal import LISTS, ORDERS, Rehearsal, equal

from arb.sandbox.accounts.keys import TestKey, test_keys
from arb.sandbox.trading.setup import TradingSetup, usual_account

pytestmark = pytest.mark.slow

VENUE = "binance_usdm"
HMAC, ED25519, _ = test_keys(7)
OF_REST = ("load_markets", *LISTS, "fills", "leverage", "modes", "stream")
CELLS = (
    "load_markets", *ORDERS, "reduce_only", *LISTS, "fills", "balance", "position", "leverage", "modes", "stream",
)  # fmt: skip
#: Program and key of each client.
CLIENTS: dict[str, tuple[str, TestKey]] = {
    "ccxt-hmac": ("usdm_ccxt", HMAC),
    "ccxt-ed25519": ("usdm_ccxt", ED25519),
    "ccxt.pro-hmac": ("usdm_ccxt_pro", HMAC),
    "ccxt.pro-ed25519": ("usdm_ccxt_pro", ED25519),
    "connector-hmac": ("usdm_connector", HMAC),
    "connector-ed25519": ("usdm_connector", ED25519),
    "connector-ws-hmac": ("usdm_connector_ws", HMAC),
    "connector-ws-ed25519": ("usdm_connector_ws", ED25519),
}
#: What a client does not have; its program reports that.
MISSING = {("usdm_ccxt", "stream"), *(("usdm_connector_ws", cell) for cell in OF_REST)}


class UsdmRehearsal(Rehearsal):
    def check_load_markets(self, value: list[str]) -> None:
        assert {"BTC/USDT:USDT", "BTCUSDT"} & set(value)

    def check_balance(self, value: dict[str, object]) -> None:
        assert equal(value["USDT"], self.balances["USDT"][0])

    def check_modes(self, value: list[object]) -> None:
        """While they were changed, and at the end."""
        assert value == [True, "isolated", "cross"]
        assert (self.modes.is_hedge, self.modes.margin_of("BTCUSDT")) == (False, "cross")


@ahead([(client,) for client in CLIENTS])
def rehearsal(client: str) -> UsdmRehearsal:
    """Runs a client once, in a sandbox of its own."""
    program, key = CLIENTS[client]
    setup = TradingSetup((usual_account(),), (HMAC.key, ED25519.key))
    with RunningSandbox(setup, "binance_spot", VENUE) as sandbox:
        bid, ask = sandbox.ask(lambda trading: trading.desks[VENUE].instruments["BTCUSDT"].touch())
        reported = run_program(
            sandbox,
            program,
            spot=sandbox.addresses["binance_spot"],
            usdm=sandbox.addresses[VENUE],
            key=key.key.id,
            secret=key.private,
            is_ed25519=key is ED25519,
            bid=float(bid),
            ask=float(ask),
        )
        return UsdmRehearsal(reported, sandbox, VENUE)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_reports_is_in_the_ledger(client: str, cell: str) -> None:
    if (CLIENTS[client][0], cell) in MISSING:
        rehearsal(client).check_absent(cell)
    else:
        rehearsal(client).check(cell)

"""ccxt, ccxt.pro and pybit at Bybit spot and linear: what they report equals the sandbox's own ledger, cell by cell."""

from __future__ import annotations

from typing import Any

import pytest
from clients.harness import RunningSandbox, ahead, run_program
from clients.rehearsal import LISTS, ORDERS, STATES, Rehearsal, equal

from arb.sandbox.accounts.keys import ApiKey, KeyKind
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

PERMISSIONS = frozenset({"Order", "Position", "SpotTrade", "AccountTransfer"})
KEY = ApiKey("test-key", "bybit", KeyKind.HMAC, "main", secret=b"test-secret", permissions=PERMISSIONS)
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT"}
CELLS = (
    "load_markets", *ORDERS, "reduce_only", *LISTS, "fills", "balance", "position", "leverage", "modes", "stream",
)  # fmt: skip
#: Cells that are of perpetuals only.
OF_LINEAR = ("reduce_only", "position", "leverage", "modes")
#: What a client does not have; its program reports that.
OF_REST = (
    "load_markets",
    "query",
    "open_orders",
    "history",
    "fills",
    "balance",
    "position",
    "leverage",
    "modes",
)
MISSING = {
    ("bybit_ccxt", "stream"),
    ("bybit_ccxt_pro", "cancel_all"),
    ("bybit_pybit_http", "stream"),
    *(("bybit_pybit_sockets", cell) for cell in OF_REST),
}
CLIENTS = ("bybit_ccxt", "bybit_ccxt_pro", "bybit_pybit_http", "bybit_pybit_sockets")


class BybitRehearsal(Rehearsal):
    past_has_open = False
    has_fees = True
    #: Post-only orders are placed through the touch.
    states = STATES | {"post_only": OrderStatus.EXPIRED}

    def status_of(self, order: VenueOrder) -> str:
        """Whatever ended an order without all of its fills, Bybit cancels it."""
        return super().status_of(order).replace("expired", "canceled")

    def check_load_markets(self, value: list[str]) -> None:
        assert SYMBOLS[self.venue.removeprefix("bybit_")] in value

    def check_balance(self, value: dict[str, object]) -> None:
        assert value.keys() == self.balances.keys()
        self.check_stream_balance(value)

    def check_stream_balance(self, value: dict[str, object]) -> None:
        """A message has the coins that changed."""
        assert "USDT" in value
        assert all(equal(total, self.balances[asset][0]) for asset, total in value.items())

    def check_modes(self, value: dict[str, Any]) -> None:
        assert value == {"is_hedge": self.modes.is_hedge, "margin": self.modes.margin}

    def check_stream(self, value: dict[str, Any]) -> None:
        super().check_stream(value)
        assert ("position" in value) == (not self.is_spot)
        assert self.is_spot or equal(value["position"], self.position.quantity)


@ahead([(client, category) for client in CLIENTS for category in SYMBOLS])
def rehearsal(client: str, category: str) -> BybitRehearsal:
    """Runs a client once, in a sandbox of its own."""
    # pybit's WebSocketTrading registers the callback of a request after it was sent: an answer must not be sooner.
    late = Delays(answer_ns=(400 * MILLISECOND,) * 2) if client == "bybit_pybit_sockets" else Delays()
    setup = TradingSetup(
        (usual_account(),), (KEY,), delays=dict.fromkeys(("bybit_spot", "bybit_linear"), late)
    )
    with RunningSandbox(setup, "bybit_spot", "bybit_linear") as sandbox:
        # Each client uses the address of the other category: both are doors to one account.
        door = {"spot": "bybit_linear", "linear": "bybit_spot"}[category]
        reported = run_program(
            sandbox,
            client,
            bybit=sandbox.addresses[door],
            symbol=SYMBOLS[category],
            category=category,
            key=KEY.id,
            secret=KEY.secret.decode(),
        )
        return BybitRehearsal(reported, sandbox, f"bybit_{category}")


@pytest.mark.parametrize(
    ("category", "cell"),
    [(one, cell) for one in SYMBOLS for cell in CELLS if one == "linear" or cell not in OF_LINEAR],
)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_reports_is_in_the_ledger(client: str, category: str, cell: str) -> None:
    if (client, cell) in MISSING:
        rehearsal(client, category).check_absent(cell)
    else:
        rehearsal(client, category).check(cell)

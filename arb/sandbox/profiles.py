"""Parameters of the four simulated markets, close to recorded ones: activity, depth, basis, lead."""

from __future__ import annotations

from typing import NamedTuple


class Profile(NamedTuple):
    """One venue's market. Sizes in quote units, rates at activity 1."""

    #: Actions in the book per second.
    actions_per_s: float
    #: Share of these that are taking orders.
    trade_share: float
    #: Median size of the touch, of a level behind it, and of a taking order.
    touch_quote: float
    level_quote: float
    trade_quote: float
    #: Mean number of levels per side.
    levels: int
    #: Mean premium over the shared price, in bps.
    basis_bps: float
    #: Relative probability that this venue leads; its lag when another one leads.
    lead_weight: float
    lag_ms: float
    #: Median latency from the venue to a recorder.
    latency_ms: float


PROFILES = {
    "binance_spot": Profile(70.0, 0.13, 60_000.0, 2_500.0, 250.0, 800, 0.0, 3.0, 25.0, 9.0),
    "binance_usdm": Profile(110.0, 0.13, 120_000.0, 4_000.0, 600.0, 800, -4.0, 5.0, 20.0, 8.0),
    "bybit_spot": Profile(60.0, 0.10, 40_000.0, 1_800.0, 250.0, 300, 0.0, 0.5, 45.0, 12.0),
    "bybit_linear": Profile(80.0, 0.11, 80_000.0, 3_000.0, 500.0, 300, -3.6, 1.5, 35.0, 12.0),
}

#: Standard deviation of the basis around its mean, and time constant of its reversion.
BASIS_SD_BPS = 0.5
BASIS_REVERSION_S = 40.0


class Dislocations(NamedTuple):
    """How often one venue's price leaves the others', and how far: means. The least size is half of the mean."""

    interval_s: float
    size_bps: float


#: Of recorded simulations, close to real markets: below the fees of a small account.
MODEST = Dislocations(20.0, 4.0)
#: Of markets that are served: each exceeds the taker fees of two spot venues and the default threshold, together 30
#: bps, so that a first session has fills.
WIDE = Dislocations(10.0, 70.0)
#: Mean time for which one venue leads, and the leader's own lag.
LEAD_S = 30.0
LEADER_LAG_MS = 2.0

#: Starting prices of assets in USD: roughly those of early 2024.
STARTING_USD = {
    "USDT": 1.0, "USDC": 1.0, "USD": 1.0, "FDUSD": 1.0, "TUSD": 1.0, "BUSD": 1.0, "DAI": 1.0, "EUR": 1.1,
    "BTC": 42_280.0, "ETH": 2_282.0, "BNB": 312.0, "SOL": 101.5, "XRP": 0.615, "ADA": 0.594, "AVAX": 38.6,
    "DOGE": 0.0896, "TRX": 0.1078, "LINK": 14.9, "DOT": 8.19, "MATIC": 0.97, "LTC": 72.8, "BCH": 260.0,
    "ATOM": 10.6, "UNI": 7.3, "ETC": 22.1, "XLM": 0.129, "FIL": 6.9, "NEAR": 3.65, "APT": 9.4, "ARB": 1.6,
    "OP": 3.71, "INJ": 36.5, "SUI": 0.78, "SEI": 0.59, "TIA": 12.1, "AAVE": 109.0, "TON": 2.3, "HBAR": 0.087,
    "SHIB": 0.0000103, "1000SHIB": 0.0103, "PEPE": 0.0000013, "1000PEPE": 0.0013, "WIF": 0.2,
}  # fmt: skip
#: The starting price of any other asset in ticks, and the fewest ticks of a price in the list: with coarser ticks the
#: books of two venues never differ by less than a spread.
STARTING_TICKS = 10_000.0
TICKS_MIN = 1_000.0

"""Settings of an account that its owner changes: position mode, margin mode, leverage, and how fees are paid."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Names of the margin modes with a margin of its own for each position, at Binance and at Bybit.
ISOLATED = ("isolated", "ISOLATED_MARGIN")


@dataclass
class Modes:
    """Settings of one account; the desk changes them."""

    #: Long and short positions of one symbol at the same time.
    is_hedge: bool = False
    #: "cross" or "isolated" at Binance, "REGULAR_MARGIN" or "ISOLATED_MARGIN" at Bybit.
    margin: str = "cross"
    #: Of symbols with a mode of their own (Binance).
    margins: dict[str, str] = field(default_factory=dict)
    is_multi_assets: bool = False
    #: Fees of spot trades are paid in BNB, at a discount; and those of USD-M.
    is_bnb_discount: bool = False
    fee_burn: bool = False
    leverage_default: int = 20
    leverages: dict[str, int] = field(default_factory=dict)

    def leverage(self, symbol: str) -> int:
        return self.leverages.get(symbol, self.leverage_default)

    def margin_of(self, symbol: str) -> str:
        """The margin mode of a symbol."""
        return self.margins.get(symbol, self.margin)

    def is_isolated(self, symbol: str) -> bool:
        return self.margin_of(symbol) in ISOLATED

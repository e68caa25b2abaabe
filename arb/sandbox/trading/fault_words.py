"""Names of what faults change, for the faults file. Without imports: the file is also read where nothing trades."""

#: Fields of `accounts.rules.InstrumentRules` that `filter_changed` changes.
FILTERS = (
    "min_price", "max_price", "min_qty", "max_qty", "max_market_qty", "min_notional", "max_notional", "max_orders",
)  # fmt: skip
#: Fields of `mode_switched`.
MODES = ("leverage", "position_mode", "margin_mode", "multi_assets")

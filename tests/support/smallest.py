"""The smallest configuration: the keys that a user of the shortest form writes, and nothing else."""

from __future__ import annotations

from pathlib import Path

MAIN = """\
[strategy]
symbol = "BTCUSDT"
min_spread_bps = 5.0
max_position_size = 0.1
rebalance_threshold = 0.2

[risk]
max_drawdown = 0.04
stop_loss_bps = 40.0
position_limit = 2.0

[execution]
order_timeout_ms = 4000
slippage_tolerance = 0.002
"""
BINANCE = """\
[connection]
websocket_url = "wss://stream.binance.com:9443/ws"
rest_api_url = "https://api.binance.com"

[auth]
api_key = "${BINANCE_API_KEY}"
secret_key = "${BINANCE_SECRET_KEY}"
"""
BYBIT = """\
[connection]
websocket_url = "wss://stream.bybit.com/v5/public/spot"
rest_api_url = "https://api.bybit.com"

[auth]
api_key = "${BYBIT_API_KEY}"
secret_key = "${BYBIT_SECRET_KEY}"
"""


def write_smallest(folder: Path) -> Path:
    """Writes the three files into `folder`, which is created; returns the main file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("arbitrage.toml", MAIN), ("binance.toml", BINANCE), ("bybit.toml", BYBIT)):
        (folder / name).write_text(text)
    return folder / "arbitrage.toml"

"""A sandbox with an accounts file and keys of its own, in place of the venues' testnets."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from arb.commands.legs import known_venues
from arb.commands.serve import sandbox_of
from arb.config import write_templates
from support.guard.markers import MARK, marked
from support.live_sandbox import LiveSandbox, free_ports

VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
#: File of each venue.
FILES = {
    "binance_spot": "binance.toml",
    "binance_usdm": "binance_usdm.toml",
    "bybit_spot": "bybit.toml",
    "bybit_linear": "bybit_linear.toml",
}
_PRIVATE = Ed25519PrivateKey.from_private_bytes(2 * MARK.encode())
PEM = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
_PUBLIC = _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
#: The variables of its keys: Ed25519 at Binance, HMAC at Bybit.
KEYS = {
    "BINANCE_API_KEY": marked("0BinanceKey7Qv2xR"),
    "BINANCE_SECRET_KEY": PEM,
    "BYBIT_API_KEY": marked("1BybitKey9Lm4"),
    "BYBIT_SECRET_KEY": marked("2BybitSecret5Tz8Wp3"),
}
#: Further keys of Bybit: of the same account, and of another one.
GUARD_KEYS = {
    "SECOND_API_KEY": marked("3BybitKey2Wd8"),
    "SECOND_SECRET_KEY": marked("4BybitSecret1Hq6Yk9"),
    "OTHER_API_KEY": marked("5BybitKey6Rb3"),
    "OTHER_SECRET_KEY": marked("6BybitSecret7Mj2Vx4"),
}
#: No session at a venue is without.
LIMITS = ("live.max_notional=100000.0", "live.max_daily_notional=10000000.0")

ACCOUNTS = f"""
[accounts.mine.keys.binance]
venue = "binance"
kind = "ed25519"
id = "{KEYS["BINANCE_API_KEY"]}"
public_key = "{"".join(_PUBLIC.splitlines()[1:-1])}"
permissions = ["read", "spot", "futures"]
ips = ["127.0.0.1"]

[accounts.mine.keys.bybit]
venue = "bybit"
id = "{KEYS["BYBIT_API_KEY"]}"
secret = "{KEYS["BYBIT_SECRET_KEY"]}"
ips = ["127.0.0.1"]

[accounts.mine.keys.guard]
venue = "bybit"
id = "{GUARD_KEYS["SECOND_API_KEY"]}"
secret = "{GUARD_KEYS["SECOND_SECRET_KEY"]}"
ips = ["127.0.0.1"]

[accounts.other.keys.bybit]
venue = "bybit"
id = "{GUARD_KEYS["OTHER_API_KEY"]}"
secret = "{GUARD_KEYS["OTHER_SECRET_KEY"]}"
ips = ["127.0.0.1"]

[accounts.other.bybit]
balances = {{ BTC = "10", USDT = "1000000" }}

[accounts.mine.binance_spot]
balances = {{ BTC = "10", USDT = "1000000" }}
fees = {{ maker = "0.001", taker = "0.001" }}

[accounts.mine.binance_usdm]
balances = {{ USDT = "1000000" }}
fees = {{ maker = "0.0002", taker = "0.0005" }}

[accounts.mine.bybit]
balances = {{ BTC = "10", USDT = "1000000" }}
spot_fees = {{ maker = "0.001", taker = "0.001" }}
linear_fees = {{ maker = "0.0002", taker = "0.00055" }}
"""


class KeyedSandbox(LiveSandbox):
    """`arb sandbox serve --accounts FILE --port-base BASE`, on a thread."""

    def __init__(self, folder: Path, accounts: str = ACCOUNTS, venues: Iterable[str] = VENUES) -> None:
        """folder: for the accounts file."""
        path = folder / "accounts.toml"
        path.write_text(accounts)
        self.port_base = free_ports()
        sandbox = sandbox_of(
            known_venues(folder / "none.toml"), recording=None, seed=7, speed=1.0, venues=tuple(venues),
            symbols=("BTCUSDT",), keeps_times=False, faults=None, fault_log=None, port_base=self.port_base,
            accounts=path,
        )  # fmt: skip
        super().__init__(sandbox)

    def order_count(self) -> int:
        """Orders that the sandbox received, by its ledger."""
        with urllib.request.urlopen(f"{next(iter(self.urls.values())).rest}/sandbox/ledger") as answer:
            ledger = json.loads(answer.read())
        accounts = [account for house in ledger.values() for account in house.values()]
        kinds = ("open_orders", "closed_orders")
        return sum(len(orders) for one in accounts for kind in kinds for orders in one[kind].values())

    def write_config(self, folder: Path, table: str = "testnet", *, has_trade: bool = True) -> Path:
        """A configuration whose `[testnet]`, or another table, has the sandbox's addresses; the main file."""
        write_templates(folder)
        for venue, urls in self.urls.items():
            own = [
                f'websocket_url = "{urls.websocket}"',
                f'rest_api_url = "{urls.rest}"',
                f'user_url = "{urls.user}"',
            ]
            own += [f'trade_url = "{urls.trade}"'] if has_trade else []
            path = folder / FILES[venue]
            text, count = re.subn(
                rf"^\[{table}\]\n.*?(?=^\[|^# Addresses|\Z)",
                "\n".join([f"[{table}]", *own, "", ""]),
                path.read_text(),
                flags=re.M | re.S,
            )
            if count != 1:
                raise AssertionError(f"{path} has no [{table}]")
            path.write_text(text)
        return folder / "arbitrage.toml"

"""The file of `arb sandbox serve --accounts`: accounts, keys, delays, and what is assumed of the venues. Strict."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_type_hints

from msgspec import Meta, defstruct, field, structs

from arb.config.files import Document
from arb.config.key import AssetName, DecimalText, SandboxVenue, SymbolName, Table, key
from arb.config.strict import Source, build
from arb.errors import ConfigError
from arb.sandbox.accounts.keys import (
    BINANCE_PERMISSIONS,
    BINANCE_RIGHTS,
    BYBIT_PERMISSIONS,
    BYBIT_RIGHTS,
    ApiKey,
    KeyKind,
)
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import AccountSetup, Fees, HeldPosition, Matching, TradingSetup
from arb.sandbox.trading.undocumented import DEFAULTS, Undocumented
from connectors.units import MILLISECOND

_Name = Annotated[
    str,
    key("A name of your own.", form="a name of letters, digits, _ and -", pattern=r"^[A-Za-z0-9_-]{1,40}\Z"),
]
_Amount = Annotated[
    str, key(form='a decimal in quotes such as "0.5"', pattern=r"^[0-9]{1,15}(\.[0-9]{1,8})?\Z")
]
_Rate = Annotated[
    str, key(form='a rate in quotes such as "0.001" or "-0.0001"', pattern=r"^-?0(\.[0-9]{1,8})?\Z")
]
_Signed = Annotated[
    str, key(form='a decimal in quotes such as "0.5" or "-0.5"', pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,8})?\Z")
]
_Milliseconds = Annotated[float, Meta(ge=0, le=600_000)]
_Bounds = Annotated[
    tuple[_Milliseconds, _Milliseconds],
    key(form="two times in ms, the shorter one first, such as [1.0, 5.0]"),
]


class KeyTable(Table, frozen=True, kw_only=True):
    """`[accounts.NAME.keys.NAME]`: a key for tests; the file is no place for real ones."""

    venue: Literal["binance", "bybit"]
    kind: Literal["hmac", "ed25519"] = "hmac"
    id: Annotated[str, key(form="8 to 64 letters and digits", pattern=r"^[A-Za-z0-9]{8,64}\Z")]
    secret: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    public_key: Annotated[str, Meta(min_length=1, max_length=400)] | None = None
    permissions: list[str] | None = None
    ips: list[Annotated[str, Meta(min_length=1, max_length=45)]] = field(default_factory=list)


class FeeTable(Table, frozen=True, kw_only=True):
    """Fee rates at one venue; `asset` of spot only."""

    maker: _Rate
    taker: _Rate
    asset: Annotated[
        str,
        key(
            form='"received", "quote" or an asset such as "BNB"',
            pattern=r"^(received|quote|[A-Z0-9]{1,20})\Z",
        ),
    ] = "received"


class PositionTable(Table, frozen=True, kw_only=True):
    """A position with which the account begins."""

    symbol: SymbolName
    side: Literal["BOTH", "LONG", "SHORT"] = "BOTH"
    quantity: _Signed
    entry: DecimalText


class SpotTable(Table, frozen=True, kw_only=True):
    """`[accounts.NAME.binance_spot]`."""

    balances: dict[AssetName, _Amount] = field(default_factory=dict)
    fees: FeeTable | None = None
    bnb_discount: bool = False


class UsdmTable(Table, frozen=True, kw_only=True):
    """`[accounts.NAME.binance_usdm]`."""

    balances: dict[AssetName, _Amount] = field(default_factory=dict)
    fees: FeeTable | None = None
    fee_burn: bool = False
    position_mode: Literal["one_way", "hedge"] = "one_way"
    margin_mode: Literal["cross", "isolated"] = "cross"
    multi_assets: bool = False
    leverage: Annotated[int, Meta(ge=1, le=125)] = 20
    positions: list[PositionTable] = field(default_factory=list)


class BybitTable(Table, frozen=True, kw_only=True):
    """`[accounts.NAME.bybit]`: the unified account behind both ports."""

    balances: dict[AssetName, _Amount] = field(default_factory=dict)
    spot_fees: FeeTable | None = None
    linear_fees: FeeTable | None = None
    position_mode: Literal["one_way", "hedge"] = "one_way"
    margin_mode: Literal["REGULAR_MARGIN", "ISOLATED_MARGIN"] = "REGULAR_MARGIN"
    leverage: Annotated[int, Meta(ge=1, le=100)] = 10
    positions: list[PositionTable] = field(default_factory=list)


class AccountTable(Table, frozen=True, kw_only=True):
    """`[accounts.NAME]`."""

    trade_group: Annotated[int, Meta(ge=-1, le=1_000_000)] = -1
    keys: dict[_Name, KeyTable] = field(default_factory=dict)
    binance_spot: SpotTable = SpotTable()
    binance_usdm: UsdmTable = UsdmTable()
    bybit: BybitTable = BybitTable()


class DelayTable(Table, frozen=True, kw_only=True):
    """`[delays.VENUE]`: of requests on the way in, of answers, and of events; uniform between two times."""

    arrival_ms: _Bounds = (0.0, 0.0)
    answer_ms: _Bounds = (0.0, 0.0)
    event_ms: _Bounds = (0.0, 0.0)


#: `[undocumented.VENUE]`: a missing key keeps the default.
UndocumentedTable = defstruct(
    "UndocumentedTable",
    [(name, kind | None, None) for name, kind in get_type_hints(Undocumented).items()],
    bases=(Table,),
    frozen=True,
    kw_only=True,
)


class AccountsFile(Table, frozen=True, kw_only=True):
    """The whole file."""

    accounts: dict[_Name, AccountTable]
    delays: dict[SandboxVenue, DelayTable] = field(default_factory=dict)
    undocumented: dict[SandboxVenue, UndocumentedTable] = field(default_factory=dict)  # type: ignore[valid-type]


def load_accounts(path: Path, matching: Matching = "levels") -> TradingSetup:
    """The accounts of a file. Raises ConfigError, one line that names file and key."""
    document = Document.read(path, "--accounts")
    source = document.source
    file = build(AccountsFile, document.tree, source)
    if not file.accounts:
        raise ConfigError(f"{path}: there is no account; begin with [accounts.main]")
    keys: list[ApiKey] = []
    for name, account in file.accounts.items():
        for key_name, table in account.keys.items():
            keys.append(_key(name, ("accounts", name, "keys", key_name), table, source, keys))
    return TradingSetup(
        tuple(_account(name, table, source) for name, table in file.accounts.items()),
        tuple(keys),
        matching,
        {venue: _delays(venue, table, source) for venue, table in file.delays.items()},
        {venue: _assumed(venue, table) for venue, table in file.undocumented.items()},
    )


def _key(
    account: str, path: tuple[str, ...], table: KeyTable, source: Source, others: list[ApiKey]
) -> ApiKey:
    if any((one.house, one.id) == (table.venue, table.id) for one in others):
        source.refuse((*path, "id"), f"is {table.id}, which another key of {table.venue} has")
    is_hmac = table.kind == "hmac"
    if table.venue == "bybit" and not is_hmac:
        source.refuse((*path, "kind"), "is ed25519; the sandbox has HMAC keys for Bybit")
    wanted, spare = ("secret", "public_key") if is_hmac else ("public_key", "secret")
    if getattr(table, wanted) is None:
        source.refuse((*path, wanted), f"is missing; a key of kind {table.kind} needs it")
    if getattr(table, spare) is not None:
        source.refuse((*path, spare), f"has no effect on a key of kind {table.kind}, which has a {wanted}")
    is_binance = table.venue == "binance"
    known, usual = (BINANCE_RIGHTS, BINANCE_PERMISSIONS) if is_binance else (BYBIT_RIGHTS, BYBIT_PERMISSIONS)
    for permission in table.permissions or ():
        if permission not in known:
            source.refuse(
                (*path, "permissions"), f"has {permission}; {table.venue} has {', '.join(sorted(known))}"
            )
    return ApiKey(
        table.id,
        table.venue,
        KeyKind.HMAC if is_hmac else KeyKind.ED25519,
        account,
        secret=(table.secret or "").encode(),
        public_key=b"" if is_hmac else _public_key(table.public_key or "", path, source),
        permissions=usual if table.permissions is None else frozenset(table.permissions),
        ips=tuple(table.ips),
    )


def _public_key(text: str, path: tuple[str, ...], source: Source) -> bytes:
    """The 32 bytes of an Ed25519 key: raw, or the end of its DER form, each in base64; PEM lines are allowed."""
    body = "".join(line for line in text.split("\n") if "-----" not in line)
    try:
        raw = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) not in (32, 44):
        source.refuse((*path, "public_key"), "must be an Ed25519 public key in PEM or base64")
    return raw[-32:]


def _account(name: str, table: AccountTable, source: Source) -> AccountSetup:
    spot, usdm, bybit = table.binance_spot, table.binance_usdm, table.bybit
    fees = {
        "binance_spot": spot.fees,
        "binance_usdm": usdm.fees,
        "bybit_spot": bybit.spot_fees,
        "bybit_linear": bybit.linear_fees,
    }
    for venue, item in (("binance_usdm", "fees"), ("bybit_linear", "linear_fees")):
        given = fees[venue]
        if given is not None and given.asset != "received":
            section = "bybit" if venue == "bybit_linear" else venue
            source.refuse(
                ("accounts", name, section, item, "asset"),
                "has no effect on perpetuals; [binance_usdm] fee_burn pays in BNB",
            )
    return AccountSetup(
        name,
        table.trade_group,
        {
            "spot": _amounts(spot.balances),
            "usdm": _amounts(usdm.balances),
            "unified": _amounts(bybit.balances),
        },
        {
            venue: Fees(Decimal(one.maker), Decimal(one.taker), one.asset)
            for venue, one in fees.items()
            if one is not None
        },
        {
            "binance": Modes(
                is_hedge=usdm.position_mode == "hedge",
                margin=usdm.margin_mode,
                is_multi_assets=usdm.multi_assets,
                is_bnb_discount=spot.bnb_discount,
                fee_burn=usdm.fee_burn,
                leverage_default=usdm.leverage,
            ),
            "bybit": Modes(
                is_hedge=bybit.position_mode == "hedge",
                margin=bybit.margin_mode,
                leverage_default=bybit.leverage,
            ),
        },
        {
            "binance": _positions(name, "binance_usdm", usdm, source),
            "bybit": _positions(name, "bybit", bybit, source),
        },
    )


def _positions(
    name: str, section: str, table: UsdmTable | BybitTable, source: Source
) -> tuple[HeldPosition, ...]:
    held: dict[tuple[str, str], HeldPosition] = {}
    for one in table.positions:
        path = ("accounts", name, section, "positions")
        quantity = Decimal(one.quantity)
        if (one.side == "BOTH") == (table.position_mode == "hedge"):
            source.refuse(
                path, f"has side {one.side}, which there is not in position_mode {table.position_mode}"
            )
        if (one.side == "LONG" and quantity < 0) or (one.side == "SHORT" and quantity > 0) or not quantity:
            source.refuse(path, f"has quantity {one.quantity} of side {one.side}; a short one is negative")
        if (one.symbol, one.side) in held:
            source.refuse(path, f"has {one.symbol} {one.side} twice")
        side = PositionSide[one.side]
        held[one.symbol, one.side] = HeldPosition(one.symbol, side, quantity, Decimal(one.entry))
    return tuple(held.values())


def _amounts(balances: dict[str, str]) -> dict[str, Decimal]:
    return {asset: Decimal(amount) for asset, amount in balances.items()}


def _delays(venue: str, table: DelayTable, source: Source) -> Delays:
    bounds = []
    for item, (low, high) in structs.asdict(table).items():
        if low > high:
            source.refuse(("delays", venue, item), f"is [{low}, {high}]; the shorter time is first")
        bounds.append((round(low * MILLISECOND), round(high * MILLISECOND)))
    return Delays(*bounds)


def _assumed(venue: str, table: Table) -> Undocumented:
    """The assumptions about a venue: its defaults with what is given."""
    given = {item: value for item, value in structs.asdict(table).items() if value is not None}
    return dataclasses.replace(DEFAULTS[venue], **given)

"""The formats of the archives: column names of CSV files, and decoding of frames.

Source: github.com/binance/binance-public-data (README, issues 246, 334, 437; read 2026-07); docs.tardis.dev
`downloadable-csv-files` (read 2026-07). Bybit does not document its formats: these are derived from its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from arb.data.archives.fields import Role
from arb.data.archives.table import Column, Layout
from arb.data.catalog.archived import ArchiveKind
from connectors.bybit.parser import parse_bybit
from connectors.parsing.lines import line_loop

_PRICE = Column(Role.PRICE, ("price",))
_SYMBOL = Column(Role.WORD, ("symbol",))

#: Spot files have no header; USD-M files have one since 2022-08.
_BINANCE_TRADES = Layout(
    (
        Column(Role.ID, ("id", "trade_id")),
        _PRICE,
        Column(Role.QTY, ("qty", "quantity")),
        Column(Role.TIME, ("time",)),
        Column(Role.BUYER_IS_MAKER, ("is_buyer_maker",)),
    ),
    (
        ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker"),
        ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"),
    ),
)
_AGG_TRADES = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time")
_BINANCE_AGG_TRADES = Layout(
    (
        Column(Role.ID, ("agg_trade_id", "id")),
        _PRICE,
        Column(Role.QTY, ("quantity", "qty")),
        Column(Role.TIME, ("transact_time", "time", "timestamp")),
        Column(Role.BUYER_IS_MAKER, ("is_buyer_maker",)),
    ),
    (
        (*_AGG_TRADES, "is_buyer_maker"),
        (*_AGG_TRADES, "is_buyer_maker", "is_best_match"),
    ),
)
_BOOK_TICKER = (
    *("update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty"),
    *("transaction_time", "event_time"),
)
_BINANCE_TOUCH = Layout(
    (
        Column(Role.ID, ("update_id",)),
        Column(Role.PRICE, ("best_bid_price",)),
        Column(Role.QTY, ("best_bid_qty",)),
        Column(Role.PRICE_2, ("best_ask_price",)),
        Column(Role.QTY_2, ("best_ask_qty",)),
        Column(Role.TIME, ("transaction_time",)),
        Column(Role.TIME_2, ("event_time",)),
    ),
    (_BOOK_TICKER,),
)
#: Linear: float seconds, `size`, a symbol. Spot: ms, `volume`, none.
_BYBIT_TRADES = Layout(
    (
        Column(Role.TIME, ("timestamp",)),
        Column(Role.WORD, ("symbol",), is_optional=True),
        Column(Role.SIDE, ("side",)),
        Column(Role.QTY, ("size", "volume")),
        _PRICE,
    )
)
_TARDIS = (
    Column(Role.WORD, ("exchange",)),
    _SYMBOL,
    Column(Role.TIME, ("timestamp",)),
    Column(Role.TIME_2, ("local_timestamp",)),
)
_TARDIS_TRADES = Layout(
    (*_TARDIS, Column(Role.SIDE, ("side",)), _PRICE, Column(Role.QTY, ("amount",))), has_unknown_side=True
)
_TARDIS_BOOK = Layout(
    (
        *_TARDIS,
        Column(Role.FLAG, ("is_snapshot",)),
        Column(Role.SIDE, ("side",)),
        _PRICE,
        Column(Role.QTY, ("amount",)),
    )
)
_TARDIS_TOUCH = Layout(
    (
        *_TARDIS,
        Column(Role.QTY_2, ("ask_amount",)),
        Column(Role.PRICE_2, ("ask_price",)),
        Column(Role.PRICE, ("bid_price",)),
        Column(Role.QTY, ("bid_amount",)),
    ),
    has_empty=True,
)

#: CSV files by source and kind; Bybit's books are frames.
LAYOUTS: Mapping[tuple[str, ArchiveKind], Layout] = MappingProxyType(
    {
        ("binance", ArchiveKind.TRADES): _BINANCE_TRADES,
        ("binance", ArchiveKind.AGG_TRADES): _BINANCE_AGG_TRADES,
        ("binance", ArchiveKind.TOUCH): _BINANCE_TOUCH,
        ("bybit", ArchiveKind.TRADES): _BYBIT_TRADES,
        ("tardis", ArchiveKind.BOOK): _TARDIS_BOOK,
        ("tardis", ArchiveKind.TOUCH): _TARDIS_TOUCH,
        ("tardis", ArchiveKind.TRADES): _TARDIS_TRADES,
    }
)

#: The loop over the frames of Bybit's books, which are not preceded by a local time.
bybit_archive_lines = line_loop(parse_bybit, has_stamps=False)

"""The keys of the configuration files: unit, range, default and meaning of each.

The one place where the host's keys are defined, with `arb.config.archive` and `arb.config.live_keys`. Each strategy
declares its own, which `arb.config.parameters` adds. `arb.config.strict` checks trees against these Structs, and
`docs/configuration.md` holds the same text, which a test compares.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from arb.config.alert_keys import Alerts
from arb.config.archive import Archive
from arb.config.key import AssetName, DecimalText, LegName, SymbolName, Table, VenueName, key
from arb.config.live_keys import Account, Guard, Live, Supervisor
from arb.config.parameters import with_parameters

#: Placeholder for `strategy.symbol` in an entry of `strategy.legs`.
SYMBOL_PLACEHOLDER = "SYMBOL"
#: Most legs of a run.
LEGS_MAX = 64

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000


ParameterName = Annotated[
    str, key("Argument of the strategy.", form="a name as in Python", pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z")
]
_Number = bool | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float
_LIST_MAX = 100_000
ParameterValue = Annotated[
    _Number
    | Annotated[
        tuple[_Number | Annotated[tuple[_Number, ...], Meta(max_length=_LIST_MAX)], ...],
        Meta(max_length=_LIST_MAX),
    ],
    key(
        "An argument of the strategy, by name.",
        form="a number (integers of 64 bits), true or false, or a list of such, or of lists of one length",
    ),
]


@with_parameters("strategy")
class Strategy(Table, frozen=True, kw_only=True):
    """What is traded, and by which strategy."""

    symbol: Annotated[SymbolName, key("Instrument of the legs that do not name one.")] = "BTCUSDT"
    legs: Annotated[
        tuple[LegName, ...],
        key(
            "The legs; the word SYMBOL is replaced by `symbol`.",
            form='a list of 1 to 64 different texts "venue:SYMBOL"',
            min_length=1,
            max_length=LEGS_MAX,
        ),
    ] = (f"binance_spot:{SYMBOL_PLACEHOLDER}", f"bybit_spot:{SYMBOL_PLACEHOLDER}")
    symbols: (
        Annotated[
            tuple[SymbolName, ...],
            key(
                "Several instruments in one run, instead of `symbol`: all legs for each, shared capital and limits.",
                form='a list of different symbols such as ["BTCUSDT", "ETHUSDT"]',
                example='["BTCUSDT", "ETHUSDT"]',
                min_length=1,
                max_length=LEGS_MAX,
            ),
        ]
        | None
    ) = None
    pairs: (
        Annotated[
            tuple[Annotated[tuple[LegName, ...], Meta(min_length=2, max_length=2)], ...],
            key(
                "The legs in pairs, instead of `legs`, for a symbol with more than two legs.",
                form='a list of lists of two texts "venue:SYMBOL"',
                example='[["binance_spot:SYMBOL", "bybit_spot:SYMBOL"]]',
                min_length=1,
                max_length=LEGS_MAX // 2,
            ),
        ]
        | None
    ) = None
    function: Annotated[
        str,
        key(
            "The strategy: a function in a file (relative to the working directory) or in a module.",
            form='"FILE.py:FUNCTION" or "module:function"',
            pattern=r"^([^:]+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):[A-Za-z_]\w*\Z",
        ),
    ] = "arb.strategies.spread.strategy:run"
    allow_different_assets: Annotated[
        bool,
        key(
            "Whether the legs of a pair may differ in base or quote assets (BTCUSDT against ETHUSDT).",
            form="true or false",
        ),
    ] = False
    params: dict[ParameterName, ParameterValue] = field(default_factory=dict)


@with_parameters("risk")
class Risk(Table, frozen=True, kw_only=True):
    """Limits. The order-level ones apply to every strategy, in every world."""

    max_leverage: Annotated[
        float,
        key("Largest value of the positions at a perpetual venue, in multiples of its equity.", gt=0, le=125),
    ] = 1.0
    on_halt: Annotated[
        Literal["leave", "flatten"],
        key("What happens to the positions of a strategy that halts: nothing, or they are traded back."),
    ] = "leave"
    position_limit: Annotated[float, key("Largest position per leg, either side.", "base", gt=0, le=1e9)] = (
        10.0
    )
    max_order_qty: (
        Annotated[
            float,
            key("Largest quantity of one order; absent: no limit.", "base", example="2.0", gt=0, le=1e12),
        ]
        | None
    ) = None
    max_order_notional: (
        Annotated[
            float,
            key("Largest value of one order; absent: no limit.", "quote", example="100000.0", gt=0, le=1e15),
        ]
        | None
    ) = None
    max_orders_per_second: Annotated[
        int,
        key(
            "Most orders and changes in any second, all legs together; 0: no limit.",
            "1/s",
            ge=0,
            le=1_000_000,
        ),
    ] = 50


@with_parameters("execution")
class Execution(Table, frozen=True, kw_only=True):
    """How orders are executed."""

    stale_after_ms: Annotated[
        int,
        key(
            "A book whose depth was silent for longer is emptied for every strategy; so late, it opens no attempt.",
            "ms",
            ge=1,
            le=_DAY_MS,
        ),
    ] = 2000
    slippage_tolerance: Annotated[
        float, key("Share of the price by which an order may be worse than the touch.", "share", ge=0, le=0.1)
    ] = 0.001


BaseAmount = Annotated[
    float, key("Initial inventory of one symbol, instead of `base`.", "base", example="1.0", ge=0, le=1e12)
]


QuoteAmount = Annotated[
    float,
    key(
        "Initial cash set apart for one symbol; the others share `quote`.",
        "quote",
        example="1.0",
        ge=0,
        le=1e15,
    ),
]


AssetAmount = Annotated[
    float,
    key(
        "Initial holding of the asset that `fees.asset` of the venue names.",
        "units",
        example="10.0",
        ge=0,
        le=1e15,
    ),
]


class Capital(Table, frozen=True, kw_only=True):
    """A venue's initial holdings."""

    base: Annotated[
        float,
        key(
            "Initial inventory of each symbol; not at perpetual venues, which have none.",
            "base",
            ge=0,
            le=1e12,
        ),
    ] = 0.0
    quote: Annotated[float, key("Initial cash; the margin at perpetual venues.", "quote", ge=0, le=1e15)]
    base_of: dict[SymbolName, BaseAmount] = field(default_factory=dict)
    quote_of: dict[SymbolName, QuoteAmount] = field(default_factory=dict)
    assets: dict[AssetName, AssetAmount] = field(default_factory=dict)


@with_parameters("symbols")
class SymbolLimits(Table, frozen=True, kw_only=True):
    """Settings of one symbol, if several are traded."""

    position_limit: (
        Annotated[
            float,
            key("As in [risk], for this symbol; absent: that one.", "base", example="10.0", gt=0, le=1e9),
        ]
        | None
    ) = None


class Clock(Table, frozen=True, kw_only=True):
    """The clock offset of a run, common to all venues."""

    offset_ms: (
        Annotated[
            float,
            key(
                "What to add to the recorder's local time to get the venues' time; absent: measured from the"
                " recordings.",
                "ms",
                example="0.0",
                ge=-_DAY_MS,
                le=_DAY_MS,
            ),
        ]
        | None
    ) = None


class Grid(Table, frozen=True, kw_only=True):
    """The grid of re-encoded or simulated data, if it differs from the venue's."""

    tick_size: (
        Annotated[
            DecimalText,
            key("Smallest price step in the recorded data; absent: the venue's.", "quote", example='"0.01"'),
        ]
        | None
    ) = None
    lot_size: (
        Annotated[
            DecimalText,
            key(
                "Smallest quantity step in the recorded data; absent: the venue's.",
                "base",
                example='"0.00001"',
            ),
        ]
        | None
    ) = None


class Data(Table, frozen=True, kw_only=True):
    """Where recordings are."""

    directory: Annotated[
        str,
        key(
            "Folder of the recordings, `<venue>/<symbol>_<YYYYMMDD>.gz`; relative to the working directory.",
            form="a folder",
            min_length=1,
        ),
    ] = "recordings"
    cache_gb: Annotated[
        float,
        key(
            "Size of the row cache above which a backtest deletes what was not used for longest; 0: no limit.",
            "GB",
            ge=0,
            le=1e6,
        ),
    ] = 100.0
    note: (
        Annotated[
            str,
            key(
                "Source of the data, if not recorded from the venues; at the top of reports.",
                form="a line of text",
                example='"re-encoded from USD-M"',
                min_length=1,
                max_length=200,
                pattern=r"^[^\n\r]*\Z",
            ),
        ]
        | None
    ) = None
    grid: dict[VenueName, dict[SymbolName, Grid]] = field(default_factory=dict)


class Record(Table, frozen=True, kw_only=True):
    """How live data are recorded."""

    streams: Annotated[
        tuple[Literal["aggTrade", "kline_1m", "markPrice", "ticker"], ...],
        key(
            "What `arb record` keeps beside book, best bid and offer, and trades, of venues that have it. Mark prices,"
            " with the funding rate of perpetuals, become rows; the others do not.",
            form='a list of "aggTrade", "kline_1m", "markPrice", "ticker"',
            max_length=4,
        ),
    ] = ()
    segment_s: Annotated[
        float, key("Time after which received frames can be read from the `.gz`.", "s", ge=1, le=86_400)
    ] = 300.0
    reserve_gb: Annotated[
        float, key("Recording stops when less of the disk is free.", "GB", ge=0, le=1_000_000)
    ] = 1.0
    fsync_s: Annotated[
        float,
        key(
            "Longest part that a power failure may lose; a killed process loses nothing; 0: the system decides.",
            "s",
            ge=0,
            le=3600,
        ),
    ] = 10.0


class Backtest(Table, frozen=True, kw_only=True):
    """A run over recorded days."""

    engine: Annotated[
        Literal["hftbacktest", "arb"],
        key(
            "Fills the orders of a backtest: hftbacktest's engine, or the simulated exchange of dry-runs, the same to "
            "the byte in every run."
        ),
    ] = "hftbacktest"
    liquidity_consumption: Annotated[
        bool,
        key(
            "Whether quantity that an order takes is not shown again until the venue changes it, so that a taker gets "
            "at most what is left; runs in the engine arb.",
            form="true or false",
        ),
    ] = False


class DryRun(Table, frozen=True, kw_only=True):
    """A dry-run on live data."""

    disorder_ms: Annotated[
        float,
        key(
            "How far a message may be behind a later one of its venue; simulated answers wait for so long.",
            "ms",
            ge=0,
            le=_MINUTE_MS,
        ),
    ] = 250.0
    hang_s: Annotated[
        float, key("A strategy that computes for so long without waiting ends the run.", "s", ge=0.1, le=3600)
    ] = 10.0


class MainFile(Table, frozen=True, kw_only=True):
    """`arbitrage.toml`."""

    strategy: Strategy = field(default_factory=Strategy)
    risk: Risk = field(default_factory=Risk)
    execution: Execution = field(default_factory=Execution)
    capital: dict[VenueName, Capital] = field(default_factory=dict)
    symbols: dict[SymbolName, SymbolLimits] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    data: Data = field(default_factory=Data)
    record: Record = field(default_factory=Record)
    backtest: Backtest = field(default_factory=Backtest)
    dry_run: DryRun = field(default_factory=DryRun)
    live: Live = field(default_factory=Live)
    supervisor: Supervisor = field(default_factory=Supervisor)
    guard: Guard = field(default_factory=Guard)
    alerts: Alerts = field(default_factory=Alerts)
    account: dict[VenueName, Account] = field(default_factory=dict)
    archive: Archive = field(default_factory=Archive)

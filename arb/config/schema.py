"""What may stand in the configuration files: every key with its unit, range, default and meaning.

The one place where keys are defined. `arb.config.strict` checks trees against these Structs, and
`docs/configuration.md` holds the same text, which a test compares.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

#: Stands for `strategy.symbol` in an entry of `strategy.legs`.
SYMBOL_PLACEHOLDER = "SYMBOL"

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000


def key(unit: str, text: str, *, form: str = "", secret: bool = False, **bounds: Any) -> Meta:
    """Describes a key: its unit ("" for none), its meaning, and the bounds that msgspec checks.

    form: the allowed values in words, where bounds alone do not say it ("it must be ...").
    secret: the value is never shown, not even in the error about it.
    """
    return Meta(description=text, extra={"unit": unit, "form": form, "secret": secret}, **bounds)


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of the files."""


VenueName = Annotated[
    str,
    key("", "Name of a venue.", form='a venue name such as "binance_spot"', pattern=r"^[a-z][a-z0-9_]*\Z"),
]
SymbolName = Annotated[
    str,
    key(
        "",
        "The venue's own spelling of an instrument.",
        form='a symbol in capitals such as "BTCUSDT"',
        pattern=r"^[A-Z0-9][A-Z0-9._-]*\Z",
    ),
]
LegName = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9_]*:[A-Z0-9][A-Z0-9._-]*\Z"),
]
_LOCAL = r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[^\s]*)?"
WebsocketUrl = Annotated[str, Meta(pattern=rf"^(wss://[^\s/][^\s]*|ws://{_LOCAL})\Z")]
ParameterName = Annotated[
    str,
    key("", "Argument of the strategy.", form="a name as in Python", pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z"),
]
ParameterValue = Annotated[
    bool | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float,
    key(
        "",
        "An argument of the strategy, by name.",
        form="a number (a whole one within 64 bits), true or false",
    ),
]

_DECIMAL = r"^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,12})?\Z"
_DECIMAL_FORM = 'a positive decimal in quotes such as "0.01"'
_ENVIRONMENT = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}\Z"
_ENVIRONMENT_FORM = 'the name of an environment variable, "${NAME}"; secrets are never written in a file'


class Strategy(Table, frozen=True, kw_only=True):
    """What is traded, by which rule."""

    symbol: Annotated[SymbolName, key("", "Instrument of both legs, unless `legs` says otherwise.")] = (
        "BTCUSDT"
    )
    legs: Annotated[
        tuple[LegName, ...],
        key(
            "",
            "The two legs, at two venues; the word SYMBOL stands for `symbol`.",
            form='two different texts "venue:SYMBOL"',
            min_length=2,
            max_length=2,
        ),
    ] = (f"binance_spot:{SYMBOL_PLACEHOLDER}", f"bybit_spot:{SYMBOL_PLACEHOLDER}")
    function: Annotated[
        str,
        key(
            "",
            "The strategy: a function in a file (relative to the working directory) or in a module.",
            form='"FILE.py:FUNCTION" or "module:function"',
            pattern=r"^([^:]+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):[A-Za-z_]\w*\Z",
        ),
    ] = "arb.strategy.spread:run"
    min_spread_bps: Annotated[
        float, key("bps", "Least edge, net of both taker fees, that opens an attempt.", ge=0, le=10_000)
    ] = 10.0
    max_edge_bps: Annotated[
        float,
        key(
            "bps",
            "Edges above this are distrusted: a price is more likely wrong than generous.",
            gt=0,
            le=1e6,
        ),
    ] = 200.0
    max_position_size: Annotated[
        float, key("base", "Largest quantity per leg and attempt.", gt=0, le=1e9)
    ] = 1.0
    rebalance_threshold: Annotated[
        float,
        key(
            "share",
            "Share of the total base inventory by which a venue may run short of its part.",
            ge=0,
            le=1,
        ),
    ] = 0.1
    basis_halflife_s: Annotated[
        float,
        key(
            "s",
            "Half-life of the average cross spread that edges are measured from; 0: from zero.",
            ge=0,
            le=1e7,
        ),
    ] = 0.0
    params: dict[ParameterName, ParameterValue] = field(default_factory=dict)


class Risk(Table, frozen=True, kw_only=True):
    """Limits. The order-level ones hold over every strategy, in every world."""

    max_drawdown: Annotated[
        float,
        key("share", "Loss from the highest equity, as a share of the capital, that halts.", gt=0, le=1),
    ] = 0.05
    max_attempt_loss: Annotated[
        float, key("share", "Loss of one attempt, as a share of the capital, that halts.", gt=0, le=1)
    ] = 0.01
    max_daily_loss: Annotated[
        float,
        key(
            "share",
            "Loss since 0:00 UTC, as a share of the capital, that ends the day's attempts.",
            gt=0,
            le=1,
        ),
    ] = 0.03
    max_failures: Annotated[
        int,
        key("", "Attempts in a row that were missed or reversed before a pause; 0: any.", ge=0, le=1_000_000),
    ] = 5
    cooldown_s: Annotated[float, key("s", "Length of that pause.", ge=0, le=1e6)] = 60.0
    max_attempts_per_day: Annotated[
        int, key("", "Most attempts in any 24 hours; 0: no limit.", ge=0, le=1_000_000)
    ] = 0
    stop_loss_bps: Annotated[
        float, key("bps", "Loss of one attempt, of its notional, that ends it.", gt=0, le=10_000)
    ] = 50.0
    position_limit: Annotated[float, key("base", "Largest position per leg, either side.", gt=0, le=1e9)] = (
        10.0
    )
    max_order_qty: (
        Annotated[float, key("base", "Largest quantity of one order; absent: no limit.", gt=0, le=1e12)]
        | None
    ) = None
    max_order_notional: (
        Annotated[float, key("quote", "Largest value of one order; absent: no limit.", gt=0, le=1e15)] | None
    ) = None
    max_orders_per_second: Annotated[
        int,
        key(
            "1/s",
            "Most orders and changes in any second, both legs together; 0: no limit.",
            ge=0,
            le=1_000_000,
        ),
    ] = 50


class Execution(Table, frozen=True, kw_only=True):
    """How orders are worked."""

    order_timeout_ms: Annotated[
        int, key("ms", "Time to fill a short leg before the long one is reversed.", ge=1, le=10 * _MINUTE_MS)
    ] = 5000
    attempt_interval_ms: Annotated[
        int, key("ms", "Least time from the beginning of one attempt to the next.", ge=0, le=_DAY_MS)
    ] = 100
    stale_after_ms: Annotated[
        int, key("ms", "A book that was silent for longer opens no attempt.", ge=1, le=_DAY_MS)
    ] = 2000
    slippage_tolerance: Annotated[
        float, key("share", "Share of the price by which an order may be worse than the touch.", ge=0, le=0.1)
    ] = 0.001


class Capital(Table, frozen=True, kw_only=True):
    """What a venue starts with."""

    base: Annotated[
        float, key("base", "Initial inventory; not at perpetual venues, which have none.", ge=0, le=1e12)
    ] = 0.0
    quote: Annotated[float, key("quote", "Initial cash; the margin at perpetual venues.", ge=0, le=1e15)]


class Clock(Table, frozen=True, kw_only=True):
    """The one clock offset of a run."""

    offset_ms: (
        Annotated[
            float,
            key(
                "ms",
                "What to add to the recorder's local time to get the venues' time; absent: measured from the"
                " recordings.",
                ge=-_DAY_MS,
                le=_DAY_MS,
            ),
        ]
        | None
    ) = None


class Data(Table, frozen=True, kw_only=True):
    """Where recordings are."""

    directory: Annotated[
        str,
        key(
            "",
            "Folder of the recordings, `<venue>/<symbol>_<YYYYMMDD>.gz`; relative to the working directory.",
            form="a folder",
            min_length=1,
        ),
    ] = "recordings"
    note: (
        Annotated[
            str,
            key(
                "",
                "Where the data come from, if not straight from the venues; reports begin with it.",
                form="a line of text",
                min_length=1,
                max_length=200,
                pattern=r"^[^\n\r]*\Z",
            ),
        ]
        | None
    ) = None


class MainFile(Table, frozen=True, kw_only=True):
    """`arbitrage.toml`."""

    strategy: Strategy = field(default_factory=Strategy)
    risk: Risk = field(default_factory=Risk)
    execution: Execution = field(default_factory=Execution)
    capital: dict[VenueName, Capital] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    data: Data = field(default_factory=Data)


class Connection(Table, frozen=True, kw_only=True):
    """Addresses of the venue. Without TLS only on this machine: that is where the sandbox runs."""

    websocket_url: Annotated[
        str,
        key(
            "",
            "Base address of the market data streams.",
            form="a wss:// address (ws:// only on this machine)",
            pattern=rf"^(wss://[^\s/][^\s]*|ws://{_LOCAL})\Z",
        ),
    ]
    websocket_fallback_urls: Annotated[
        tuple[WebsocketUrl, ...],
        key(
            "",
            "Other addresses of the streams, tried in turn after three failures in a row.",
            form="a list of up to 8 addresses like websocket_url",
            max_length=8,
        ),
    ] = ()
    transport: Annotated[Literal["picows", "websockets"], key("", "Library that carries the streams.")] = (
        "picows"
    )
    rest_api_url: Annotated[
        str,
        key(
            "",
            "Base address of the REST API.",
            form="an https:// address (http:// only on this machine)",
            pattern=rf"^(https://[^\s/][^\s]*|http://{_LOCAL})\Z",
        ),
    ]


class AuthTable(Table, frozen=True, kw_only=True):
    """Names of the variables that hold the keys; see `arb.config.secrets`."""

    api_key: (
        Annotated[
            str,
            key(
                "", "Variable that holds the key.", form=_ENVIRONMENT_FORM, secret=True, pattern=_ENVIRONMENT
            ),
        ]
        | None
    ) = None
    secret_key: (
        Annotated[
            str,
            key(
                "",
                "Variable that holds the secret.",
                form=_ENVIRONMENT_FORM,
                secret=True,
                pattern=_ENVIRONMENT,
            ),
        ]
        | None
    ) = None


class Fees(Table, frozen=True, kw_only=True):
    """Of the value traded."""

    maker: Annotated[float, key("share", "Fee of a resting order; negative: a rebate.", ge=-0.05, le=0.05)]
    taker: Annotated[float, key("share", "Fee of an order that takes liquidity.", ge=-0.05, le=0.05)]


class Latency(Table, frozen=True, kw_only=True):
    """Assumed delays of the simulation."""

    feed_ms: Annotated[
        float, key("ms", "Venue to us, for streams that carry no time of the venue.", ge=0, le=_MINUTE_MS)
    ]
    entry_ms: Annotated[float, key("ms", "An order, from us to the matching engine.", ge=0, le=_MINUTE_MS)]
    response_ms: Annotated[
        float, key("ms", "The answer, from the matching engine to us.", ge=0, le=_MINUTE_MS)
    ]


QueueModel = Literal["risk_adverse", "log_prob", "log_prob2", "power_prob", "power_prob2", "power_prob3"]


class Queue(Table, frozen=True, kw_only=True):
    """How the simulation guesses the place of a resting order in its queue (hftbacktest's models)."""

    model: Annotated[QueueModel, key("", "Queue model of hftbacktest.")] = "risk_adverse"
    power: Annotated[float, key("", "Exponent; read by the three power_prob models only.", gt=0, le=100)] = (
        3.0
    )


class Symbol(Table, frozen=True, kw_only=True):
    """An instrument of the venue, for offline use. Live, the venue's own answer is compared with it."""

    tick_size: Annotated[str, key("quote", "Smallest price step.", form=_DECIMAL_FORM, pattern=_DECIMAL)]
    lot_size: Annotated[str, key("base", "Smallest quantity step.", form=_DECIMAL_FORM, pattern=_DECIMAL)]
    min_qty: (
        Annotated[float, key("base", "Least quantity of an order; absent: one lot.", gt=0, le=1e12)] | None
    ) = None
    min_notional: Annotated[float, key("quote", "Least value of an order.", ge=0, le=1e12)] = 0.0
    contract_size: Annotated[float, key("base", "Base units of one contract.", gt=0, le=1e12)] = 1.0


class VenueFile(Table, frozen=True, kw_only=True):
    """A venue: `binance.toml`, `bybit.toml`, ..."""

    name: Annotated[VenueName, key("", "What legs and `[capital]` call the venue.")]
    adapter: Annotated[
        str,
        key(
            "",
            "The class that speaks the venue's protocol.",
            form='"module:Class"',
            pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z",
        ),
    ]
    kind: Annotated[
        Literal["spot", "linear"],
        key("", "Spot, traded from inventory; or linear perpetuals, traded on margin."),
    ]
    connection: Connection
    auth: AuthTable = field(default_factory=AuthTable)
    fees: Fees
    latency: Latency
    queue: Queue = field(default_factory=Queue)
    symbols: dict[SymbolName, Symbol] = field(default_factory=dict)

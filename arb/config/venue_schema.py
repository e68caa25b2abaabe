"""The keys of a venue's file: unit, range, default and meaning of each."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from arb.config.key import (
    LOCAL,
    DecimalText,
    HttpsUrl,
    LegName,
    SecretName,
    SymbolName,
    Table,
    VenueName,
    key,
)

_MINUTE_MS = 60_000

_WSS = rf"^(wss://[^\s/][^\s]*|ws://{LOCAL})\Z"
_WSS_FORM = "a wss:// address (ws:// only on this machine)"
_HTTPS = rf"^(https://[^\s/][^\s]*|http://{LOCAL})\Z"
_HTTPS_FORM = "an https:// address (http:// only on this machine)"
WebsocketUrl = Annotated[str, Meta(pattern=_WSS)]
TradeUrl = Annotated[
    str,
    key(
        "Address of the websocket for orders, without its path; absent: orders go by REST.",
        form=_WSS_FORM,
        pattern=_WSS,
    ),
]
UserUrl = Annotated[
    str,
    key("Address of the account's events, without its path.", form=_WSS_FORM, pattern=_WSS),
]


class Connection(Table, frozen=True, kw_only=True):
    """Addresses of the venue. Only local addresses may omit TLS: the sandbox uses them."""

    websocket_url: Annotated[
        str,
        key(
            "Base address of the market data streams.",
            form=_WSS_FORM,
            pattern=_WSS,
        ),
    ]
    websocket_fallback_urls: Annotated[
        tuple[WebsocketUrl, ...],
        key(
            "Other addresses of the streams, tried in turn after three failures in a row.",
            form="a list of up to 8 addresses like websocket_url",
            max_length=8,
        ),
    ] = ()
    transport: Annotated[Literal["picows", "websockets"], key("Library that carries the streams.")] = "picows"
    rest_api_url: Annotated[HttpsUrl, key("Base address of the REST API.")]
    trade_url: TradeUrl | None = None
    user_url: UserUrl | None = None
    wallet_url: (
        Annotated[
            str,
            key(
                "Address that is asked what a key may do; absent: rest_api_url.",
                form=_HTTPS_FORM,
                example='"https://api.binance.com"',
                pattern=_HTTPS,
            ),
        ]
        | None
    ) = None


class Elsewhere(Table, frozen=True, kw_only=True):
    """Addresses of the venue's testnet or demo, as in `[connection]`; without any the venue has none."""

    websocket_url: (
        Annotated[str, key("Base address of the market data streams.", form=_WSS_FORM, pattern=_WSS)] | None
    ) = None
    rest_api_url: (
        Annotated[str, key("Base address of the REST API.", form=_HTTPS_FORM, pattern=_HTTPS)] | None
    ) = None
    trade_url: TradeUrl | None = None
    user_url: UserUrl | None = None


class AuthTable(Table, frozen=True, kw_only=True):
    """Names of the variables that hold the keys; see `arb.config.secrets`."""

    api_key: Annotated[SecretName, key("Variable that holds the key.")] | None = None
    secret_key: (
        Annotated[SecretName, key("Variable that holds the secret, or an Ed25519 key as PEM.")] | None
    ) = None
    passphrase: (
        Annotated[SecretName, key("Variable that holds the passphrase of an encrypted PEM; absent: none.")]
        | None
    ) = None
    guard_api_key: (
        Annotated[
            SecretName, key("The same of a key that the session's guard alone uses; absent: `api_key`.")
        ]
        | None
    ) = None
    guard_secret_key: Annotated[SecretName, key("Its secret, or Ed25519 key as PEM.")] | None = None
    guard_passphrase: (
        Annotated[SecretName, key("The passphrase of its encrypted PEM; absent: none.")] | None
    ) = None


class Fees(Table, frozen=True, kw_only=True):
    """Fees, as shares of the value traded, and what they are charged in."""

    maker: Annotated[float, key("Fee of a resting order; negative: a rebate.", "share", ge=-0.05, le=0.05)]
    taker: Annotated[float, key("Fee of an order that takes liquidity.", "share", ge=-0.05, le=0.05)]
    asset: Annotated[
        str,
        key(
            "What fees are charged in: quote; what an order receives (a spot purchase: base); or a third asset.",
            form='"quote", "received" or an asset in capitals such as "BNB"',
            pattern=r"^(quote|received|[A-Z0-9]{1,20})\Z",
        ),
    ] = "quote"
    price: (
        Annotated[
            Annotated[float, Meta(gt=0, le=1e12)] | LegName,
            key(
                "Price of that third asset: a constant, or a leg of the run, whose mid it is.",
                "quote",
                form='a number above 0, at most 1e12, or a leg such as "binance_spot:BNBUSDT"',
                example="600.0",
            ),
        ]
        | None
    ) = None


class Latency(Table, frozen=True, kw_only=True):
    """Latencies that the simulation assumes."""

    feed_ms: Annotated[
        float, key("Venue to us, for streams without a venue time.", "ms", ge=0, le=_MINUTE_MS)
    ]
    entry_ms: Annotated[float, key("An order, from us to the matching engine.", "ms", ge=0, le=_MINUTE_MS)]
    response_ms: Annotated[
        float, key("The response, from the matching engine to us.", "ms", ge=0, le=_MINUTE_MS)
    ]
    order_file: (
        Annotated[
            str,
            key(
                "Measured latencies of orders by time, instead of entry_ms and response_ms; absent: these two.",
                form="a latency file of hftbacktest, relative to the working directory; {symbol} is the symbol in "
                "lower case",
                min_length=1,
                max_length=4096,
            ),
        ]
        | None
    ) = None


QueueModel = Literal["risk_adverse", "log_prob", "log_prob2", "power_prob", "power_prob2", "power_prob3"]


class Queue(Table, frozen=True, kw_only=True):
    """How the simulation estimates the queue position of a resting order (hftbacktest's models)."""

    model: Annotated[QueueModel, key("Queue model of hftbacktest.")] = "risk_adverse"
    power: Annotated[float, key("Exponent; read by the three power_prob models only.", gt=0, le=100)] = 3.0


class Symbol(Table, frozen=True, kw_only=True):
    """An instrument of the venue, for use offline. Live, it is compared with the venue's listing."""

    tick_size: Annotated[DecimalText, key("Smallest price step.", "quote")]
    lot_size: Annotated[DecimalText, key("Smallest quantity step.", "base")]
    min_qty: (
        Annotated[float, key("Least quantity of an order; absent: one lot.", "base", gt=0, le=1e12)] | None
    ) = None
    min_notional: Annotated[float, key("Least value of an order.", "quote", ge=0, le=1e12)] = 0.0
    contract_size: Annotated[float, key("Base units of one contract.", "base", gt=0, le=1e12)] = 1.0
    roi_lb: (
        Annotated[
            float,
            key(
                "Lowest price of `bid_depth` and `ask_depth`, with `roi_ub`; absent: a fifth below the first mid.",
                "quote",
                gt=0,
                le=1e12,
            ),
        ]
        | None
    ) = None
    roi_ub: (
        Annotated[
            float,
            key(
                "Highest price of `bid_depth` and `ask_depth`, with `roi_lb`; absent: a fifth above the first mid.",
                "quote",
                gt=0,
                le=1e12,
            ),
        ]
        | None
    ) = None


class VenueFile(Table, frozen=True, kw_only=True):
    """A venue: `binance.toml`, `bybit.toml`, ..."""

    name: Annotated[VenueName, key("What legs and `[capital]` call the venue.")]
    adapter: Annotated[
        str,
        key(
            "The class that implements the venue's protocol.",
            form='"module:Class"',
            pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z",
        ),
    ]
    kind: Annotated[
        Literal["spot", "linear"], key("Spot, traded from inventory; or linear perpetuals, traded on margin.")
    ]
    connection: Connection
    testnet: Elsewhere = field(default_factory=Elsewhere)
    demo: Elsewhere = field(default_factory=Elsewhere)
    auth: AuthTable = field(default_factory=AuthTable)
    fees: Fees
    latency: Latency
    queue: Queue = field(default_factory=Queue)
    symbols: dict[SymbolName, Symbol] = field(default_factory=dict)

"""Frames that Hypothesis makes up: of the right form, nearly of the right form, and of odd values."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SYMBOLS = ["BTCUSDT", "ETHUSDT"]


def often(common: Any, rare: Any) -> Any:
    """`common` mostly, so that whole frames come out well often enough."""
    return st.sampled_from(range(60)).flatmap(lambda n: rare if n == 37 else common)


_DIGITS = st.text("0123456789", min_size=1, max_size=9)
PLAIN_DECIMALS = st.builds(lambda a, b: f"{a}.{b}" if b else a, _DIGITS, _DIGITS | st.just(""))
ODD_DECIMALS = st.sampled_from([
    "", ".", "1.", ".5", "-1", "+1", " 1", "1 ", "1_0", "nan", "NaN", "inf", "Infinity", "1e5", "1E-7",
    "1e400", "0x1", "00012.50", "0.00000000", "-0", "9007199254740993", "9007199254740992.0",
    "0.1234567890123456789", "1.5e3", "18446744073709551616", "99999999999999999999",
    "1.00000000000000000000000000", "\\u0031", "1\\n", "\u0663", "\uff11",
])  # fmt: skip
DECIMAL_TEXTS = often(PLAIN_DECIMALS, ODD_DECIMALS)
DECIMALS = often(
    DECIMAL_TEXTS.map(lambda text: f'"{text}"'), st.sampled_from(["1", "1.5", "null", "[]", "true", '"'])
)

_ODD_NUMBERS = st.sampled_from([
    "-1", "-0", "007", "1.0", "1.5", "1e3", "null", "true", '"5"', "[]", "{}", "NaN", "Infinity", "",
    "0x5", str(10**17), str(10**18 - 1), str(10**18), str(2**62), str(2**63), str(2**64), "9" * 40,
])  # fmt: skip
IDS = often(st.integers(0, 2**42).map(str), _ODD_NUMBERS)
_STAMPS = st.integers(1_600_000_000_000, 1_900_000_000_000)
_LIMITS = st.sampled_from(
    [0, 2**63 // 10**6 - 1, 2**63 // 10**6, 10**14 - 1, 10**14, 2**63 // 1000 - 1, 2**63 // 1000]
)
STAMPS = often(
    _STAMPS.map(str) | _STAMPS.map(lambda ms: f"{ms}123") | _LIMITS.map(str),
    _ODD_NUMBERS | st.integers(0, 10**20).map(str),
)
FLAGS = often(
    st.sampled_from(["true", "false"]), st.sampled_from(["tru", "True", "1", "null", '"true"', "f"])
)
NAMES = often(
    st.just('"BTCUSDT"'),
    st.sampled_from(
        ['"ETHUSDT"', '"DOGEUSDT"', '""', '"BTC\\u0055SDT"', '"BTCUSDT "', '"比特币"', "5", "null", '"B\\"T"']
    ),
)
_LEVEL = often(
    st.builds(lambda px, qty: f"[{px},{qty}]", DECIMALS, DECIMALS),
    st.sampled_from(["[]", '["1"]', '["1","2","3"]', '["1", "2"]', "null", '"12"', '["1","2"', "[1,2]", ""]),
)
LEVELS = often(
    st.lists(_LEVEL, max_size=5).map(lambda levels: f"[{','.join(levels)}]"),
    st.sampled_from(["[[]]", "null", "{}", '""', '[["1","2"],]', "[,]", '[["1","2"]["3","4"]]', "[", "5"]),
)

_UNKNOWN_KEYS = st.sampled_from([
    "x", "z", "Q", "M", "t", "st", "ps", "nq", "L", "i", "BT", "event", "stream", "data", "seq", "cts",
    "é", "", "a b", "e", "E", "T", "U", "u", "pu", "s", "b", "a", "B", "A", "p", "q", "X", "m", "S", "v",
    "ts", "type", "topic", "lastUpdateId", '"', "\\", "\\u0062", "\x01", "[", "_", "~", "0", "bids",
    "asks",
])  # fmt: skip
_UNKNOWN_VALUES = st.sampled_from([
    "1", "0", "-1", "1.5", "1e3", '""', '"x"', '"a\\"b"', '"\\u00e9"', '"é"', "true", "false", "null",
    "[]", "{}", "[1,[2]]", '{"b":[["1","2"]]}', "01", "nul", "NaN", '"\x01"', "9" * 30, '["1","2"]',
    '[["1","2"]]',
])  # fmt: skip
_UNKNOWN = st.tuples(_UNKNOWN_KEYS, _UNKNOWN_VALUES)

_EVENT_NAMES = st.sampled_from(['"kline"', '"trade "', "null", "5", '"depthUpdat"', '"depthUpdate2"', '""'])


@st.composite
def object_of(draw: Any, fields: dict[str, Any]) -> str:
    """A JSON object of these fields in some order; now and then one is missing, doubled, unknown, or spaced."""
    pairs = [(key, draw(value)) for key, value in fields.items()]
    if draw(st.integers(0, 2)):
        pairs = draw(st.permutations(pairs))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        pairs.insert(draw(st.integers(0, len(pairs))), draw(_UNKNOWN))
    fault = draw(st.integers(0, 40))
    if fault == 0 and pairs:
        pairs.pop(draw(st.integers(0, len(pairs) - 1)))
    if fault == 1:
        key = draw(st.sampled_from([*fields]))
        pairs.insert(draw(st.integers(0, len(pairs))), (key, draw(fields[key])))
    comma, colon = draw(
        often(st.just((",", ":")), st.sampled_from([(", ", ": "), (" ,", ":"), (",", ":\t"), (";", ":")]))
    )
    return "{" + comma.join(f'"{key}"{colon}{value}' for key, value in pairs) + "}"


def _event(name: str) -> Any:
    return often(st.just(f'"{name}"'), _EVENT_NAMES)


def _levels(bids: str, asks: str) -> dict[str, Any]:
    return {bids: LEVELS, asks: LEVELS}


_SPOT_DEPTH = {"e": _event("depthUpdate"), "E": STAMPS, "s": NAMES, "U": IDS, "u": IDS, **_levels("b", "a")}
_USDM_DEPTH = {**_SPOT_DEPTH, "T": STAMPS, "pu": IDS}
_TRADE = {"s": NAMES, "t": IDS, "p": DECIMALS, "q": DECIMALS, "T": STAMPS, "m": FLAGS}
_X = often(
    st.just('"MARKET"'), st.sampled_from(['"ADL"', '"NA"', '"INSURANCE_FUND"', "null", '"MARKET2"', "5"])
)
_BBO = {"u": IDS, "s": NAMES, "b": DECIMALS, "B": DECIMALS, "a": DECIMALS, "A": DECIMALS}
_SNAPSHOT = {"lastUpdateId": IDS, **_levels("bids", "asks")}

_BINANCE_OBJECTS = st.one_of(
    object_of(_SPOT_DEPTH),
    object_of(_USDM_DEPTH),
    object_of({"e": _event("trade"), "E": STAMPS, **_TRADE}),
    object_of({"e": _event("trade"), "E": STAMPS, **_TRADE, "X": _X}),
    object_of({"e": _event("aggTrade"), "E": STAMPS, **_TRADE, "a": IDS}),
    object_of(_BBO),
    object_of({"e": _event("bookTicker"), "E": STAMPS, "T": STAMPS, **_BBO}),
    object_of(_SNAPSHOT),
    object_of({**_SNAPSHOT, "E": STAMPS, "T": STAMPS}),
)
_STREAMS = st.sampled_from(
    ["btcusdt@depth@100ms", "btcusdt@depth5", "btcusdt@trade", "", "é", "a\\nb", "x@depth20@500ms"]
)


@st.composite
def binance_frames(draw: Any) -> bytes:
    """A Binance frame, raw or combined."""
    text = draw(_BINANCE_OBJECTS)
    form = draw(st.integers(0, 20))
    stream = draw(_STREAMS)
    if form < 8:
        text = f'{{"stream":"{stream}","data":{text}}}'
    elif form == 8:
        text = f'{{"data":{text},"stream":"{stream}"}}'
    elif form == 9:
        text = f'{{"stream":"{stream}","data":{text},"more":1}}'
    elif form == 10:
        text = draw(
            st.sampled_from([text + " ", " " + text, text + "}", f"[{text}]", text + text, text + "\r"])
        )
    return text.encode()


_BOOK_DATA = {"s": NAMES, **_levels("b", "a"), "u": IDS, "seq": IDS}
_TYPES = often(
    st.sampled_from(['"snapshot"', '"delta"']), st.sampled_from(['"x"', "null", '"deltas"', '"snap"'])
)
_BOOK_TOPICS = often(
    st.sampled_from(["orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT", "orderbook.1000.BTCUSDT"]),
    st.sampled_from([
        "orderbook.1", "orderbook.50", "orderbook.rpi.BTCUSDT", "orderbook.5x.BTCUSDT", "orderbook.", "orderbook.01.B",
        "orderbook.1é.B", "publicTrade.BTCUSDT", "kline.1.BTCUSDT", "", "orderbook.123456789012.B", "orderbook..B",
    ]),
).map(lambda topic: f'"{topic}"')  # fmt: skip
_TRADE_TOPICS = often(
    st.just('"publicTrade.BTCUSDT"'),
    st.sampled_from(['"publicTrade."', '"publicTrade"', '"orderbook.1.BTCUSDT"']),
)
_SIDES = often(
    st.sampled_from(['"Buy"', '"Sell"']), st.sampled_from(['"buy"', '"Buyer"', "null", '""', "true"])
)
_BYBIT_TRADE = {
    "T": STAMPS, "s": NAMES, "S": _SIDES, "v": DECIMALS, "p": DECIMALS, "L": st.just('"PlusTick"'), "BT": FLAGS,
}  # fmt: skip
_TRADE_LIST = often(
    st.lists(object_of(_BYBIT_TRADE), min_size=1, max_size=3).map(lambda trades: f"[{','.join(trades)}]"),
    st.sampled_from(["[]", "null", "{}", "[{}]", "[null]"]),
)
_BYBIT = {"ts": STAMPS, "type": _TYPES}
_BYBIT_OBJECTS = st.one_of(
    object_of({"topic": _BOOK_TOPICS, **_BYBIT, "data": object_of(_BOOK_DATA), "cts": STAMPS}),
    object_of({"topic": _BOOK_TOPICS, **_BYBIT, "data": object_of(_BOOK_DATA)}),
    object_of({"topic": _TRADE_TOPICS, **_BYBIT, "data": _TRADE_LIST}),
)


@st.composite
def bybit_frames(draw: Any) -> bytes:
    """A Bybit frame."""
    text = draw(_BYBIT_OBJECTS)
    ends = [("", "")] * 12 + [(" ", ""), ("", "\n"), ("", "}"), ("[", "]"), ("", "\r")]
    before, behind = draw(st.sampled_from(ends))
    return (before + text + behind).encode()


FRAMES = {
    "binance_spot": binance_frames(),
    "binance_usdm": binance_frames(),
    "bybit_spot": bybit_frames(),
    "bybit_linear": bybit_frames(),
}

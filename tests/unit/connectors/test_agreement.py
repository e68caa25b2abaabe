"""The compiled parser refuses a frame, or makes exactly what the venue's JSON decoder makes: frames made up."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.parse import FrameParser
from support.strategies import FRAMES, SYMBOLS
from support.venues import VENUES

from connectors.errors import DecodeError
from connectors.parsing.json_fields import decimal
from connectors.parsing.scanner import padded, read_decimal, read_int

PARSERS = {name: FrameParser(venue, SYMBOLS) for name, venue in VENUES.items()}
FEW = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm", "bybit_linear"])
def test_made_up_frames(venue: str) -> None:
    results = Counter()

    @FEW
    @given(FRAMES[venue])
    def agree(frame: bytes) -> None:
        results[PARSERS[venue].check(frame)] += 1

    agree()
    # Else the strategy has gone astray and the test says nothing.
    assert min(results["parsed"], results["decoded"], results["refused"]) > 10


TRADE = b'"e":"trade","E":1,"T":1660228023973,"s":"BTCUSDT","p":"1.5","q":"2","m":true'
BBO = b'"u":4,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"'
DEPTH = b'"e":"depthUpdate","E":1,"T":1660228023973,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[["1","2"]],"a":[]'
BOOK = b'"s":"BTCUSDT","b":[["1","2"]],"a":[["3","4"]],"u":5,"seq":6'
PRINT = b'"T":1660228023973,"s":"BTCUSDT","S":"Buy","v":"1","p":"2"'


def bybit(topic: bytes, data: bytes, kind: bytes = b"snapshot", ts: bytes = b"1672304484978") -> bytes:
    return b'{"topic":"%s","type":"%s","ts":%s,"data":%s}' % (topic, kind, ts, data)


@pytest.mark.parametrize(
    "frame",
    [
        b'{""":5,' + TRADE + b"}",
        b'{"\\":5,' + TRADE + b"}",
        b'{"\x01":5,' + TRADE + b"}",
        b'{"\xc3":5,' + TRADE + b"}",
        b"{" + TRADE.replace(b"BTCUSDT", b"") + b"}",
        b"{" + TRADE + b',"p":2}',
        b"{" + TRADE + b',"m":"no"}',
        b"{" + TRADE + b',"q":null}',
        b"{" + BBO + b',"B":5}',
        b"{" + BBO + b',"b":[["1","2"]]}',
        b"{" + DEPTH + b',"b":7}',
        b"{" + DEPTH + b',"a":"7"}',
        b'{"stream":"x",' + TRADE + b',"data":5}',
        b'{"data":"x",' + BBO + b',"stream":"y"}',
        b'{"e":"trade","E":1,"T":9660228023973,"s":"BTCUSDT","p":"1.5","q":"2","m":true}',
        b'{"e":"trade","E":1,"T":16602280239731,"s":"BTCUSDT","p":"1.5","q":"2","m":true}',
        b'{"e":"trade","E":1,"T":9660228023973000,"s":"BTCUSDT","p":"1.5","q":"2","m":true}',
    ],
    ids=lambda frame: repr(frame[:24]),
)
@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_binance_frames_that_no_json_decoder_takes(venue: str, frame: bytes) -> None:
    assert PARSERS[venue].check(frame) == "refused"


@pytest.mark.parametrize(
    "frame",
    [
        bybit(b"orderbook.50.BTCUSDT", b'{""":5,' + BOOK + b"}"),
        bybit(b"orderbook.50.BTCUSDT", b'{"\\":5,' + BOOK + b"}"),
        bybit(b"orderbook.50.BTCUSDT", b"{" + BOOK + b"}", ts=b"9672304484978"),
        bybit(b"publicTrade.BTCUSDT", b'[{"\x02":5,' + PRINT + b"}]"),
        bybit(b"orderbook.50.BTCUSDT", b"{" + BOOK.replace(b"BTCUSDT", b"") + b"}"),
        bybit(b"publicTrade.BTCUSDT", b"[{" + PRINT + b',"v":1}]'),
        bybit(b"publicTrade.BTCUSDT", b"[{" + PRINT.replace(b"BTC", b"XRP") + b"},{" + PRINT + b"}]"),
    ],
    ids=range(7),
)
def test_bybit_frames_that_no_json_decoder_takes(frame: bytes) -> None:
    assert PARSERS["bybit_linear"].check(frame) == "refused"


@pytest.mark.parametrize("topic", [b"orderbook.1", b"orderbook.5x.BTCUSDT", b"orderbook.1x.BTCUSDT"])
def test_odd_topics_are_left_to_the_json_decoder(topic: bytes) -> None:
    assert PARSERS["bybit_linear"].check(bybit(topic, b"{" + BOOK + b"}")) == "decoded"


@pytest.mark.parametrize(
    "frame",
    [
        b"{" + TRADE + b',"u":7,"U":8,"pu":9,"lastUpdateId":10}',
        b"{" + BBO + b',"U":8,"pu":9}',
        b'{"lastUpdateId":5,"pu":9,"U":3,"bids":[],"asks":[]}',
    ],
    ids=["trade", "touch", "snapshot"],
)
def test_ids_of_other_kinds_do_not_leak_into_a_message(frame: bytes) -> None:
    assert PARSERS["binance_usdm"].check(frame) == "parsed"


@pytest.mark.parametrize(
    "frame",
    [
        b"{" + TRADE + b',"b":[["1","2"]]}',
        b"{" + TRADE + b',"a":[["1","2"]]}',
        b"{" + TRADE + b',"bids":[["1","2"]]}',
        b"{" + DEPTH + b',"asks":[["1","2"]]}',
        b"{" + TRADE + b',"x":{"b":[["1","2"]]}}',
    ],
    ids=range(5),
)
def test_levels_under_unknown_keys_make_no_rows(frame: bytes) -> None:
    assert PARSERS["binance_usdm"].check(frame) == "decoded"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b" ",
        b"[]",
        b"5",
        b"null",
        b'"x"',
        b"\x00" * 40,
        b"\xff" * 40,
        b"[" * 100000,
        b'{"a":' * 100000,
        b'{"e":"trade","p":' + b"9" * 5000 + b"}",
        b'{"topic":5}',
        b'{"e":[],"stream":1}',
        b'{"topic":"orderbook.50.X","type":"delta","ts":1,"data":{"s":"X","u":1,"b":[["1e999","1"]]}}',
    ],
    ids=lambda frame: repr(frame[:20]),
)
def test_what_is_no_frame_is_a_decode_error_and_nothing_else(venue: str, frame: bytes) -> None:
    assert PARSERS[venue].check(frame[: 1 << 15]) == "refused"
    with pytest.raises(DecodeError) as caught:
        VENUES[venue].decode(frame)
    assert len(str(caught.value)) < 400
    assert str(caught.value).splitlines() == [str(caught.value)]


def parsed_decimal(text: str) -> float | None:
    value, behind, is_one = read_decimal(padded(text.encode() + b'"rest'), 0)
    assert not is_one or behind == len(text) + 1
    return value if is_one else None


DIGITS = st.text("0123456789", min_size=1, max_size=20)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.builds(lambda a, b: f"{a}.{b}", DIGITS, DIGITS) | DIGITS)
@example("9007199254740993")
@example("9007199254740992.5")
@example("18446744073709551616")
@example("99999999999999999999")
@example("0.0000000000000000000001")
@example("123456789012345678.90")
@example("1.000000000000000000")
def test_a_decimal_is_the_float_that_python_reads(text: str) -> None:
    value = parsed_decimal(text)
    digits = text.replace(".", "")
    if value is None:
        assert len(digits) > 15  # no price or quantity of a venue is refused
    else:
        assert math.copysign(value, 1.0).hex() == float(text).hex() == decimal(text).hex()


def test_venue_decimals_of_all_lengths_are_taken_and_exact() -> None:
    chance = np.random.default_rng(7)
    for mantissa in chance.integers(0, 10**15, 600).tolist():
        for scale in (0, 1, 2, 3, 5, 8):
            text = f"{mantissa // 10**scale}" + (f".{mantissa % 10**scale:0{scale}d}" if scale else "")
            value = parsed_decimal(text)
            assert value is not None
            assert value.hex() == float(text).hex()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text("0123456789+-.eE_ \x00/:", max_size=22))
def test_what_is_no_plain_decimal_is_refused_or_agreed_upon(text: str) -> None:
    value = parsed_decimal(text)
    if value is not None:
        assert value == decimal(text)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.text("0123456789", min_size=0, max_size=22), st.sampled_from([b",", b"}", b".5", b"e3", b"", b'"']))
def test_an_integer_is_read_whole_or_not_at_all(text: str, tail: bytes) -> None:
    value, behind = read_int(padded(text.encode() + tail), 0)
    if behind == len(text) and text:
        assert value == int(text)
        assert len(text) <= 18
    else:
        assert text == "" or text[0] == "0" or len(text) > 18

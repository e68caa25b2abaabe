"""Mark price, funding rate and next funding time: from the venues' documented frames to rows for the venue's side."""

from __future__ import annotations

import math

import pytest
from support.parse import FrameParser
from support.venues import VENUES

from connectors.errors import DecodeError
from connectors.model import FUNDING_EVENT, Kind

#: USDⓈ-M "Mark Price Stream" (read 2026-10-23), in the form of a combined stream.
MARK_PRICE = (
    b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT",'
    b'"p":"11794.15000000","i":"11784.62659091","P":"11784.25641265","r":"0.00038167","ap":"11794.15","T":1562306400000,'
    b'"st":1}}'
)
#: v5 `websocket/public/ticker.mdx` (read 2026-07-24), linear, some fields left out.
SNAPSHOT = (
    b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","tickDirection":"PlusTick",'
    b'"lastPrice":"17216.00","markPrice":"17217.33","indexPrice":"17227.36","nextFundingTime":"1673280000000",'
    b'"fundingRate":"-0.000212","bid1Price":"17215.50","bid1Size":"84.489"},"cs":24987956059,"ts":1673272861686}'
)
DELTA = b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT",%b},"cs":24987956060,"ts":1673272861786}'

MS = 1_000_000


def rows_of(venue: str, frame: bytes) -> tuple[int, list[float]]:
    """Venue time in ms, and mark price, rate and next funding time in ms of the frame's only row."""
    message = VENUES[venue].decode(frame)
    assert (message.kind, message.symbol, len(message.rows)) == (Kind.FUNDING, "BTCUSDT", 1)
    row = message.rows[0]
    assert (int(row["ev"]), float(row["qty"]), int(row["order_id"])) == (FUNDING_EVENT, 0.0, 0)
    assert message.exch_ts == row["exch_ts"]
    return message.exch_ts // MS, [float(row["px"]), float(row["fval"]), int(row["ival"]) // MS]


def is_same(found: list[float], expected: list[float]) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(found, expected, strict=True))


def test_binance_usdm_sends_all_three() -> None:
    assert rows_of("binance_usdm", MARK_PRICE) == (1562305380000, [11794.15, 0.00038167, 1562306400000])
    raw = MARK_PRICE.partition(b'"data":')[2][:-1]
    assert rows_of("binance_usdm", raw) == rows_of("binance_usdm", MARK_PRICE)


def test_a_dated_contract_has_a_mark_price_alone() -> None:
    frame = MARK_PRICE.replace(b'"r":"0.00038167"', b'"r":""').replace(b'"T":1562306400000', b'"T":0')
    assert is_same(rows_of("binance_usdm", frame)[1], [11794.15, math.nan, 0])


def test_bybit_linear_sends_all_in_a_snapshot() -> None:
    assert rows_of("bybit_linear", SNAPSHOT) == (1673272861686, [17217.33, -0.000212, 1673280000000])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b'"markPrice":"17217.34"', [17217.34, math.nan, 0]),
        (b'"fundingRate":"0.0001"', [math.nan, 0.0001, 0]),
        (b'"nextFundingTime":"1673308800000"', [math.nan, math.nan, 1673308800000]),
        (b'"fundingRate":"","markPrice":"17217.34","nextFundingTime":""', [17217.34, math.nan, 0]),
    ],
    ids=["mark", "rate", "time", "dated"],
)
def test_a_bybit_delta_has_what_changed(fields: bytes, expected: list[float]) -> None:
    assert is_same(rows_of("bybit_linear", DELTA % fields)[1], expected)


def test_a_bybit_delta_of_other_fields_has_no_row() -> None:
    message = VENUES["bybit_linear"].decode(DELTA % b'"bid1Size":"84.1"')
    assert (message.kind, len(message.rows)) == (Kind.OTHER, 0)


@pytest.mark.parametrize(("venue", "frame"), [("binance_spot", MARK_PRICE), ("bybit_spot", SNAPSHOT)])
def test_spot_has_no_funding(venue: str, frame: bytes) -> None:
    message = VENUES[venue].decode(frame)
    assert (message.kind, len(message.rows)) == (Kind.OTHER, 0)


@pytest.mark.parametrize(
    ("venue", "frame"),
    [
        ("binance_usdm", MARK_PRICE.replace(b'"11794.15000000"', b'"-1.0"')),
        ("binance_usdm", MARK_PRICE.replace(b'"11794.15000000"', b"11794.15")),
        ("binance_usdm", MARK_PRICE.replace(b'"0.00038167"', b'"--0.1"')),
        ("binance_usdm", MARK_PRICE.replace(b'"T":1562306400000', b'"T":15623064000000')),
        ("binance_usdm", MARK_PRICE.replace(b'"s":"BTCUSDT",', b"")),
        ("bybit_linear", DELTA % b'"nextFundingTime":"soon"'),
        ("bybit_linear", DELTA % b'"nextFundingTime":"9673308800000"'),
        ("bybit_linear", DELTA % b'"fundingRate":"nan"'),
        ("bybit_linear", DELTA % b'"markPrice":null'),
    ],
    ids=range(9),
)
def test_what_cannot_be_read_is_an_error(venue: str, frame: bytes) -> None:
    with pytest.raises(DecodeError):
        VENUES[venue].decode(frame)


@pytest.mark.parametrize(("venue", "frame"), [("binance_usdm", MARK_PRICE), ("bybit_linear", SNAPSHOT)])
def test_the_compiled_parsers_leave_these_frames_to_the_json_decoder(venue: str, frame: bytes) -> None:
    assert FrameParser(VENUES[venue], ["BTCUSDT"]).check(frame) == "decoded"

"""Which best-bid-and-offer updates are left out of the fused book: only what the book contains already, by the ids.

The ids and the book are followed here by plain Python over the raw JSON, the choice is the product's. That every one
that is not left out shows its own prices and quantities is in `test_fused_recordings`.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hftbacktest.types import DEPTH_BBO_EVENT
from support.books import BUY, SELL, PlainBook
from support.official import raw_messages
from support.paths import RECORDINGS, needs_recordings
from support.venues import VENUES

from arb.data.text import read_pieces
from connectors.book.sync import BookSync
from connectors.model import Kind
from connectors.parsing.lines import LineDecoder

pytestmark = [needs_recordings, pytest.mark.slow]


class Ticker(NamedTuple):
    """A bookTicker beside the book at its receipt."""

    update_id: int
    #: Last id that the book contains; 0: no snapshot yet.
    book_id: int
    #: Of the venue, ms; 0: it sends none.
    time_ms: int
    book_time_ms: int
    #: same, quantity or price: what differs from the depth stream's own touch. Only of those at or behind the book.
    difference: str
    is_shown: bool


def paths_of(venue: str, symbol: str) -> list[Path]:
    """All days, in order."""
    return sorted((RECORDINGS / venue).glob(f"{symbol}_*.gz"))


def shown_numbers(venue: str, symbol: str) -> set[int]:
    """Numbers of the lines, over all days, whose BBO rows the product passes on."""
    sync = BookSync(VENUES[venue].sequence_rule, keep_bbo=True)
    shown: set[int] = set()
    count = 0
    for path in paths_of(venue, symbol):
        for rows, messages in LineDecoder(VENUES[venue], symbol.upper()).decode(read_pieces(path)):
            for message in messages[messages["kind"] == Kind.BBO]:
                # Rows carry the number of their line through, in the field that nothing else of a BBO row uses.
                rows["ival"][message["row_start"] : message["row_end"]] = count + message["line"]
            out = sync.receive(rows, messages)
            is_bbo = out["ev"] & np.uint64(0xFF) == DEPTH_BBO_EVENT
            shown.update(out["ival"][is_bbo].tolist())
        count += int(messages["line"][-1])
    return shown


class Book:
    """The depth stream's book and its last id, by the official rule: what is known is known from its snapshot on."""

    def __init__(self) -> None:
        self.book = PlainBook()
        self.last_id = self.time_ms = 0
        self._held: list[dict[str, Any]] = []

    def receive(self, message: dict[str, Any]) -> None:
        if "lastUpdateId" in message:
            self.last_id, self.time_ms = message["lastUpdateId"], message.get("T", 0)
            self._set(message["bids"], message["asks"])
            for event in self._held:
                self._change(event)
        elif message.get("e") == "depthUpdate":
            if self.last_id:
                self._change(message)
            else:
                self._held.append(message)

    def _change(self, event: dict[str, Any]) -> None:
        if event["u"] > self.last_id:
            self.last_id, self.time_ms = event["u"], event.get("T", 0)
            self._set(event["b"], event["a"])

    def _set(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        for side, levels in ((BUY, bids), (SELL, asks)):
            for px, qty in levels:
                self.book.set(side, float(px), float(qty))

    def difference(self, ticker: dict[str, Any]) -> str:
        bids, asks = self.book.sides[BUY], self.book.sides[SELL]
        bid, ask = max(bids), min(asks)
        if (bid, ask) != (float(ticker["b"]), float(ticker["a"])):
            return "price"
        return "same" if (bids[bid], asks[ask]) == (float(ticker["B"]), float(ticker["A"])) else "quantity"


@cache
def tickers(venue: str, symbol: str) -> list[Ticker]:
    """All tickers of all days."""
    shown = shown_numbers(venue, symbol)
    book, found, number = Book(), [], 0
    for path in paths_of(venue, symbol):
        for _, message in raw_messages(path):
            number += 1
            book.receive(message)
            if "A" in message and message.get("e", "bookTicker") == "bookTicker":
                update_id = message["u"]
                is_overtaken = 0 < update_id <= book.last_id
                found.append(
                    Ticker(
                        update_id,
                        book.last_id,
                        message.get("T", 0),
                        book.time_ms,
                        book.difference(message) if is_overtaken else "",
                        number in shown,
                    )
                )
    return found


CASES = [
    ("binance_usdm", "btcusdt", 66_089, 43, 1_093),
    ("binance_usdm", "ethusdt", 53_992, 32, 416),
    ("binance_spot", "btcusdt", 73_174, 3, 0),
    ("binance_spot", "ethusdt", 58_758, 3, 0),
]


@pytest.mark.parametrize(("venue", "symbol", "total", "before", "overtaken"), CASES)
def test_only_what_the_book_contains_is_left_out(
    venue: str, symbol: str, total: int, before: int, overtaken: int
) -> None:
    found = tickers(venue, symbol)
    for ticker in found:
        assert ticker.is_shown == (0 < ticker.book_id < ticker.update_id), ticker
    left_out = [ticker for ticker in found if not ticker.is_shown]
    assert (len(found), sum(ticker.book_id == 0 for ticker in left_out)) == (total, before)
    assert len(left_out) == before + overtaken


@pytest.mark.parametrize(("venue", "symbol"), [case[:2] for case in CASES])
def test_one_of_the_books_own_id_says_what_the_book_says(venue: str, symbol: str) -> None:
    equal = [t for t in tickers(venue, symbol) if t.update_id == t.book_id]
    assert {ticker.difference for ticker in equal} <= {"same"}
    assert venue == "binance_spot" or len(equal) > 50


@pytest.mark.parametrize(("venue", "symbol"), [case[:2] for case in CASES[:2]])
def test_the_venues_times_agree_with_its_ids(venue: str, symbol: str) -> None:
    for ticker in tickers(venue, symbol):
        if ticker.book_id:
            assert (
                (ticker.time_ms <= ticker.book_time_ms)
                if not ticker.is_shown
                else (ticker.time_ms >= ticker.book_time_ms)
            )


def test_the_cases_are_those_of_the_decision() -> None:
    """The table of docs/decisions/0005-stale-tickers.md."""
    text = (Path(__file__).parents[2] / "docs" / "decisions" / "0005-stale-tickers.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")
    ]
    table = {cells[0]: [int(cell.replace(",", "")) for cell in cells[1:]] for cells in rows[2:]}
    columns = [tickers(*case[:2]) for case in CASES]
    assert table == {name: [count(column)[name] for column in columns] for name in table}
    assert len(table) == 10


def count(found: list[Ticker]) -> Counter[str]:
    """How many there are, by the words of the table."""
    counts: Counter[str] = Counter()
    for ticker in found:
        counts["bookTickers"] += 1
        if ticker.is_shown:
            counts["newer than the book: shown"] += 1
        elif not ticker.book_id:
            counts["before the snapshot"] += 1
        elif ticker.update_id == ticker.book_id:
            counts["at the book's id: same prices and quantities"] += 1
        else:
            when = "same time" if ticker.time_ms == ticker.book_time_ms else "older time"
            counts[f"older id, {when}: {ticker.difference}"] += 1
    return counts

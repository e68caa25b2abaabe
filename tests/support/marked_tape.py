"""A tape with mark prices: frames of `markPrice@1s` and `tickers` beside those of the seeded market, which has none."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

from arb.sandbox.events import Listing
from arb.sandbox.serve.tape import Line, Tape
from connectors.units import MILLISECOND

#: Between two frames of an instrument.
STEP_NS = 700 * MILLISECOND


class MarkedTape:
    """Adds frames for the perpetuals; mark prices and funding rates are random, funding times multiples of 3 s."""

    def __init__(self, tape: Tape, seed: int, prices: dict[str, float]) -> None:
        self._tape = tape
        self._chance = random.Random(seed)
        self._prices = prices
        self._next_ns = tape.start_ns + STEP_NS

    @property
    def listings(self) -> Sequence[Listing]:
        return self._tape.listings

    @property
    def start_ns(self) -> int:
        return self._tape.start_ns

    @property
    def has_ended(self) -> bool:
        return self._tape.has_ended

    def snapshot(self, no: int) -> str | None:
        return self._tape.snapshot(no)

    def source_of(self, no: int, key: str) -> str | None:
        return key if key == _key(self.listings[no]) else self._tape.source_of(no, key)

    def advance(self, to_ns: int) -> list[Line]:
        lines = self._tape.advance(to_ns)
        while self._next_ns <= to_ns:
            lines += [self._frame(no, one) for no, one in enumerate(self.listings) if not one.is_spot]
            self._next_ns += STEP_NS
        return sorted(lines, key=lambda line: line.send_ns)

    def _frame(self, no: int, listing: Listing) -> Line:
        now_ms = self._next_ns // MILLISECOND
        next_ms = (now_ms // 3000 + 1) * 3000
        price = Decimal(self._prices[listing.symbol]) * Decimal(self._chance.uniform(0.999, 1.001))
        rate = Decimal(self._chance.randint(-5000, 5000)).scaleb(-7)
        if listing.venue == "binance_usdm":
            data = (
                f'{{"e":"markPriceUpdate","E":{now_ms},"s":"{listing.symbol}","p":"{price:.8f}","i":"{price:.8f}",'
                f'"P":"{price:.8f}","r":"{rate:.8f}","T":{next_ms}}}'
            )
            text = f'{{"stream":"{_key(listing)}","data":{data}}}'
        else:
            text = (
                f'{{"topic":"{_key(listing)}","type":"snapshot","data":{{"symbol":"{listing.symbol}",'
                f'"markPrice":"{price:.2f}","fundingRate":"{rate:.8f}","nextFundingTime":"{next_ms}"}},'
                f'"cs":1,"ts":{now_ms}}}'
            )
        return Line(self._next_ns, no, _key(listing), text)


def _key(listing: Listing) -> str:
    """The stream of mark prices of a perpetual."""
    if listing.venue == "binance_usdm":
        return f"{listing.symbol.lower()}@markPrice@1s"
    return f"tickers.{listing.symbol}"

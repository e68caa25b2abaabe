"""A tape that is read ahead sends the same frames at the same times."""

from __future__ import annotations

import pytest
from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES, START_NS

from arb.sandbox.serve.ahead import AheadTape
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.tape import SNAPSHOT, Line
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

STEPS = [START_NS + step * 30 * MS for step in range(60)]


def seeded() -> SeededTape:
    return SeededTape([LISTINGS["binance_spot"], LISTINGS["bybit_linear"]], PRICES, default_rng(4), START_NS)


def test_clients_get_the_same_frames_at_the_same_times() -> None:
    plain, seen = seeded(), list[Line]()
    ahead = AheadTape(seeded(), seen.append, 200 * MS)
    assert [line.key for line in seen] == [SNAPSHOT]
    sent = list[Line]()
    for to_ns in STEPS:
        lines = ahead.advance(to_ns)
        sent += lines
        assert [line for line in lines if line.key != SNAPSHOT] == plain.advance(to_ns)
        assert seen[: len(sent)] == sent
        assert all(to_ns < line.send_ns <= to_ns + 200 * MS for line in seen[len(sent) :])
    assert len(seen) > len(sent) > 100
    assert not ahead.has_ended
    assert ahead.source_of(0, "btcusdt@trade") == "btcusdt@trade"


def test_books_of_rest_responses_are_built_from_what_was_sent() -> None:
    ahead = AheadTape(seeded(), lambda line: None)
    instrument = Exchange(FAMILIES["binance_spot"], ahead).instruments["BTCUSDT"]
    assert instrument.depth(5) is None
    last_id = 0
    for to_ns in STEPS:
        for line in ahead.advance(to_ns):
            if line.no == 0:
                instrument.follow(line)
                if line.key == "btcusdt@depth@100ms":
                    last_id = int(line.text.partition('"u":')[2].partition(",")[0])
    assert f'{{"lastUpdateId":{last_id},' in (instrument.depth(5) or "")


class Short:
    """A tape of one frame a second, which ends after three."""

    listings = ()
    start_ns = START_NS
    has_ended = False

    def advance(self, to_ns: int) -> list[Line]:
        self.has_ended = to_ns >= START_NS + 3 * S
        return [
            Line(START_NS + n * S, 0, "key", "") for n in (1, 2, 3) if to_ns - S < START_NS + n * S <= to_ns
        ]

    def snapshot(self, no: int) -> str | None:
        return None

    def source_of(self, no: int, key: str) -> str | None:
        return None


@pytest.mark.parametrize("ahead_ns", [S, 2 * S])
def test_it_ends_when_clients_got_the_last_frame(ahead_ns: int) -> None:
    tape = AheadTape(Short(), lambda line: None, ahead_ns)
    for second in range(-1, 4):
        assert not tape.has_ended
        lines = tape.advance(START_NS + second * S)
        assert len(lines) == (second > 0)
    assert tape.has_ended

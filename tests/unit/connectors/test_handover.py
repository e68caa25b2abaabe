"""Two connections with the same streams, joined at any moment: nothing is lost, nothing doubled, nothing reordered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.venues import VENUES

from connectors.net.handover import HELD_MAX, Handover

SPOT, LINEAR = VENUES["binance_spot"], VENUES["bybit_linear"]


def trade(number: int) -> bytes:
    return b'{"stream":"x@trade","data":{"e":"trade","t":%d}}' % number


def book(number: int, kind: bytes = b"delta") -> bytes:
    return b'{"topic":"orderbook.50.X","type":"%s","data":{"s":"X","u":1,"seq":%d}}' % (kind, number)


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[bool, int]]:
    """(is of the new connection, number): the old one from 1 on, the new one from some number on, interleaved."""
    last = draw(st.integers(1, 20))
    old, new = list(range(1, last + 1)), list(range(draw(st.integers(1, last)), last + 1))
    out = []
    while old or new:
        take_new = bool(new) and (not old or draw(st.booleans()))
        out.append((take_new, (new if take_new else old).pop(0)))
    return out


@given(deliveries(), st.integers(0, 40))
def test_every_trade_comes_once_and_in_order(order: list[tuple[bool, int]], until: int) -> None:
    """The old connection ends at any moment; what it did not deliver, the new one has or will have."""
    handover = Handover(SPOT, ["x@trade"])
    out: list[bytes] = []
    ended = False
    for n, (is_new, number) in enumerate(order):
        if n >= until and not ended:
            ended = True
            out += [frame for frame, _ in handover.finish(10**6)]
        if is_new:
            out += [frame for frame, _ in handover.new(trade(number), n)]
        elif not ended:
            out += [frame for frame, _ in handover.old(trade(number), n)]
    if not ended:
        out += [frame for frame, _ in handover.finish(10**6)]
    numbers = [int(frame.rpartition(b":")[2][:-2]) for frame in out]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    # What is missing happened before the new connection began, and the old one ended first.
    missing = set(range(1, max(numbers) + 1)) - set(numbers) if numbers else set()
    first_new = min((number for is_new, number in order if is_new), default=0)
    assert all(number < first_new for number in missing)


@given(deliveries())
def test_times_never_fall_while_both_deliver(order: list[tuple[bool, int]]) -> None:
    handover = Handover(SPOT, ["x@trade"])
    times: list[int] = []
    for n, (is_new, number) in enumerate(order):
        frames = (handover.new if is_new else handover.old)(trade(number), n)
        times += [local_ts for _, local_ts in frames]
    times += [local_ts for _, local_ts in handover.finish(len(order))]
    assert times == sorted(times)


def test_a_book_that_begins_anew_waits_until_it_is_as_new_as_the_old_one() -> None:
    handover = Handover(LINEAR, ["orderbook.50.X"])
    assert handover.old(book(10), 1) == [(book(10), 1)]
    snapshot = book(7, b"snapshot")
    assert handover.new(snapshot, 2) == []
    assert handover.new(book(9), 3) == []
    assert not handover.is_done
    assert handover.new(book(11), 4) == [(snapshot, 4), (book(9), 4), (book(11), 4)]
    assert handover.is_done
    assert handover.is_over("orderbook.50.X")
    assert handover.old(book(11), 5) == []
    assert handover.new(book(12), 6) == [(book(12), 6)]


def test_a_stream_without_ids_changes_over_with_its_first_frame() -> None:
    handover = Handover(LINEAR, ["tickers.X"])
    ticker = b'{"topic":"tickers.X","type":"delta","data":{"symbol":"X"}}'
    assert handover.old(ticker, 1) == [(ticker, 1)]
    assert handover.new(ticker, 2) == [(ticker, 2)]
    assert handover.old(ticker, 3) == []


def test_what_is_no_frame_is_passed_on() -> None:
    handover = Handover(LINEAR, ["tickers.X"])
    assert handover.old(b"{", 1) == [(b"{", 1)]
    assert handover.new(b"{", 1) == [(b"{", 1)]
    assert handover.is_done


def test_no_more_is_held_than_the_bound() -> None:
    handover = Handover(SPOT, ["x@trade"])
    handover.old(trade(1), 0)
    out = []
    for number in range(5, 5 + HELD_MAX):
        out += handover.new(trade(number), number)
    assert len(out) == HELD_MAX
    assert handover.is_over("x@trade")

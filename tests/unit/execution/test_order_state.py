"""The table of order states, row by row: what is known, an input, what follows, and the phase afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.order_table import OneOrder

from arb.execution import order_states
from arb.execution.answers import RequestRow
from arb.execution.order_records import Broken, Phase
from connectors.orders.model import Act, EndCause, Force

SPOT = "binance_spot"
Steps = Callable[[], OneOrder]


def opened(force: str = "GTC", venue: str = "bybit_linear") -> OneOrder:
    return OneOrder(force, venue).update("NEW")


def cancelling() -> OneOrder:
    return opened().cancel()


def amending(tick: int = 101, lots: int = 8) -> OneOrder:
    return opened().amend(tick, lots)


def replacing(tick: int = 101, lots: int = 8) -> OneOrder:
    return opened(venue=SPOT).amend(tick, lots)


def owed(force: str = "GTC") -> OneOrder:
    return opened(force).update("CANCELED", 4, cause=EndCause.BY_VENUE)


#: (what, steps, effects of the last step, phase).
TABLE: list[tuple[str, Steps, list[str], Phase]] = [
    # A new order.
    ("an update accepts an order that rests", opened, ["ACCEPTED #1"], Phase.OPEN),
    ("the answer's update accepts it", lambda: (o := OneOrder()).answer("ACCEPTED", updates=[o.an_update("NEW")]),
     ["ACCEPTED #1"], Phase.OPEN),
    ("an acknowledgement without a state says nothing", lambda: OneOrder().answer("ACCEPTED"), [], Phase.SENT),
    ("an IOC order that is open has no answer yet", lambda: opened("IOC"), [], Phase.OPEN),
    ("nor has a market order", lambda: opened("MARKET"), [], Phase.OPEN),
    ("a refusal ends the request", lambda: OneOrder().answer("REFUSED"), ["REJECTED #1"], Phase.NEVER),
    ("an order with executions cannot be refused", lambda: OneOrder("IOC").execute("a", 4).answer("REFUSED"),
     ["broken"], Phase.OPEN),
    ("nor one that is open", lambda: opened("IOC").answer("REFUSED"), ["broken"], Phase.OPEN),
    ("a duplicate id means that it exists", lambda: OneOrder().answer("EXISTS"), ["look up"], Phase.OPEN),
    ("the look-up then accepts it", lambda: OneOrder().answer("EXISTS").update("NEW", asked=True),
     ["ACCEPTED #1"], Phase.OPEN),
    ("a post-only order that would take has expired",
     lambda: OneOrder("GTX").update("EXPIRED", cause=EndCause.WOULD_TAKE),
     ["ENDED EXPIRED #1"], Phase.FINAL),
    ("an order that the venue rejects later has expired", lambda: OneOrder().answer("ACCEPTED").update("REJECTED"),
     ["ENDED EXPIRED #1"], Phase.FINAL),
    # Executions.
    ("an execution accepts an order that rests", lambda: OneOrder().execute("a", 4),
     ["ACCEPTED #1", "EXECUTED +4 left 6"], Phase.OPEN),
    ("an execution of an IOC order leaves its request open", lambda: OneOrder("IOC").execute("a", 4),
     ["EXECUTED +4 left 6"], Phase.OPEN),
    ("the execution of all that is left ends an order", lambda: opened().execute("a", 4).execute("b", 6),
     ["ENDED FILLED +6"], Phase.FINAL),
    ("it ends the placement of an IOC order", lambda: OneOrder("IOC").execute("a", 4).execute("b", 6),
     ["ENDED FILLED #1 +6"], Phase.FINAL),
    ("and that of an order that was never accepted", lambda: OneOrder().execute("a", 10),
     ["ENDED FILLED #1 +10"], Phase.FINAL),
    ("all in one answer: executions, then the end", lambda: (o := OneOrder("IOC")).answer(
        "ACCEPTED", updates=[o.an_update("EXPIRED", 7)],
        executions=[o.an_execution("a", 4), o.an_execution("b", 3)]),
     ["EXECUTED +4 left 6", "EXECUTED +3 left 3", "ENDED EXPIRED #1"], Phase.FINAL),
    ("an execution twice is one", lambda: opened().execute("a", 4).execute("a", 4), [], Phase.OPEN),
    ("also after the end", lambda: opened().execute("a", 10).execute("a", 10), [], Phase.FINAL),
    ("with another quantity it cannot be", lambda: opened().execute("a", 4).execute("a", 5), ["broken"], Phase.OPEN),
    ("with another price", lambda: opened().execute("a", 4).execute("a", 4, tick=99), ["broken"], Phase.OPEN),
    ("with another fee", lambda: opened().execute("a", 4).execute("a", 4, fee="0.2"), ["broken"], Phase.OPEN),
    ("of the other side", lambda: opened().execute("a", 4, side=-1), ["broken"], Phase.OPEN),
    ("more than the quantity cannot be executed", lambda: opened().execute("a", 11), ["broken"], Phase.OPEN),
    ("an execution by the venue's id alone", lambda: opened().execute("a", 4, has_client=False),
     ["EXECUTED +4 left 6"], Phase.OPEN),
    ("it waits for the update that says whose it is",
     lambda: OneOrder("IOC").execute("a", 4, has_client=False).update("EXPIRED", 4),
     ["owed", "EXECUTED +4 left 6", "ENDED EXPIRED #1"], Phase.FINAL),
    # Updates of an open order.
    ("an update that is late says nothing", lambda: opened().execute("a", 4).update("NEW"), [], Phase.OPEN),
    ("an update with more executed owes executions", lambda: opened().update("PARTIAL", 4), ["owed"], Phase.OPEN),
    ("of an IOC order that was not known", lambda: OneOrder("IOC").update("PARTIAL", 4), ["owed"], Phase.OPEN),
    ("another price is looked up", lambda: opened().update("NEW", tick=99), ["look up"], Phase.OPEN),
    ("another quantity is looked up", lambda: opened().update("NEW", total=8), ["look up"], Phase.OPEN),
    ("from before the last change it is late", lambda: opened().update("NEW", total=8, ms=999), [], Phase.OPEN),
    ("the look-up says that the venue cut it",
     lambda: opened().update("NEW", total=8).update("NEW", total=8, asked=True),
     ["MODIFIED 100 x 8 left 8"], Phase.OPEN),
    ("more executed than the quantity cannot be", lambda: opened().update("PARTIAL", 11), ["broken"], Phase.OPEN),
    # Ends.
    ("an end whose executions are known", lambda: opened().execute("a", 4).update("CANCELED", 4),
     ["ENDED CANCELED"], Phase.FINAL),
    ("a rest of an IOC order that the venue calls cancelled has expired", lambda: OneOrder("IOC").update("CANCELED"),
     ["ENDED EXPIRED #1"], Phase.FINAL),
    ("a market order that the venue cut is filled",
     lambda: OneOrder("MARKET").execute("a", 9).update("FILLED", 9, total=9),
     ["ENDED FILLED #1"], Phase.FINAL),
    ("an end with executions missing waits", owed, ["owed"], Phase.OWED),
    ("the execution that completes it", lambda: owed().execute("a", 4), ["EXECUTED +4 left 6", "ENDED CANCELED"],
     Phase.FINAL),
    ("of a filled order the last one is in the end",
     lambda: opened().update("FILLED", 10).execute("a", 4).execute("b", 6),
     ["ENDED FILLED +6"], Phase.FINAL),
    ("one that does not complete it", lambda: owed().execute("a", 3), ["EXECUTED +3 left 7", "owed"], Phase.OWED),
    ("an end below the executions cannot be", lambda: opened().execute("a", 4).update("CANCELED", 3), ["broken"],
     Phase.OPEN),
    # Cancellations.
    ("a cancellation that is answered with the end", lambda: (o := cancelling()).answer(
        "ACCEPTED", updates=[o.an_update("CANCELED", cause=EndCause.BY_USER)]), ["ENDED CANCELED #2"], Phase.FINAL),
    ("the end by an event", lambda: cancelling().update("CANCELED", cause=EndCause.BY_USER), ["ENDED CANCELED #2"],
     Phase.FINAL),
    ("its answer afterwards says nothing",
     lambda: cancelling().update("CANCELED").answer("ACCEPTED"), [], Phase.FINAL),
    ("an acknowledgement alone says nothing", lambda: cancelling().answer("ACCEPTED"), [], Phase.OPEN),
    ("a refused cancellation leaves the order", lambda: cancelling().answer("REFUSED"), ["REJECTED #2"], Phase.OPEN),
    ("an order that is not open is looked up", lambda: cancelling().answer("NOT_OPEN"), ["look up"], Phase.OPEN),
    ("its end refuses the cancellation",
     lambda: cancelling().answer("NOT_OPEN").update("EXPIRED", cause=EndCause.SELF_TRADE),
     ["ENDED EXPIRED", "REJECTED #2"], Phase.FINAL),
    ("a fill before the cancellation", lambda: cancelling().execute("a", 10), ["ENDED FILLED +10"], Phase.FINAL),
    ("the answer then refuses it",
     lambda: cancelling().execute("a", 10).answer("NOT_OPEN"), ["REJECTED #2"], Phase.FINAL),
    ("however it is worded", lambda: cancelling().execute("a", 10).answer("UNKNOWN"), ["REJECTED #2"], Phase.FINAL),
    ("an acknowledged cancellation of an order that is filled",
     lambda: cancelling().answer("ACCEPTED").execute("a", 10), ["ENDED FILLED +10", "REJECTED #2"], Phase.FINAL),
    ("an end by the venue does not answer the cancellation",
     lambda: cancelling().update("CANCELED", cause=EndCause.BY_VENUE),
     ["ENDED CANCELED"], Phase.FINAL),
    ("a cancellation that waits for executions", lambda: cancelling().update("CANCELED", 4, cause=EndCause.BY_USER),
     ["owed"], Phase.OWED),
    ("ends with its number", lambda: cancelling().update("CANCELED", 4, cause=EndCause.BY_USER).execute("a", 4),
     ["EXECUTED +4 left 6", "ENDED CANCELED #2"], Phase.FINAL),
    ("an execution leaves the cancellation in flight", lambda: cancelling().execute("a", 4), ["EXECUTED +4 left 6"],
     Phase.OPEN),
    # Amendments in place.
    ("an answer with the new values", lambda: (o := amending()).answer(
        "ACCEPTED", updates=[o.an_update("NEW", tick=101, total=8, ms=2_000)]),
     ["MODIFIED #2 101 x 8 left 8"], Phase.OPEN),
    ("an event with the new values", lambda: amending().update("NEW", tick=101, total=8, ms=2_000),
     ["MODIFIED #2 101 x 8 left 8"], Phase.OPEN),
    ("an acknowledgement alone says nothing, too", lambda: amending().answer("ACCEPTED"), [], Phase.OPEN),
    ("new values of an uncertain time are looked up",
     lambda: amending().update("NEW", tick=101, total=8), ["look up"],
     Phase.OPEN),
    ("a late event of the old values says nothing", lambda: amending().update("NEW"), [], Phase.OPEN),
    ("a refused amendment leaves the order as it is", lambda: amending().answer("REFUSED"),
     ["MODIFIED #2 100 x 10 left 10"], Phase.OPEN),
    ("what was executed counts in the quantity",
     lambda: opened().execute("a", 4).amend(100, 3).update("PARTIAL", 4, total=7, ms=2_000),
     ["MODIFIED #2 100 x 7 left 3"], Phase.OPEN),
    ("an end after the change", lambda: (o := amending()).answer(
        "ACCEPTED", updates=[o.an_update("EXPIRED", tick=101, total=8, cause=EndCause.WOULD_TAKE, ms=2_000)]),
     ["MODIFIED #2 101 x 8 left 8", "ENDED EXPIRED"], Phase.FINAL),
    ("an end by the change", lambda: amending().update("CANCELED", cause=EndCause.BY_VENUE, ms=2_000),
     ["ENDED EXPIRED #2"], Phase.FINAL),
    ("an end before it refuses the amendment",
     lambda: amending().execute("a", 10).update("FILLED", 10).answer("NOT_OPEN"),
     ["REJECTED #2"], Phase.FINAL),
    ("what is not open is looked up", lambda: amending().answer("NOT_OPEN"), ["look up"], Phase.OPEN),
    ("the old quantity is no end while another is asked for", lambda: amending(100, 20).execute("a", 10),
     ["EXECUTED +10 left 0"], Phase.OPEN),
    ("more than the old quantity proves the new one", lambda: amending(100, 20).execute("a", 12),
     ["MODIFIED #2 100 x 20 left 20", "EXECUTED +12 left 8"], Phase.OPEN),
    ("a cut that is seen meanwhile is looked up after it",
     lambda: amending().update("NEW", total=9, ms=2_000).answer("REFUSED"),
     ["MODIFIED #2 100 x 10 left 10", "look up"], Phase.OPEN),
    # Amendments by another order.
    ("the cancellation of the old order is held", lambda: replacing().update("CANCELED", cause=EndCause.BY_USER), [],
     Phase.OPEN),
    ("the new order is the amendment", lambda: replacing().update("CANCELED").update("NEW", of=2, tick=101, total=8),
     ["MODIFIED #2 101 x 8 left 8"], Phase.OPEN),
    ("without the end of the old one that is looked up", lambda: replacing().update("NEW", of=2, tick=101, total=8),
     ["MODIFIED #2 101 x 8 left 8", "look up", "owed"], Phase.OPEN),
    ("both in the answer", lambda: (o := replacing()).answer("ACCEPTED", updates=[
        o.an_update("CANCELED", 2), o.an_update("NEW", of=2, tick=101, total=8)], executions=[o.an_execution("a", 2)]),
     ["owed", "MODIFIED #2 101 x 10 left 10", "EXECUTED +2 left 8"], Phase.OPEN),
    ("the end of the new one ends the order",
     lambda: replacing().update("CANCELED").update("NEW", of=2, tick=101, total=8).execute("b", 8, of=2),
     ["ENDED FILLED +8"], Phase.FINAL),
    ("what is missing of the old one is owed",
     lambda: replacing().update("CANCELED", 2).update("NEW", of=2, tick=101, total=8).execute("b", 8, of=2),
     ["EXECUTED +8 left 2", "owed"], Phase.OWED),
    ("cancelled, and the new order refused", lambda: (o := replacing()).answer(
        "REFUSED", code=-2021, updates=[o.an_update("CANCELED")]), ["ENDED EXPIRED #2"], Phase.FINAL),
    ("neither", lambda: replacing().answer("REFUSED", code=-2022), ["MODIFIED #2 100 x 10 left 10"], Phase.OPEN),
    ("a new order that never arrived leaves the old one's end",
     lambda: replacing().update("CANCELED", cause=EndCause.BY_USER).never(),
     ["ENDED CANCELED", "REJECTED #2"], Phase.FINAL),
    ("an old order that was filled was not replaced", lambda: replacing().execute("a", 10), ["ENDED FILLED +10"],
     Phase.FINAL),
    ("an update of an earlier order says nothing", lambda: replacing().update("CANCELED").update(
        "NEW", of=2, tick=101, total=8).update("CANCELED"), [], Phase.OPEN),
    ("fewer lots at the same price keep the order", lambda: (o := opened(venue=SPOT).amend(100, 6)).answer(
        "ACCEPTED", updates=[o.an_update("NEW", of=2, total=6, ms=2_000)._replace(venue_order_id="v1")]),
     ["MODIFIED #2 100 x 6 left 6"], Phase.OPEN),
    # After the end.
    ("an open update is late", lambda: opened().execute("a", 10).update("NEW"), [], Phase.FINAL),
    ("the same end again", lambda: opened().update("CANCELED").update("CANCELED"), [], Phase.FINAL),
    ("another word for it", lambda: opened().update("CANCELED").update("EXPIRED"), [], Phase.FINAL),
    ("another quantity cannot be",
     lambda: opened().update("CANCELED").update("CANCELED", 3), ["broken"], Phase.FINAL),
    ("a late execution counts", lambda: opened().update("CANCELED").execute("a", 4),
     ["noted late execution", "EXECUTED +4 left 6"], Phase.FINAL),
    ("but not beyond the quantity", lambda: opened().update("CANCELED").execute("a", 11), ["broken"], Phase.FINAL),
    ("a fee in a further asset is noted", lambda: opened().execute("a", 4, other="7 IDR"),
     ["noted fee not counted", "EXECUTED +4 left 6"], Phase.OPEN),
    ("once", lambda: opened().execute("a", 4, other="7 IDR").execute("a", 4, other="7 IDR"), [], Phase.OPEN),
    # Given up.
    ("an order that was given up cannot exist", lambda: OneOrder().never().update("NEW"), ["broken"], Phase.NEVER),
    ("nor be executed", lambda: OneOrder().never().execute("a", 1), ["broken"], Phase.NEVER),
    ("the event of its refusal is no contradiction", lambda: OneOrder().answer("REFUSED").update("REJECTED"), [],
     Phase.NEVER),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "said", "phase"), [one[1:] for one in TABLE], ids=[one[0] for one in TABLE]
)
def test_state(steps: Steps, said: list[str], phase: Phase) -> None:
    order = steps()
    assert order.said == said
    assert order.phase is phase


def test_an_order_that_ended_long_ago_is_known_by_the_venues_id_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binance's list of executions has no other."""
    monkeypatch.setattr(order_states, "FINALS_MAX", 0)
    order = opened().execute("a", 10)
    assert list(order.states) == []
    of_list = order.an_execution("a", 10, has_client=False)
    assert order.states.is_ours(of_list.client_id, of_list.venue_order_id)
    assert not order.states.is_ours("", "another")
    assert order.states.execution(of_list, 0) == []
    assert order.states.orphans(of_list.symbol, of_list.side, 0) == []
    assert [type(one) for one in order.states.execution(of_list._replace(execution_id="b"), 0)] == [Broken]


def test_an_order_with_two_ids_that_ended_long_ago_is_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_states, "FINALS_MAX", 0)
    order = replacing().never().update("CANCELED")
    assert order.states.closed.keys() == {order.id(1), order.id(2)}
    assert [one.order_id for one in order.states.long_ago()] == [1]


def test_an_execution_belongs_to_its_order_though_the_bots_id_was_used_again() -> None:
    one = OneOrder("IOC")
    first = one.state
    one.execute("a", 10).update("FILLED", 10)
    row = RequestRow(1, 2, Act.PLACE, 1, Force.IOC, False, 100, 5, 0)
    second = one.states.place(one.states.request_of(0, row, None), row, 0)
    assert one.states.of(0, 1) is second
    assert one.states.executed(0, 1, "a") is first
    second.executions["b"] = one.an_execution("b", 5, of=2)
    assert one.states.executed(0, 1, "b") is second
    assert one.states.executed(0, 1, "c") is None
    assert one.states.executed(0, 2, "a") is None

"""The end of a session that trades: how long venues are waited for, and what is said of what is left open."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from arb.runtime.orders_end import OrdersEnd, order_count
from connectors.units import SECOND

ANSWER_NS = 2 * SECOND


@dataclass
class Desk:
    """As much of a desk as the end reads."""

    open_ids: list[str] = field(default_factory=list)
    missing_facts: list[str] = field(default_factory=list)
    end_answers: int = 0
    is_doubtful: bool = False

    @property
    def is_settled(self) -> bool:
        return not self.open_ids

    @property
    def is_done(self) -> bool:
        return self.is_settled and not self.missing_facts

    @property
    def has_doubts_alone(self) -> bool:
        return bool(self.open_ids) and self.is_doubtful

    @property
    def orders(self) -> Any:
        states = [SimpleNamespace(present=SimpleNamespace(client_id=one)) for one in self.open_ids]
        return SimpleNamespace(open=dict(zip(self.open_ids, states, strict=True)))


def end_of(*desks: Desk, ctrl_c: int = 0, signalled_ns: int | None = None) -> OrdersEnd:
    named: Any = {f"venue{no}": desk for no, desk in enumerate(desks)}
    return OrdersEnd(named, ANSWER_NS, ctrl_c, 0, signalled_ns)


def length(end: OrdersEnd, *, ctrl_c: int = 0) -> float:
    """Seconds until it is over."""
    tenth = SECOND // 10
    return next(n for n in range(10_000) if end.is_over(ctrl_c, n * tenth)) / 10


def test_when_all_is_known_nothing_is_waited_for() -> None:
    end = end_of(Desk(), Desk())
    assert length(end) == 0.0
    assert (end.left_open(), end.missing_facts()) == ("", [])


def test_facts_that_no_venue_answers_are_waited_for_three_answers_long_and_named() -> None:
    end = end_of(Desk(), Desk(missing_facts=["balances", "executions"]))
    assert length(end) == 6.0
    assert end.missing_facts() == ["venue1: not known at the end: balances, executions"]
    assert not end.left_open()


def test_answers_prolong_the_wait_for_facts() -> None:
    desk = Desk(missing_facts=["executions"])
    end = end_of(desk)
    for second in range(30):
        desk.end_answers += second % 5 == 0
        assert not end.is_over(0, second * SECOND)
    assert end.is_over(0, 31 * SECOND)


def test_an_open_order_is_waited_for_a_minute_and_named() -> None:
    end = end_of(Desk(["arb-1"], ["executions"]), Desk(missing_facts=["balances"]))
    assert length(end) == 60.0
    assert end.left_open() == ("1 order may be open (no venue said what became of it): look at venue0 arb-1")


@pytest.mark.parametrize(
    ("before", "signalled_ns", "enough"), [(0, None, 2), (1, 0, 2), (0, 0, 1), (2, 0, 3)]
)
def test_a_second_ctrl_c_ends_the_wait_at_once(before: int, signalled_ns: int | None, enough: int) -> None:
    end = end_of(Desk([f"arb-{no}" for no in range(7)]), ctrl_c=before, signalled_ns=signalled_ns)
    assert not end.is_over(enough - 1, SECOND)
    assert end.is_over(enough, SECOND)
    assert end.left_open() == (
        "7 orders may be open (Ctrl+C ended the wait): look at venue0 arb-0, venue0 arb-1, venue0 arb-2, venue0 arb-3, "
        "venue0 arb-4 and 2 more"
    )


def test_a_signal_leaves_three_and_a_half_seconds_in_all_and_says_what_follows() -> None:
    end = end_of(Desk(["arb-1"], is_doubtful=True), Desk(missing_facts=["balances"]), signalled_ns=-SECOND)
    assert length(end) == 2.5
    assert end.left_open() == (
        "1 order may be open (stopped before a venue said what became of it): look at venue0 arb-1; the next start "
        "asks the venue before it sends anything"
    )
    assert end.missing_facts() == ["venue1: not known at the end: balances"]


@pytest.mark.parametrize("signalled_ns", [None, 0])
@pytest.mark.parametrize("is_doubtful", [False, True])
def test_only_doubts_after_a_signal_are_left_to_the_next_start(
    signalled_ns: int | None, is_doubtful: bool
) -> None:
    end = end_of(
        Desk(["arb-1"], is_doubtful=True),
        Desk(["arb-2"], is_doubtful=is_doubtful),
        Desk(),
        signalled_ns=signalled_ns,
    )
    assert end.is_left_in_doubt == (signalled_ns == 0 and is_doubtful)
    assert not end_of(Desk(), signalled_ns=0).is_left_in_doubt


def test_facts_of_the_end_have_no_longer_after_a_signal() -> None:
    assert length(end_of(Desk(missing_facts=["balances"]), signalled_ns=0)) == 3.5


def test_counts_of_orders() -> None:
    assert [order_count(1, "open"), order_count(2, "open"), order_count(1), order_count(0)] == [
        "1 open order",
        "2 open orders",
        "1 order",
        "0 orders",
    ]

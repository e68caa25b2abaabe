"""The gaps of a leg over several days, by hand and against a count of single moments."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.data.outages import BookOutages
from arb.results.metrics.coverage import LegOutages, leg_outages

#: A day of hundred moments.
DAY = 100


def day(no: int, text: str, *, is_carried: bool = False) -> BookOutages:
    """A day from its moments: "x" a known book, "-" none; from moment no * DAY + 1 on."""
    first = no * DAY + 1
    known = is_carried
    known_ts = first if is_carried else 0
    start, outages = first, []
    for n, mark in enumerate(text):
        ts = first + n
        if mark == "x" and not known:
            if known_ts:
                outages.append((start, ts))
            known_ts, known = known_ts or ts, True
        elif mark == "-" and known:
            start, known = ts, False
    last = first + len(text) - 1
    if known_ts and not known:
        outages.append((start, last))
    longest = max(outages, key=lambda span: span[1] - span[0], default=(0, 0))
    return BookOutages(
        first, last, is_carried, known_ts, len(outages), sum(b - a for a, b in outages), longest, tuple(outages),
        0 if known else start,
    )  # fmt: skip


def gaps(*days: BookOutages, other: BookOutages | None = None) -> LegOutages:
    return leg_outages([list(days), [other] if other else []])[0]


def test_a_day_by_itself() -> None:
    assert gaps(day(0, "--xxx---xx")) == LegOutages(2, 1, 3, (6, 9), ((6, 9),))


def test_the_span_is_that_of_all_legs() -> None:
    other = day(0, "x" * 50)
    late = BookOutages(11, 30, False, 13, 1, 10, (20, 30), ((20, 30),), 20)
    assert gaps(late, other=other) == LegOutages(12, 1, 30, (20, 50), ((20, 50),))


def test_an_outage_goes_on_over_midnight() -> None:
    assert gaps(day(0, "xxx--"), day(1, "--xx")) == LegOutages(0, 1, 99, (4, 103), ((4, 103),))


def test_a_day_that_carries_nothing_on_begins_without_a_book() -> None:
    assert gaps(day(0, "xxxxx"), day(1, "--xx")) == LegOutages(0, 1, 2, (101, 103), ((101, 103),))


def test_a_day_that_carries_on_has_the_book_at_once() -> None:
    assert gaps(day(0, "xxxxx"), day(1, "xx-x", is_carried=True)) == LegOutages(
        0, 1, 1, (103, 104), ((103, 104),)
    )


def test_a_day_that_is_all_gap_is_part_of_one_outage() -> None:
    found = gaps(day(0, "xxx--"), day(1, "----"), day(2, "-xxx"))
    assert found == LegOutages(0, 1, 198, (4, 202), ((4, 202),))
    assert gaps(day(0, "----"), day(1, "-xx")) == LegOutages(101, 0, 0)


def test_nothing_is_known_at_all() -> None:
    assert gaps(day(0, "----")) == LegOutages(before_ns=3)
    assert gaps() == LegOutages()
    assert gaps(BookOutages()) == LegOutages()


@given(st.lists(st.text("x-", min_size=1, max_size=12), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_the_sum_is_a_count_of_moments(texts: list[str]) -> None:
    found = gaps(*(day(no, text) for no, text in enumerate(texts)))
    end = (len(texts) - 1) * DAY + len(texts[-1])
    marks = {no * DAY + 1 + n: mark == "x" for no, text in enumerate(texts) for n, mark in enumerate(text)}
    state, unknown = False, 0
    for moment in range(1, end):
        state = marks.get(moment, state)
        unknown += not state
    assert found.before_ns + found.total_ns == unknown
    assert found.outages == len(found.first)
    assert found.total_ns == sum(b - a for a, b in found.first)
    assert found.longest in (*found.first, (0, 0))

"""An operator is told of trouble once when it begins and once when it is over."""

from __future__ import annotations

import numpy as np
from hftbacktest.types import event_dtype

from arb.runtime.health_events import AgeWatch, Unreached
from connectors.net.interfaces import Event, EventKind

S = 1_000_000_000


def news_of(watch: AgeWatch, ages_s: list[float], start_s: int = 1000) -> list[str]:
    """Two batches of rows a second: one without a time of the venue, and one so old."""
    found = []
    for n, age_s in enumerate(ages_s):
        for part, age in enumerate((0.0, age_s)):
            rows = np.zeros(1, event_dtype)
            rows["local_ts"] = (start_s + n) * S + part * S // 2
            rows["exch_ts"] = rows["local_ts"] - round(age * S)
            found.append(watch.follow(rows))
    return [news for news in found if news]


def test_old_data_are_reported_of_when_they_stay_old() -> None:
    news = news_of(AgeWatch(), [0.1, 5.0, 5.0, 5.0, 5.0, 5.0, 0.1, 0.1])

    assert news[0].startswith("its data are 5.0 s old on arrival")
    assert news[1:] == ["its data arrive in time again"]


def test_a_stall_is_no_news() -> None:
    assert news_of(AgeWatch(), [0.1, 2.5, 0.1, 3.0, 3.0, 0.1, 0.1]) == []


def event(kind: EventKind, text: str = "", venue: str = "a") -> Event:
    return Event(kind, 1, venue, "", text)


def test_a_venue_that_cannot_be_reached_is_reported_of_once_a_reason() -> None:
    unreached = Unreached()
    connect, lost = event(EventKind.CONNECT, "ws"), event(EventKind.DISCONNECT, "no such name")
    reported = [unreached.is_news(each) for each in (connect, lost, connect, lost, connect, lost)]

    assert reported == [True, True, False, False, False, False]
    assert unreached.is_news(event(EventKind.DISCONNECT, "refused"))
    assert unreached.is_news(event(EventKind.CONNECT, "ws", venue="b"))
    assert unreached.reason("a") == "no such name"
    assert unreached.reason("b") == ""


def test_it_is_news_again_after_it_was_reached() -> None:
    unreached = Unreached()
    connect, lost = event(EventKind.CONNECT, "ws"), event(EventKind.DISCONNECT, "cut")
    for each in (connect, lost, connect):
        unreached.is_news(each)

    assert unreached.is_news(event(EventKind.ACK))
    assert unreached.reason("a") == ""
    assert unreached.is_news(lost)

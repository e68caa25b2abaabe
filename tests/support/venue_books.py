"""Binance's and Bybit's books as a client keeps them by the venue's published rule: quantities by price, as texts."""

from __future__ import annotations

from typing import Any

Book = list[dict[str, str]]


def apply(book: Book, bids: list[list[str]], asks: list[list[str]]) -> None:
    """Sets the levels of a frame."""
    for side, levels in zip(book, (bids, asks), strict=True):
        for px, qty in levels:
            if float(qty) == 0:
                side.pop(px, None)
            else:
                side[px] = qty


def whole(answer: dict[str, Any], bids: str, asks: str) -> Book:
    """The book of a snapshot, whose sides have these names."""
    return [dict(answer[bids]), dict(answer[asks])]


def follow(venue: str, snapshot: dict[str, Any], events: list[Any]) -> tuple[Book, int]:
    """The book by the venue's published rule, and its last id; fails where the rule says to begin again."""
    book, known, is_bridged = whole(snapshot, "bids", "asks"), snapshot["lastUpdateId"], False
    for event in events:
        if event["u"] <= known:
            continue
        if not is_bridged:
            # Spot: U <= id + 1 <= u. USD-M: U <= id <= u, or pu names the id.
            assert event["U"] <= known + 1 or event.get("pu") == known
        elif venue == "binance_spot":
            assert event["U"] == known + 1
        else:
            assert event["pu"] == known
        is_bridged = True
        apply(book, event["b"], event["a"])
        known = event["u"]
    assert is_bridged
    return book, known

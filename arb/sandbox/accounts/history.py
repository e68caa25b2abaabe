"""The past of an account's balances, as its venue lists it. Bounded by the ledger, which keeps its newest entries."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from arb.sandbox.accounts.ledger import Entry, EntryCause


def incomes(
    entries: Iterable[Entry],
    venue: str,
    causes: Collection[EntryCause],
    symbol: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> list[Entry]:
    """The changes of balances at a venue with one of these causes, oldest first."""
    return [
        entry
        for entry in entries
        if entry.venue == venue
        and entry.cause in causes
        and symbol in (None, entry.symbol)
        and _is_within(entry.at_ns, start_ns, end_ns)
    ]


def _is_within(at_ns: int, start_ns: int | None, end_ns: int | None) -> bool:
    return (start_ns is None or at_ns >= start_ns) and (end_ns is None or at_ns <= end_ns)

"""Funding and transfers that the venues list and the journal lacks: those while no session ran, or its stream was away.

The lists have other ids and times than the events of a session, so that a payment is the same one if kind, symbol,
asset and amount are, within some seconds; each counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from arb.accounts.facts import AccountClient, AccountError, Payment
from arb.journal.schema import Paid
from connectors.units import MILLISECOND

#: How far the times of an event and of its row in a list may be apart.
APART_MS = 10_000


def missing_payments(known: Iterable[Paid], listed: Sequence[Payment], account: str) -> list[Payment]:
    """Those of an account's list that the journal does not have."""
    left = [one for one in known if one.account == account]
    missing = []
    for payment in listed:
        same = next((one for one in left if _is_same(one, payment)), None)
        if same is None:
            missing.append(payment)
        else:
            left.remove(same)
    return missing


async def fetch_payments(
    clients: Mapping[str, AccountClient],
    accounts: Mapping[str, str],
    known: Sequence[Paid],
    since_ns: int,
    run: int,
    now_ns: int,
) -> tuple[list[Paid], list[str]]:
    """Rows for the journal, and a line for each house that has some or does not answer. clients, accounts: by house."""
    rows: list[Paid] = []
    lines = []
    for house, client in clients.items():
        try:
            listed = await client.payments(since_ns // MILLISECOND)
        except AccountError as error:
            lines.append(f"{house}: funding and transfers since the last session are not known: {error}")
            continue
        found = missing_payments(known, listed, accounts[house])
        rows += [
            Paid(
                run, now_ns, accounts[house], one.kind, one.payment_id or f"{one.symbol}-{one.asset}-{one.at_ms}",
                one.at_ms, one.symbol, f"{one.amount:f}", one.asset,
            )
            for one in found
        ]  # fmt: skip
        lines += [f"{house}: {text} while no session received it" for text in totals(found)]
    return rows, lines


def totals(payments: Iterable[Payment | Paid]) -> list[str]:
    """Sums by kind and asset, with their number: "funding -1.5 USDT (3)"."""
    sums: dict[tuple[str, str], tuple[Decimal, int]] = {}
    for one in payments:
        so_far, count = sums.get((one.kind, one.asset), (Decimal(0), 0))
        sums[one.kind, one.asset] = so_far + Decimal(one.amount), count + 1
    return [
        f"{kind} {amount:+f} {asset} ({count})" for (kind, asset), (amount, count) in sorted(sums.items())
    ]


def _is_same(one: Paid, payment: Payment) -> bool:
    return (
        (one.kind, one.asset) == (payment.kind, payment.asset)
        and (one.symbol == payment.symbol or one.kind != "funding")
        and Decimal(one.amount) == payment.amount
        and abs(one.venue_ms - payment.at_ms) <= APART_MS
    )

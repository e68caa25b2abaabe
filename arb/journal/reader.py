"""Reads a journal, also while its session writes it: orders, executions, positions, and what was known last.

Read-only: nothing that it does holds the session up. Each method is one short transaction, so what two of them say may
differ by what happened between.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from arb.errors import InputError
from arb.journal.journal import LOCK, check_journal
from arb.journal.locks import is_held
from arb.journal.schema import LegRow, Paid
from connectors.units import MILLISECOND, SECOND


class Run(NamedTuple):
    """A session. outcome: "" of one that runs, or was killed."""

    run: int
    command: str
    version: str
    folder: str
    config_hash: str
    started_ns: int
    ended_ns: int
    outcome: str


class Order(NamedTuple):
    """An order. requests: whose client ids it has had, the first one placed it; status "": it has not ended.

    tick, lots: of its latest answer; filled: its executions, price: their average.
    """

    run: int
    leg: int
    placed: int
    order_id: int
    account: str
    venue: str
    symbol: str
    made_ns: int
    side: int
    force: str
    is_market: bool
    is_reducing: bool
    tick: int
    lots: int
    tick_size: Decimal
    lot_size: Decimal
    requests: tuple[int, ...]
    attempt: int
    filled_lots: int
    filled_price: Decimal | None
    status: str
    ended_ns: int
    text: str


class Trade(NamedTuple):
    """An execution."""

    run: int
    leg: int
    placed: int
    execution_id: str
    account: str
    venue: str
    symbol: str
    ts: int
    venue_ms: int
    side: int
    price: Decimal
    qty: Decimal
    is_maker: bool
    fee: Decimal
    fee_asset: str
    attempt: int


class Position(NamedTuple):
    """What openings and executions add up to. lots: of the last lot size; base_fees: paid in the base asset."""

    account: str
    venue: str
    symbol: str
    lots: int
    lot_size: Decimal
    qty: Decimal
    base_fees: Decimal
    ts: int
    is_spot: bool


class Opening(NamedTuple):
    """A change of a position that is no execution of an order of ours. qty: signed."""

    ts: int
    account: str
    venue: str
    symbol: str
    qty: Decimal
    lot: Decimal
    price: Decimal
    text: str


class Reconciliation(NamedTuple):
    """The last comparison of an account."""

    run: int
    ts: int
    account: str
    is_agreed: bool
    text: str


class _Leg(NamedTuple):
    """A leg of a run. name: account, venue, symbol."""

    name: tuple[str, str, str]
    tick: Decimal
    lot: Decimal
    base: str
    is_spot: bool


_ORDERS = """
SELECT i.run, i.leg, i.placed, i.order_id, i.ts, i.side, i.force, i.is_market, i.is_reducing, i.tick, i.lots,
  i.attempt, ifnull(e.status, ''), ifnull(e.ts, 0), ifnull(e.text, '')
FROM intents i LEFT JOIN ends e ON e.run = i.run AND e.leg = i.leg AND e.placed = i.placed
WHERE i.act = 'place' AND i.ts >= ? {open}
ORDER BY i.ts, i.run, i.leg, i.placed
"""
_KEY = tuple[int, int, int]
#: So long before it was found a position may have changed: twice the longest `live.reconcile_s`.
_UNSEEN_NS = 7_200 * SECOND
#: SQLite has no unsigned numbers.
_IDS = 1 << 64


class JournalReader:
    """See the module; a context manager. One thread."""

    def __init__(self, path: Path, environment: str) -> None:
        """Raises InputError unless there is a journal of this environment."""
        self.path = path
        if not path.is_file():
            raise InputError(f"{path}: there is no journal: no session has traded in {environment} here")
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        try:
            with self._reading():
                check_journal(self._connection, path, environment)
                found = self._connection.execute("SELECT value FROM meta WHERE name = 'tag'").fetchone()
        except BaseException:
            self._connection.close()
            raise
        self.tag = str(found[0])

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes it. May be called repeatedly."""
        self._connection.close()

    @property
    def is_running(self) -> bool:
        """Whether a session has the journal."""
        return is_held(self.path.with_name(LOCK))

    def runs(self) -> list[Run]:
        """All sessions, oldest first."""
        rows = self._rows(
            "SELECT r.run, command, version, folder, config_hash, started_ns, ifnull(ended_ns, 0), "
            "ifnull(outcome, '') FROM runs r LEFT JOIN run_ends e ON e.run = r.run ORDER BY r.run"
        )
        return [Run._make(row) for row in rows]

    def accounts(self) -> set[str]:
        """Every account that a session has had, as `Account.name`."""
        return {name for (name,) in self._rows("SELECT DISTINCT account FROM legs")}

    def legs(self, run: int) -> list[LegRow]:
        """The legs of a run."""
        rows = self._rows(
            "SELECT venue, symbol, account, tick, lot, base, quote, is_spot FROM legs WHERE run = ? ORDER BY leg",
            run,
        )
        return [LegRow._make((*row[:-1], bool(row[-1]))) for row in rows]

    def orders(self, *, open_only: bool = False, since_ns: int = 0) -> list[Order]:
        """Orders that were to be placed since then, oldest first; also those of which nothing more is known."""
        with self._reading():
            self._connection.execute("BEGIN")
            try:
                rows = self._rows(_ORDERS.format(open="AND e.placed IS NULL" if open_only else ""), since_ns)
                keys = {(row[0], row[1], row[2]) for row in rows}
                changes = self._changes(keys)
                requests = self._requests(keys)
                fills = self._fills(keys)
                legs = self._legs()
            finally:
                self._connection.execute("COMMIT")
        found = []
        for row in rows:
            key = row[0], row[1], row[2]
            leg = legs[key[0], key[1]]
            filled, sums = fills.get(key, (0, 0))
            price = sums * leg.tick / filled if filled else None
            changed = changes.get(key, row[9:11])
            ids = key[2], *requests.get(key, ())
            flags = bool(row[7]), bool(row[8])
            found.append(
                Order._make(
                    (
                        *key,
                        row[3] % _IDS,
                        *leg.name,
                        *row[4:7],
                        *flags,
                        *changed,
                        leg.tick,
                        leg.lot,
                        ids,
                        row[11],
                        filled,
                        price,
                        *row[12:],
                    )
                )
            )
        return found

    def executions(self, since_ns: int = 0) -> list[Trade]:
        """Executions that were noted since then, oldest first."""
        rows = self._rows(
            "SELECT run, leg, placed, execution_id, ts, venue_ms, side, tick, lots, is_maker, fee, fee_asset, attempt "
            "FROM executions WHERE ts >= ? ORDER BY ts, venue_ms, execution_id",
            since_ns,
        )
        legs = self._legs()
        found = []
        for run, no, placed, execution_id, ts, ms, side, tick, lots, is_maker, fee, asset, attempt in rows:
            leg = legs[run, no]
            what = leg.tick * tick, leg.lot * lots, bool(is_maker), Decimal(fee), asset, attempt
            found.append(Trade._make((run, no, placed, execution_id, *leg.name, ts, ms, side, *what)))
        return found

    def execution_keys(self) -> list[tuple[str, str, str, _KEY]]:
        """Every execution: (venue, symbol, its id, its order)."""
        legs = self._legs()
        return [
            (*legs[run, leg].name[1:], execution_id, (run, leg, placed))
            for run, leg, placed, execution_id in self._rows(
                "SELECT run, leg, placed, execution_id FROM executions"
            )
        ]

    def trade_count(self) -> int:
        """Number of executions."""
        return int(self._rows("SELECT count(*) FROM executions")[0][0])

    def positions(self) -> list[Position]:
        """By account, venue and symbol, also those that are zero. Raises InputError for a part of a lot."""
        legs = self._legs()
        changes = [
            (legs[run, leg].name, legs[run, leg].lot * lots, legs[run, leg].lot, ts)
            for run, leg, lots, ts in self._rows(
                "SELECT run, leg, sum(side * lots), max(ts) FROM executions GROUP BY run, leg"
            )
        ]
        changes += [
            ((one.account, one.venue, one.symbol), one.qty, one.lot, one.ts) for one in self.openings()
        ]
        sums: dict[tuple[str, str, str], tuple[Decimal, Decimal, int]] = {}
        for name, qty, lot, ts in changes:
            so_far, latest_lot, latest_ts = sums.get(name, (Decimal(0), lot, -1))
            sums[name] = so_far + qty, lot if ts > latest_ts else latest_lot, max(ts, latest_ts)
        fees = self._base_fees()
        spot = {leg.name[1:] for leg in legs.values() if leg.is_spot}
        positions = []
        for key, (qty, size, ts) in sorted(sums.items()):
            lots = int(qty / size)
            if lots * size != qty:
                raise InputError(
                    f"{self.path}: {key[1]} {key[2]}: {qty} is not a whole number of lots of {size}"
                )
            is_spot = key[1:] in spot
            positions.append(Position(*key, lots, size, qty, fees.get(key, Decimal(0)), ts, is_spot))
        return positions

    def openings(self) -> list[Opening]:
        """Changes of positions that are no executions of ours, oldest first."""
        rows = self._rows(
            "SELECT ts, account, venue, symbol, lots, lot, price, text FROM openings ORDER BY rowid"
        )
        return [
            Opening(ts, account, venue, symbol, lots * Decimal(lot), Decimal(lot), Decimal(price), text)
            for ts, account, venue, symbol, lots, lot, price, text in rows
        ]

    def reconciliations(self) -> dict[str, Reconciliation]:
        """The last comparison of each account."""
        rows = self._rows(
            "SELECT run, ts, account, is_agreed, text FROM reconciliations WHERE rowid IN "
            "(SELECT max(rowid) FROM reconciliations GROUP BY account)"
        )
        return {row[2]: Reconciliation._make((*row[:3], bool(row[3]), row[4])) for row in rows}

    def known_until_ns(self) -> int:
        """What happened before is in the journal, also after a kill and a loss of power: the time of the last note of
        a run that traded; 0: there is none.

        Notes are committed in their order, and what is lost is lost from the end. A run without legs ended before
        journal and venues agreed: what it noted says nothing about the time before it.
        """
        tables = ("sent", "answers", "refusals", "flags", "reconciliations", "openings")
        last = " UNION ALL ".join(
            f"SELECT * FROM (SELECT ts FROM {name} WHERE run IN (SELECT run FROM legs) ORDER BY rowid DESC LIMIT 1)"
            for name in tables
        )
        known = max((ts for (ts,) in self._rows(last)), default=0)
        # A position that differed has changed by what the journal lacks: a liquidation, or somebody else.
        (differs,) = self._rows(
            "SELECT min(ts) FROM flags WHERE run = (SELECT max(run) FROM legs) AND flag = 'position differs'"
        )[0]
        return known if differs is None else min(known, differs - _UNSEEN_NS)

    def payments(self, since_ns: int = 0) -> list[Paid]:
        """Money without an execution that the venues booked since then, oldest first."""
        rows = self._rows(
            "SELECT * FROM payments WHERE venue_ms >= ? ORDER BY venue_ms, account, kind, payment_id",
            since_ns // MILLISECOND,
        )
        return [Paid._make(row) for row in rows]

    def flags(self, since_ns: int = 0) -> list[tuple[int, int, str, str, str]]:
        """Changes of state since then: (run, time, account, flag, text)."""
        return self._rows(
            "SELECT run, ts, account, flag, text FROM flags WHERE ts >= ? ORDER BY rowid", since_ns
        )

    # -- parts of orders

    def _changes(self, keys: set[_KEY]) -> dict[_KEY, tuple[int, int]]:
        """Price and quantity of the orders that were amended."""
        rows = self._of(
            keys,
            "SELECT run, leg, placed, tick, lots FROM answers {where} ORDER BY rowid",
            "kind = 'modified'",
        )
        return {(run, leg, placed): (tick, lots) for run, leg, placed, tick, lots in rows}

    def _requests(self, keys: set[_KEY]) -> dict[_KEY, list[int]]:
        """The requests that may have given an order another client id."""
        found: dict[_KEY, list[int]] = {}
        for run, leg, placed, request in self._of(
            keys,
            "SELECT run, leg, placed, request FROM intents {where} ORDER BY run, leg, request",
            "act = 'amend'",
        ):
            found.setdefault((run, leg, placed), []).append(request)
        return found

    def _fills(self, keys: set[_KEY]) -> dict[_KEY, tuple[int, int]]:
        """(lots, sum of lots times ticks)."""
        rows = self._of(
            keys,
            "SELECT run, leg, placed, sum(lots), sum(lots * tick) FROM executions {where} GROUP BY 1, 2, 3",
            "1",
        )
        return {(run, leg, placed): (lots, sums) for run, leg, placed, lots, sums in rows}

    def _of(self, keys: set[_KEY], statement: str, condition: str) -> Iterable[Sequence[Any]]:
        """The rows of some orders: of a few by their runs and first request, of many all that are among them."""
        runs = {run for run, _, _ in keys}
        if not runs:
            return
        where = f"WHERE {condition} AND run BETWEEN {min(runs)} AND {max(runs)}"
        for row in self._connection.execute(statement.format(where=where)):
            if (row[0], row[1], row[2]) in keys:
                yield row

    def _base_fees(self) -> dict[tuple[str, str, str], Decimal]:
        found: dict[tuple[str, str, str], Decimal] = {}
        for key, leg in self._legs().items():
            if leg.is_spot:
                fees = self._rows(
                    "SELECT fee FROM executions WHERE run = ? AND leg = ? AND fee_asset = ?", *key, leg.base
                )
                found[leg.name] = sum((Decimal(fee) for (fee,) in fees), found.get(leg.name, Decimal(0)))
        return found

    def _legs(self) -> dict[tuple[int, int], _Leg]:
        rows = self._rows("SELECT run, leg, account, venue, symbol, tick, lot, base, is_spot FROM legs")
        return {
            (run, leg): _Leg((account, venue, symbol), Decimal(tick), Decimal(lot), base, bool(is_spot))
            for run, leg, account, venue, symbol, tick, lot, base, is_spot in rows
        }

    # -- reading

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with self._reading():
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: sqlite3.Error) -> InputError:
        return InputError(f"{self.path}: cannot be read: {error}; is it a journal of arb?")

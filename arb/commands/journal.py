"""What the journals of a state directory say, and the halts beside them; also while a session runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import tomli

from arb.config.environment import state_directory
from arb.config.live_keys import Live
from arb.errors import InputError
from arb.execution.ids import SessionIds
from arb.journal.capital import confirm
from arb.journal.halts import HOUSES, Halt, Halts, clear_halt, halt_path, set_halt
from arb.journal.journal import FILE
from arb.journal.locks import GUARD_LOCK, is_held
from arb.journal.reader import JournalReader, Order, Position, Run, Trade
from arb.journal.schema import DRY_RUN, LETTERS, Paid
from arb.results.evidence import ORDERS_DB, SESSION_DB
from arb.risk.supervisor import OVER

#: Every environment, in the order in which they are shown.
ENVIRONMENTS = tuple(LETTERS)


class Status(NamedTuple):
    """One environment. run: the last one, None before the first; positions: that are not zero."""

    environment: str
    is_running: bool
    is_guarded: bool
    run: Run | None
    legs: Sequence[str]
    accounts: Sequence[str]
    halts: Sequence[Halt]
    open_orders: int
    positions: Sequence[Position]
    trades: int
    #: Funding, transfers and what else was no execution: account, kind, asset, sum, number.
    payments: Sequence[tuple[str, str, str, Decimal, int]]
    #: Of each account, whether journal and venue agreed, when, and about what not.
    reconciled: Sequence[tuple[str, bool, int, str]]
    #: Rules of the supervisor that hold while the session runs: (name, since, text).
    rules: Sequence[tuple[str, int, str]]
    #: Likewise, the venues and legs where nothing is opened.
    closed: Sequence[tuple[str, int, str]]
    #: Pairs that the last session has left unhedged, likewise.
    unhedged: Sequence[tuple[str, int, str]]


def directory_of(given: Path | None, config: Path) -> Path:
    """The state directory: given, that of a main configuration file, or the user's data folder. Raises InputError.

    Of the file only this key is read: a halt must not fail for another one.
    """
    if given is not None:
        return given
    try:
        live = tomli.loads(config.read_text()).get("live", {}) if config.exists() else {}
        return state_directory(Live(state_directory=live.get("state_directory")))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{config}: [live] state_directory cannot be read: {error}; name the folder with --state-directory"
        ) from None


def journals(directory: Path, environments: Sequence[str]) -> Iterator[tuple[str, JournalReader]]:
    """The journals that are there; environments: () for all. Raises InputError if there is none."""
    found = [name for name in environments or ENVIRONMENTS if (directory / name / FILE).is_file()]
    if not found:
        raise InputError(
            f"{directory}: there is no journal of {' or '.join(environments or ENVIRONMENTS)}: run arb live first, or "
            "name the folder with --state-directory"
        )
    for name in found:
        with JournalReader(directory / name / FILE, name) as reader:
            yield name, reader


def orders_of(
    folder: Path | None, directory: Path, environments: Sequence[str]
) -> Iterator[tuple[str, JournalReader]]:
    """The tables of a dry-run's folder, also while it runs; without a folder `journals`. Raises InputError."""
    if folder is None:
        yield from journals(directory, environments)
        return
    if environments:
        raise InputError(f"--run and --{environments[0]} exclude each other: a dry-run has its own orders")
    path = next((path for name in (ORDERS_DB, SESSION_DB) if (path := folder / name).is_file()), None)
    if path is None:
        raise InputError(
            f"{folder}: no {ORDERS_DB} in it: arb dry-run writes one on live data and on a sandbox; orders of arb live "
            "are shown without --run"
        )
    with JournalReader(path, DRY_RUN) as reader:
        yield DRY_RUN, reader


def statuses(directory: Path, environments: Sequence[str]) -> list[Status]:
    """What sessions are doing, or have left."""
    found = []
    for name, reader in journals(directory, environments):
        runs = reader.runs()
        run = runs[-1] if runs else None
        legs = reader.legs(run.run) if run is not None else []
        found.append(
            Status(
                name,
                reader.is_running,
                is_held(directory / name / GUARD_LOCK),
                run,
                [f"{leg.venue}:{leg.symbol}" for leg in legs],
                list(dict.fromkeys(leg.account for leg in legs)),
                Halts(directory / name).read(),
                len(reader.orders(open_only=True)),
                [one for one in reader.positions() if one.qty],
                reader.trade_count(),
                _sums(reader.payments()),
                [(one.account, one.is_agreed, one.ts, one.text) for one in reader.reconciliations().values()],
                _lasting(reader, run, "supervisor") if run is not None and reader.is_running else (),
                _lasting(reader, run, "venue") if run is not None and reader.is_running else (),
                _lasting(reader, run, "unhedged") if run is not None and not reader.is_running else (),
            )
        )
    return found


def _lasting(reader: JournalReader, run: Run, word: str) -> list[tuple[str, int, str]]:
    """What a run has reported under a word and a name, and not ended."""
    found: dict[str, tuple[str, int, str]] = {}
    for of_run, ts, _, flag, text in reader.flags(run.started_ns):
        first, _, name = flag.partition(" ")
        if first != word or of_run != run.run:
            continue
        found.pop(name, None)
        if not text.startswith(OVER):
            found[name] = name, ts, text
    return list(found.values())


def status_record(status: Status) -> dict[str, Any]:
    """A status for JSON."""
    run = status.run
    return {
        "environment": status.environment,
        "is_running": status.is_running,
        "is_guarded": status.is_guarded,
        "run": None if run is None else run._asdict(),
        "legs": list(status.legs),
        "accounts": list(status.accounts),
        "halts": [_halt_record(one) for one in status.halts],
        "open_orders": status.open_orders,
        "positions": [position_record(status.environment, one) for one in status.positions],
        "trades": status.trades,
        "payments": [
            {"account": account, "kind": kind, "asset": asset, "amount": _text(amount), "count": count}
            for account, kind, asset, amount, count in status.payments
        ],
        "reconciled": [
            {"account": account, "is_agreed": is_agreed, "ts": ts, "text": text}
            for account, is_agreed, ts, text in status.reconciled
        ],
        "rules": [{"rule": name, "since_ns": ts, "text": text} for name, ts, text in status.rules],
        "closed": [{"name": name, "since_ns": ts, "text": text} for name, ts, text in status.closed],
        "unhedged": [{"pair": name, "since_ns": ts, "text": text} for name, ts, text in status.unhedged],
    }


def position_record(environment: str, position: Position) -> dict[str, Any]:
    """A position for JSON."""
    return {
        "environment": environment,
        "account": position.account,
        "venue": position.venue,
        "symbol": position.symbol,
        "qty": _text(position.qty),
        "lots": position.lots,
        "base_fees": _text(position.base_fees),
        "ts": position.ts,
    }


def order_record(environment: str, tag: str, order: Order) -> dict[str, Any]:
    """An order for JSON. client_id: the first one."""
    price = None if order.is_market else _text(order.tick * order.tick_size)
    return {
        "environment": environment,
        "client_id": SessionIds(tag, order.run, 0).client_id(order.leg, order.placed, order.attempt),
        "account": order.account,
        "venue": order.venue,
        "symbol": order.symbol,
        "made_ns": order.made_ns,
        "side": side_text(order.side),
        "force": order.force,
        "price": price,
        "qty": _text(order.lots * order.lot_size),
        "filled_qty": _text(order.filled_lots * order.lot_size),
        "filled_price": None if order.filled_price is None else _text(order.filled_price),
        "status": order.status or "open",
        "ended_ns": order.ended_ns or None,
        "text": order.text,
    }


def payment_record(environment: str, one: Paid) -> dict[str, Any]:
    """Funding, a transfer or another payment for JSON."""
    return {
        "environment": environment,
        "kind": one.kind,
        "account": one.account,
        "symbol": one.symbol,
        "ts": one.ts,
        "venue_ms": one.venue_ms,
        "amount": one.amount,
        "asset": one.asset,
    }


def _sums(payments: Iterable[Paid]) -> list[tuple[str, str, str, Decimal, int]]:
    """By account, kind and asset."""
    sums: dict[tuple[str, str, str], tuple[Decimal, int]] = {}
    for one in payments:
        key = one.account, one.kind, one.asset
        amount, count = sums.get(key, (Decimal(0), 0))
        sums[key] = amount + Decimal(one.amount), count + 1
    return [(*key, *sums[key]) for key in sorted(sums)]


def trade_record(environment: str, tag: str, trade: Trade) -> dict[str, Any]:
    """An execution for JSON."""
    return {
        "environment": environment,
        "kind": "trade",
        "execution_id": trade.execution_id,
        "client_id": SessionIds(tag, trade.run, 0).client_id(trade.leg, trade.placed, trade.attempt),
        "account": trade.account,
        "venue": trade.venue,
        "symbol": trade.symbol,
        "ts": trade.ts,
        "venue_ms": trade.venue_ms,
        "side": side_text(trade.side),
        "price": _text(trade.price),
        "qty": _text(trade.qty),
        "is_maker": trade.is_maker,
        "fee": _text(trade.fee),
        "fee_asset": trade.fee_asset,
    }


def side_text(side: int) -> str:
    """1 and -1 in words."""
    return "buy" if side > 0 else "sell"


def halt(directory: Path, account: str | None, *, is_flattening: bool) -> list[Path]:
    """Sets the flag of all accounts of every environment, or of one house's; returns the files.

    Raises InputError if one cannot be written; the others are.
    """
    house = _house(account)
    made = Halt(house, time.time_ns(), is_flattening, "arb halt")
    paths, failed = [], []
    for name in ENVIRONMENTS:
        try:
            paths.append(set_halt(directory / name, made))
        except InputError as error:
            failed.append(str(error))
    if failed:
        halted = f"; halted: {', '.join(path.parent.name for path in paths)}" if paths else ""
        raise InputError("; ".join(failed) + halted)
    return paths


def confirm_capital(directory: Path) -> list[Path]:
    """Confirms deposits and withdrawals of every environment; returns the files. Raises InputError."""
    return [confirm(directory / name, time.time_ns()) for name in ENVIRONMENTS if (directory / name).is_dir()]


def resume(directory: Path, account: str | None) -> list[Path]:
    """Clears flags that `halt` set, without an account all of them; returns the files that there were."""
    houses: Iterable[str] = ("", *HOUSES) if account is None else (_house(account),)
    return [
        halt_path(directory / name, house)
        for name in ENVIRONMENTS
        for house in houses
        if clear_halt(directory / name, house)
    ]


def _house(account: str | None) -> str:
    """The house of `--account`: "binance", or an account's name as `arb status` shows it."""
    house = "" if account is None else account.partition("-")[0]
    if account is not None and house not in HOUSES:
        raise InputError(f"--account {account}: there are accounts of {' and '.join(HOUSES)}")
    return house


def _halt_record(one: Halt) -> dict[str, Any]:
    return {
        "account": one.house or "all",
        "since_ns": one.since_ns,
        "flatten": one.is_flattening,
        "reason": one.reason,
    }


def _text(number: Decimal) -> str:
    return f"{number:f}"

"""`arb status`, `positions`, `orders`, `trades`, `halt` and `resume`: options and output.

They read the journals of a state directory beside running sessions, or a dry-run's orders, and load no compiled code.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arb.cli.examples import examples
from arb.cli.options import config_option, echo, echo_json, output
from arb.cli.period import Moment, Time
from arb.errors import InputError
from arb.report.screen import rows_view
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.commands.journal import Status

_ENVIRONMENTS = ("testnet", "demo", "sandbox")


def _directory_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of where the journals are; the command takes `directory`."""

    @functools.wraps(command)
    def with_directory(*, state_directory: Path | None, config_path: Path, **rest: Any) -> None:
        from arb.commands.journal import directory_of

        command(directory=directory_of(state_directory, config_path), **rest)

    found = click.option(
        "--state-directory",
        type=click.Path(path_type=Path),
        help="Where the journals are; without it live.state_directory of the configuration.",
    )(with_directory)
    return config_option(found)


def _reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of what is read, and `--json`; the command takes `directory` and `environments`."""

    @functools.wraps(command)
    def chosen(**options: Any) -> None:
        names = [name for name in ("live", *_ENVIRONMENTS) if options.pop(f"is_{name}")]
        command(environments=names, **options)

    found = _directory_options(chosen)
    for name in reversed(("live", *_ENVIRONMENTS)):
        text = f"Of {'real accounts' if name == 'live' else name} alone."
        found = click.option(f"--{name}", f"is_{name}", is_flag=True, help=text)(found)
    return click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each row.")(found)


_run_option = click.option(
    "--run", "folder", type=click.Path(path_type=Path), metavar="FOLDER", help="Of this folder of a dry-run."
)


@click.command(epilog=examples("arb status", "arb status --sandbox --json"))
@_reading_options
def status(directory: Path, environments: Sequence[str], as_json: bool) -> None:
    """What sessions on accounts are doing, or have left: halts, open orders, positions."""
    from arb.commands.journal import status_record, statuses

    for found in statuses(directory, environments):
        if as_json:
            echo_json(status_record(found))
        else:
            for line in _status_lines(found):
                echo(line)


@click.command(epilog=examples("arb positions", "arb positions --testnet --json"))
@_run_option
@_reading_options
def positions(folder: Path | None, directory: Path, environments: Sequence[str], as_json: bool) -> None:
    """What the executions in the journal add up to, also where that is nothing."""
    from arb.commands.journal import orders_of, position_record

    _show(
        [
            position_record(name, one)
            for name, reader in orders_of(folder, directory, environments)
            for one in reader.positions()
        ],
        ("environment", "account", "venue", "symbol", "qty", "base_fees"),
        as_json,
    )


@click.command(epilog=examples("arb orders --open", "arb orders --since 2026-05-01 --json"))
@click.option("--open", "is_open", is_flag=True, help="Only those that have not ended.")
@click.option("--since", type=Time(), help="Only those made since then, UTC.")
@_run_option
@_reading_options
def orders(
    is_open: bool,
    since: Moment | None,
    folder: Path | None,
    directory: Path,
    environments: Sequence[str],
    as_json: bool,
) -> None:
    """The orders in the journal, oldest first."""
    from arb.commands.journal import order_record, orders_of

    _show(
        [
            order_record(name, reader.tag, one)
            for name, reader in orders_of(folder, directory, environments)
            for one in reader.orders(open_only=is_open, since_ns=_since_ns(since))
        ],
        (
            "made_ns",
            "venue",
            "symbol",
            "side",
            "force",
            "price",
            "qty",
            "filled_qty",
            "filled_price",
            "status",
        ),
        as_json,
    )


@click.command(epilog=examples("arb trades --since 2026-05-01T12:00", "arb trades --json"))
@click.option("--since", type=Time(), help="Only those since then, UTC.")
@_run_option
@_reading_options
def trades(
    since: Moment | None, folder: Path | None, directory: Path, environments: Sequence[str], as_json: bool
) -> None:
    """The executions in the journal, oldest first; then funding, transfers and what else accounts got or paid."""
    from arb.commands.journal import orders_of, payment_record, trade_record

    executions: list[dict[str, Any]] = []
    payments: list[dict[str, Any]] = []
    for name, reader in orders_of(folder, directory, environments):
        executions += [trade_record(name, reader.tag, one) for one in reader.executions(_since_ns(since))]
        payments += [payment_record(name, one) for one in reader.payments(_since_ns(since))]
    columns = (
        "ts", "venue", "symbol", "side", "price", "qty", "is_maker", "fee", "fee_asset", "execution_id",
    )  # fmt: skip
    _show(executions, columns, as_json)
    if payments:
        _show(payments, ("ts", "kind", "account", "symbol", "amount", "asset"), as_json)


@click.command(epilog=examples("arb halt", "arb halt --flatten --account binance"))
@click.option("--flatten", "is_flattening", is_flag=True, help="Close positions as well.")
@click.option("--account", metavar="HOUSE", help="Of one house alone: binance, bybit.")
@_directory_options
def halt(is_flattening: bool, account: str | None, directory: Path) -> None:
    """Stop opening orders and pull those that work, in every session of the state directory.

    The flag stays, over restarts too, until arb resume clears it.
    """
    from arb.commands.journal import halt as set_halts

    for path in set_halts(directory, account, is_flattening=is_flattening):
        echo(str(path))
    echo("halted; arb resume clears it")


@click.command(epilog=examples("arb resume", "arb resume --account binance"))
@click.option("--account", metavar="HOUSE", help="Only the flag of this house: binance, bybit.")
@_directory_options
def resume(account: str | None, directory: Path) -> None:
    """Clear what arb halt has set, so that sessions can be started again."""
    from arb.commands.journal import resume as clear_halts

    cleared = clear_halts(directory, account)
    for path in cleared:
        echo(f"removed {path}")
    if not cleared:
        echo(f"nothing is halted in {directory}" if account is None else f"{account} is not halted by itself")


@click.command(epilog=examples("arb capital --confirm", "arb capital --confirm --state-directory my/state"))
@click.option("--confirm", is_flag=True, help="Deposits and withdrawals so far are intended.")
@_directory_options
def capital(confirm: bool, directory: Path) -> None:
    """Confirm deposits and withdrawals that running sessions have seen, so that they open positions again."""
    from arb.commands.journal import confirm_capital

    if not confirm:
        raise InputError(
            "arb capital: look at the transfers that arb status names, then arb capital --confirm"
        )
    paths = confirm_capital(directory)
    for path in paths:
        echo(str(path))
    echo("confirmed" if paths else f"{directory} has no sessions")


def _status_lines(found: Status) -> list[str]:
    run = found.run
    state = "a session runs" if found.is_running else "no session runs"
    if found.is_guarded:
        state += ", its guard, too" if found.is_running else ", a guard is cancelling its orders"
    lines = [f"{found.environment}: {state}"]
    if run is not None:
        end = f", {run.outcome} at {_time(run.ended_ns)}" if run.outcome else ""
        if not run.outcome and not found.is_running:
            end = ", killed"
        lines.append(f"  run {run.run}: since {_time(run.started_ns)}{end}, {run.folder}")
        lines.append(f"  legs: {', '.join(found.legs)}; accounts: {', '.join(found.accounts)}")
    for one in found.halts:
        lines.append(
            f"  HALTED: {one.house or 'all accounts'} since {_time(one.since_ns)}, {one.reason}"
            f"{', positions are closed' if one.is_flattening else ''}; arb resume clears it"
        )
    lines += [f"  supervisor {name}, since {_time(ts)}: {text}" for name, ts, text in found.rules]
    lines += [f"  {name}, since {_time(ts)}: {text}" for name, ts, text in found.closed]
    lines += [
        f"  NOT HEDGED since {_time(ts)}: {text}; the next session hedges it first"
        for _, ts, text in found.unhedged
    ]
    lines.append(f"  {found.open_orders} open orders, {found.trades} trades")
    lines += [
        f"  {kind}: {amount:+f} {asset} in {count} ({account})"
        for account, kind, asset, amount, count in found.payments
    ]
    lines += [f"  position: {one.venue}:{one.symbol} {one.qty:+f} ({one.account})" for one in found.positions]
    for account, is_agreed, ts, text in found.reconciled:
        word = "agreed with its venue" if is_agreed else "DIFFERS from its venue"
        lines.append(f"  {account}: {word} at {_time(ts)}{f': {text}' if text else ''}")
    return lines


def _show(records: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Prints rows as lines of JSON, or some of their columns as a table."""
    if as_json:
        for record in records:
            echo_json(record)
        return
    if not records:
        echo("none")
        return
    rows = [[_cell(name, record[name]) for name in columns] for record in records]
    words = ("environment", "account", "venue", "symbol", "side", "force", "status", "fee_asset", "is_maker")
    headings = [_HEADINGS.get(name, name.replace("_", " ")) for name in columns]
    output().print(rows_view(headings, rows, words=[_HEADINGS.get(name, name) for name in words]))


_HEADINGS = {"made_ns": "made", "ts": "time", "is_maker": "role", "execution_id": "id"}


def _cell(name: str, value: Any) -> str:
    if name in ("ts", "made_ns"):
        return _time(value)
    if name == "is_maker":
        return "maker" if value else "taker"
    return "" if value is None else str(value)


def _time(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // SECOND, UTC):%Y-%m-%d %H:%M:%S}"


def _since_ns(since: Moment | None) -> int:
    return 0 if since is None else round(since.at.timestamp()) * SECOND

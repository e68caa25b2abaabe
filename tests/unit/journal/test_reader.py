"""What commands and the next start read from a journal."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from support.journals import LEGS, RUN, begun, execution, intent, journal_at, reader_at, write_orders

from arb.errors import InputError
from arb.journal.schema import Answered, Ended, Opened, Reconciled, Sent


def test_orders_have_their_latest_price_and_their_fills(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.commit_step([intent(run, 0, 1, 10, order_id=-2)])
    journal.commit_step([intent(run, 0, 2, 11, act="amend", placed=1, tick=1_005, lots=4)])
    journal.commit_step([intent(run, 0, 3, 12, act="cancel", placed=1)])
    journal.note(Answered(run, 12, 0, 2, 1, "modified", "new", 1_005, 4, 4, ""))
    journal.note(Answered(run, 12, 0, 3, 1, "rejected", "new", 0, 0, 0, "unknown order"))
    journal.note(execution(run, 0, 1, "x", 1, tick=1_005))
    journal.note(execution(run, 0, 1, "y", 2, tick=1_008))
    journal.write_notes()
    with reader_at(tmp_path) as reader:
        (order,) = reader.orders(open_only=True)
        assert (order.order_id, order.account, order.venue) == (2**64 - 2, "binance-7", "binance_usdm")
        assert (order.tick, order.lots, order.requests) == (1_005, 4, (1, 2))
        assert (order.filled_lots, order.filled_price) == (3, Decimal("100.70"))
        journal.note(Ended(run, 0, 1, 20, "canceled", 3, "by_user"))
        journal.note(Ended(run, 0, 1, 21, "filled", 3, ""))
        journal.write_notes()
        assert reader.orders(open_only=True) == []
        (order,) = reader.orders()
        assert (order.status, order.ended_ns, order.text) == ("canceled", 20, "by_user")
        assert reader.orders(since_ns=11) == []
    journal.close()


def test_executions_have_prices_of_their_legs(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.commit_step([intent(run, 1, 1)])
    journal.note(execution(run, 1, 1, "x", 7, ts=30, side=-1))
    journal.note(execution(run, 1, 1, "w", 7, ts=29, side=-1))
    journal.write_notes()
    with reader_at(tmp_path) as reader:
        assert [one.execution_id for one in reader.executions()] == ["w", "x"]
        (trade,) = reader.executions(since_ns=30)
        assert (trade.venue, trade.side, trade.price, trade.qty) == (
            "bybit_spot", -1, Decimal("10.00"), Decimal("0.000007"),
        )  # fmt: skip
        assert (trade.fee, trade.fee_asset, trade.is_maker) == (Decimal("0.01"), "USDT", True)
    journal.close()


def test_positions_are_openings_and_executions_of_all_runs(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    first = begun(journal)
    journal.note(
        Opened(first, 5, "binance-7", "binance_usdm", "BTCUSDT", -20, "0.001", "60000", "taken over")
    )
    write_orders(journal, first, [1])
    finer = [LEGS[0]._replace(lot="0.0001"), LEGS[1]]
    second = begun(journal, finer)
    journal.commit_step([intent(second, 0, 1)])
    journal.note(execution(second, 0, 1, "z", 3, ts=90_000))
    journal.note(execution(second, 1, 1, "z", 4, ts=90_000, fee="0.000002", fee_asset="BTC"))
    journal.write_notes()
    with reader_at(tmp_path) as reader:
        perpetual, spot = reader.positions()
    assert (perpetual.account, perpetual.venue) == ("binance-7", "binance_usdm")
    assert (perpetual.qty, perpetual.lots, perpetual.lot_size) == (
        Decimal("-0.0147"), -147, Decimal("0.0001"),
    )  # fmt: skip
    assert (spot.lots, spot.base_fees, spot.ts) == (-1, Decimal("0.000002"), 90_000)
    journal.close()


def test_a_part_of_a_lot_is_an_error(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.note(Opened(run, 5, "binance-7", "binance_usdm", "BTCUSDT", 15, "0.0001", "0", ""))
    journal.note(execution(run, 0, 1, "z", 3, ts=90_000))
    journal.write_notes()
    with (
        reader_at(tmp_path) as reader,
        pytest.raises(InputError, match=r"0\.0045 is not a whole number of lots"),
    ):
        reader.positions()
    journal.close()


def test_the_last_comparison_of_each_account(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    for ts, account, is_agreed in ((1, "a", True), (2, "b", True), (3, "a", False)):
        journal.note(Reconciled(run, ts, account, is_agreed, ""))
    journal.write_notes()
    with reader_at(tmp_path) as reader:
        found = reader.reconciliations()
        assert {name: (one.ts, one.is_agreed) for name, one in found.items()} == {
            "a": (3, False),
            "b": (2, True),
        }
        assert reader.known_until_ns() == 3
    journal.close()


def test_a_run_that_never_traded_says_nothing_about_the_time_before(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    with reader_at(tmp_path) as reader:
        assert reader.known_until_ns() == 0
        first = begun(journal)
        assert reader.known_until_ns() == 0
        journal.note(Reconciled(first, 10, "a", True, ""))
        journal.note(Sent(first, 50, "bybit_spot", 1, 1, "place", "", "t1", True))
        journal.write_notes()
        second = journal.begin_run(RUN)
        journal.note(Reconciled(second, 90, "a", True, ""))
        journal.note(Reconciled(second, 90, "b", False, "differs"))
        journal.write_notes()
        assert reader.known_until_ns() == 50
        journal.add_legs(second, LEGS)
        assert reader.known_until_ns() == 90
        begun(journal)
        assert reader.known_until_ns() == 90
    journal.close()


def test_runs_and_legs(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    with reader_at(tmp_path) as reader:
        assert reader.is_running
        assert reader.is_running  # asking releases nothing
        assert reader.legs(run) == list(LEGS)
        (found,) = reader.runs()
        assert (found.run, found.folder) == (run, "/runs/one")
        assert reader.tag == journal.tag
        journal.close()
        assert not reader.is_running


def test_without_a_journal_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no journal: no session has traded in demo here"):
        reader_at(tmp_path, "demo")


def test_the_journal_of_another_environment_is_not_read(tmp_path: Path) -> None:
    journal_at(tmp_path).close()
    (tmp_path / "sandbox").rename(tmp_path / "demo")
    with pytest.raises(InputError, match="is the journal of sandbox, and not of demo"):
        reader_at(tmp_path, "demo")

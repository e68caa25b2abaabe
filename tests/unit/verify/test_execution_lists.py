"""The venue's list of executions against the session's: by id and order, fees by their amounts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from arb.commands.verify_live import refuse_other_legs
from arb.errors import InputError
from arb.runtime.live_files import EXECUTION, RESPONSE, OrderRecords
from arb.verify.execution_lists import execution_differences, place_differences

LEGS: Any = [SimpleNamespace(venue="binance_spot", symbol="BTCUSDT")]
FIRST = {"id": "7", "venue_order_id": "1", "side": 1, "tick": 100, "lots": 5, "is_maker": True, "fee": "0.0010",
         "fee_asset": "USDT", "venue_ms": 9}  # fmt: skip
#: A trade with oneself: the same id in the other order.
SECOND = FIRST | {"venue_order_id": "2", "side": -1, "is_maker": False}


def records(session: list[dict[str, Any]], listed: list[dict[str, Any]]) -> OrderRecords:
    rows = np.zeros(len(session), EXECUTION)
    for row, one in zip(rows, session, strict=True):
        for name, value in one.items():
            row[name] = value.encode() if isinstance(value, str) else value
    facts = {
        "binance_spot": {"executions": [{"symbol": "BTCUSDT", "is_ours": True, **one} for one in listed]}
    }
    return OrderRecords(None, None, rows, None, facts, {})


def texts(session: list[dict[str, Any]], listed: list[dict[str, Any]]) -> list[str]:
    found, count, foreign = execution_differences(records(session, listed), LEGS)
    assert (count, foreign) == (len(listed), 0)
    return [one.where for one in found]


@pytest.mark.parametrize("fee", ["0.001", "0.0010", "1E-3"])
def test_equal_lists_differ_in_nothing(fee: str) -> None:
    assert not texts([FIRST, SECOND], [SECOND, FIRST | {"fee": fee}])


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"side": -1},
            {"tick": 101},
            {"lots": 6},
            {"is_maker": False},
            {"fee_asset": "BNB"},
            {"venue_ms": 8},
        ),
        *({"fee": "0.0011"}, {"fee": "?"}, {"fee": None}),
    ],
)
def test_another_figure_is_a_difference(change: dict[str, Any]) -> None:
    (name,) = change
    assert texts([FIRST, SECOND], [FIRST | change, SECOND]) == [f"binance_spot:BTCUSDT execution 7 {name}"]


def test_an_execution_that_one_side_lacks_is_a_difference() -> None:
    where = "binance_spot:BTCUSDT execution 7"
    assert texts([FIRST], [FIRST, SECOND]) == [where]
    assert texts([FIRST, SECOND], [SECOND]) == [where]
    # Twice in the session is once too often.
    assert texts([FIRST, FIRST], [FIRST]) == [f"{where} lots"]


def placed(*responses: tuple[float, int], executions: tuple[int, ...]) -> OrderRecords:
    """Responses with what they execute and their places in the log of fills; places of the executions."""
    rows, own = np.zeros(len(responses), RESPONSE), np.zeros(len(executions), EXECUTION)
    rows["row"]["fill_qty"], rows["fill_no"] = zip(*responses, strict=True)
    own["fill_no"] = executions
    return OrderRecords(None, rows, own, None, {}, {})


def test_places_in_the_log_of_fills_are_those_of_the_replay() -> None:
    fills = np.zeros(2, [("asset_no", "i8")])
    legs: Any = [SimpleNamespace(name="one")]

    def differing(*responses: tuple[float, int], executions: tuple[int, ...] = (0, 1)) -> list[str]:
        return [one.what for one in place_differences(placed(*responses, executions=executions), fills, legs)]

    assert differing((1.0, 0), (0.0, -1), (1.0, 1)) == []
    assert differing((1.0, 0), (0.0, 5), (1.0, 1)) == ["answer"]
    assert differing((1.0, 1), (0.0, -1), (1.0, 0)) == ["answer", "answer"]
    assert differing((1.0, 0), (1.0, 1), executions=(0, 0)) == ["execution"]
    assert differing((1.0, 0), (1.0, 1), executions=(0,)) == ["execution"]


def test_an_execution_that_is_not_listed_has_a_cause_if_the_list_was_not_answered() -> None:
    orders = records([FIRST, SECOND], [SECOND | {"lots": 6}])
    orders.facts["binance_spot"]["missing"] = ["executions"]
    lacking, other = execution_differences(orders, LEGS)[0]
    assert lacking.cause == "the venue did not answer the query of its executions at the end"
    assert not other.cause
    orders.facts["binance_spot"]["missing"] = ["balances"]
    assert not any(one.cause for one in execution_differences(orders, LEGS)[0])


@pytest.mark.parametrize("leg", [-1, 2])
def test_rows_of_a_leg_that_the_session_has_not_are_one_line(leg: int) -> None:
    refuse_other_legs(Path("orders.npz"), 2, np.array([0, 1]), np.array([], int))
    with pytest.raises(InputError, match=r"^orders\.npz: cannot be read: it has rows of other legs"):
        refuse_other_legs(Path("orders.npz"), 2, np.array([0, 1]), np.array([1, leg]))

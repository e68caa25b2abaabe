"""The private lines of a venue are whole and in order, and no request is on the wire twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from arb.runtime.live_files import REQUEST
from arb.runtime.private_log import PrivateLine
from arb.verify.once import once_differences
from arb.verify.private_lines import line_differences

T = 1_700_000_000_000_000_000
#: (ns after T, mark, where, text)
LINES = [
    (0, "!", "t1", "connecting"),
    (1, "!", "t1", "open"),
    (2, "}", "t1", '{"op":"auth"}'),
    (3, "{", "t1", '{"op":"auth","retCode":0}'),
    (3, "!", "t1", "up logon"),
    (4, "}", "r1", "POST /fapi/v1/listenKey"),
    (5, "@", "-", "request 0 1"),
    (5, ">", "t1", '{"reqId":"0-1-p","op":"order.create"}'),
    (5, "!", "t1", "sent 0-1-p"),
    (5, "!", "-", "kept 1"),
    (7, "{", "r1", '200 {"listenKey":"***"}'),
    (8, "t", "-", str(T + 8)),
    (8, ">", "r2", "GET /v5/order/realtime?symbol=BTCUSDT"),
    (8, "!", "r2", "sent lookup-1"),
    (8, "!", "-", "unsent lookup-2"),
    (9, "<", "t1", '{"reqId":"0-1-p"}'),
    (11, "<", "r2", "lookup-1 200 0 1 {}"),
    (11, "!", "-", "kept 2"),
    (12, "!", "t1", "lost closed by the venue"),
    (12, "!", "t2", "connecting"),
]


def lines_of(rows: list[tuple[int, str, str, str]]) -> list[PrivateLine]:
    return [PrivateLine(T + ns, mark, where, text, no) for no, (ns, mark, where, text) in enumerate(rows, 1)]


def changed(place: int, **values: object) -> Callable[[list[PrivateLine]], None]:
    def change(lines: list[PrivateLine]) -> None:
        lines[place] = lines[place]._replace(**values)  # type: ignore[arg-type]

    return change


def swapped(first: int, second: int) -> Callable[[list[PrivateLine]], None]:
    def change(lines: list[PrivateLine]) -> None:
        lines[first], lines[second] = lines[second], lines[first]

    return change


def test_the_lines_of_a_session_are_whole() -> None:
    lines = lines_of(LINES)
    assert line_differences("bybit_spot", lines, len(lines)) == []
    assert line_differences("bybit_spot", lines, None) == []


@pytest.mark.parametrize("place", range(len(LINES)))
def test_a_line_that_is_missing_or_there_twice_is_reported(place: int) -> None:
    lines = lines_of(LINES)
    assert line_differences("bybit_spot", lines[:place] + lines[place + 1 :], len(lines)) != []
    assert line_differences("bybit_spot", lines[: place + 1] + lines[place:], len(lines)) != []


@pytest.mark.parametrize(
    "change",
    [
        *(swapped(place, place + 1) for place in range(len(LINES) - 1)),
        *(changed(place, number=place + 2) for place in range(len(LINES))),
        changed(5, ts=T + 2),  # before the input before
        changed(11, ts=T + 4),
        *(changed(place, ts=T + 6) for place in (7, 8, 9)),  # of the input before
        changed(0, text="open"),
        changed(1, text="up logon"),
        changed(1, text="open now"),
        changed(4, text="up some"),
        changed(18, text="retiring now"),
        changed(19, where="t1"),
        changed(19, where="t3"),
        changed(19, where="x2"),
        changed(2, where="t2"),
        changed(2, mark="<"),
        changed(3, mark="<"),  # not up yet
        changed(15, mark="{"),  # up
        changed(5, where="r2"),
        changed(12, where="r1"),
        changed(13, where="t1"),
        changed(13, where="r3"),
        changed(8, where="t2"),
        changed(14, where="t1"),
        changed(6, where="t1"),
        changed(11, where="t1"),
        changed(9, where="t1"),
        changed(9, text="kept 2"),
        changed(17, text="kept 3"),
        changed(10, where="r2"),
        changed(10, mark="<"),
        changed(16, mark="{"),
        changed(16, where="r1"),
        changed(15, text='{"reqId":"0-2-p"}'),
        changed(16, text="lookup-2 200 0 1 {}"),
    ],
)
def test_a_line_that_no_session_writes_is_reported(change: Callable[[list[PrivateLine]], None]) -> None:
    lines = lines_of(LINES)
    change(lines)
    assert line_differences("bybit_spot", lines, len(lines)) != []


PLACED = 'POST /v5/order/create {"category":"spot","orderLinkId":"arb-18bcfe56800-0-1"}'
REPLACED = '{"id":"0-1-a","method":"order.cancelReplace","params":{"newClientOrderId":"arb-18bcfe56800-0-1"}}'


@pytest.mark.parametrize("text", [PLACED, REPLACED])
@pytest.mark.parametrize("mark", [">", "}"])
def test_an_order_that_goes_over_the_wire_twice_is_reported(text: str, mark: str) -> None:
    requests = np.zeros(1, REQUEST)
    requests["is_sent"], requests["row"]["request_no"] = 1, 1
    once = [PrivateLine(T, ">", "r1", text), PrivateLine(T, "!", "r1", "sent 0-1-p")]
    assert once_differences({"bybit_spot": once}, requests) == ([], 0)
    found, _ = once_differences({"bybit_spot": [*once, PrivateLine(T, mark, "r2", text)]}, requests)
    assert ("bybit_spot arb-18bcfe56800-0-1 of an order", "2 times") in {
        (one.where, one.replayed) for one in found
    }

"""Errors of the venues, each at a place, a cancel and a look-up: the table of docs/order-errors.md, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from support.order_errors import MARKETS, ErringDesk, VenueFault, cancelling, placing, querying

from connectors.orders.model import Act, Channel
from connectors.units import SECOND

PAGE = Path(__file__).parents[3] / "docs" / "order-errors.md"


class Row(NamedTuple):
    """A line of the table."""

    house: str
    market: str
    fault: VenueFault
    place: str
    cancel: str
    look_up: str

    def __str__(self) -> str:
        text = self.fault.text.partition(".")[0].replace(" ", "-")
        return f"{self.house}-{self.market}-{self.fault.code or self.fault.status}-{text}"


def rows() -> list[Row]:
    found = []
    for house in MARKETS:
        table = (
            PAGE.read_text(encoding="utf-8")
            .partition(f"\n## {house.capitalize()}\n")[2]
            .partition("\n## ")[0]
        )
        for line in table.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 7 and cells[2].isdigit():
                market, code, status, says, *states = cells
                text = says.split("`")[1] if "`" in says else says
                found.append(Row(house, market, VenueFault(int(code or 0), int(status), text), *states))
    return found


ROWS = rows()


def test_the_page_has_the_errors_that_matter() -> None:
    assert len({(row.house, row.fault.code, row.fault.status) for row in ROWS}) >= 80
    assert {row.house for row in ROWS} == set(MARKETS)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_error_has_the_state_of_the_table_and_is_not_retried(row: Row) -> None:
    for venue in MARKETS[row.house][row.market]:
        for over_rest in (False, True):
            if not over_rest and not row.fault.code:
                continue  # of HTTP alone
            where = f"{venue} {'REST' if over_rest else 'socket'}"
            for act, feed, state in (
                (Act.PLACE, placing, row.place),
                (Act.CANCEL, cancelling, row.cancel),
                (Act.LOOK_UP, querying, row.look_up),
            ):
                found, desk = feed(venue, row.fault, over_rest=over_rest)
                assert (where, act.name, found) == (where, act.name, state)
                before = desk.changes
                desk.pass_time(60 * SECOND)
                assert desk.changes == before, "a request was sent again"
                assert before.count(act) == (act is not Act.LOOK_UP)


@pytest.mark.parametrize(
    ("venue", "fault"),
    [
        ("binance_spot", VenueFault(-1003, 429)),
        ("binance_usdm", VenueFault(-1003, 418)),
        ("bybit_spot", VenueFault(0, 403)),
        ("bybit_linear", VenueFault(0, 429)),
    ],
)
def test_a_limit_over_rest_stops_everything_until_it_ends(venue: str, fault: VenueFault) -> None:
    desk = ErringDesk(venue, over_rest=True)
    desk.request(Act.PLACE, 1)
    desk.fail(Act.PLACE, fault, retry_after_ns=7 * SECOND)
    assert desk.desk.stopped_until_ns == desk.now + 7 * SECOND
    desk.answers.clear()
    desk.pass_time(7 * SECOND - 1)
    desk.request(Act.PLACE, 2)
    assert [one.cause for one in desk.answers] == ["the venue limits requests"]
    desk.pass_time(1)
    desk.request(Act.PLACE, 3)
    assert desk.changes == [Act.PLACE, Act.PLACE]


@pytest.mark.parametrize("venue", MARKETS["binance"]["both"])
@pytest.mark.parametrize("status", [429, 418])
def test_a_limit_on_the_socket_stops_everything_until_it_ends(venue: str, status: int) -> None:
    desk = ErringDesk(venue)
    desk.request(Act.PLACE, 1)
    desk.fail(Act.PLACE, VenueFault(-1003, status))  # for three seconds
    desk.pass_time(3 * SECOND - 1)
    desk.request(Act.PLACE, 2)
    assert desk.changes == [Act.PLACE]
    desk.pass_time(1)
    desk.request(Act.PLACE, 3)
    assert desk.changes == [Act.PLACE, Act.PLACE]


@pytest.mark.parametrize("venue", MARKETS["binance"]["both"])
def test_look_ups_wait_in_the_queue_of_rest_while_the_venue_limits_requests(venue: str) -> None:
    desk = ErringDesk(venue)
    desk.request(Act.PLACE, 1)
    desk.pass_time(desk.times.answer_ns)
    desk.fail(Act.LOOK_UP, VenueFault(-1003, 429))
    sent = len(desk.sent)
    desk.pass_time(3 * SECOND - 1)
    channels = {wire.channel for wire, _ in desk.sent[sent:]}
    assert channels <= {Channel.REST}  # which the queue holds back


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_market_is_the_reason_of_some_refusals(row: Row) -> None:
    """They do not close the leg: a post-only order that would take, a fill-or-kill that cannot be filled."""
    is_by_market = (row.house, row.fault.code) in (("binance", -5021), ("binance", -5022), ("bybit", 170218))
    is_by_market |= "immediately match" in row.fault.text
    for venue in MARKETS[row.house][row.market]:
        desk = ErringDesk(venue, over_rest=not row.fault.code)
        desk.request(Act.PLACE, 1)
        desk.fail(Act.PLACE, row.fault)
        assert bool(desk.refusals) == (row.place in ("refused", "looked up") and not is_by_market)
        says_closed = any(
            word in row.fault.text for word in ("closed", "not live", "not open yet", "delivered")
        )
        assert any(one.is_closed for one in desk.refusals) == says_closed

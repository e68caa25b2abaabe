"""REST requests of orders: priorities, deadlines, bans, one end each."""

from __future__ import annotations

from support.sim_time import S
from support.trade_lines import Lines, reply, wire

from connectors.net.interfaces import RestAnswer
from connectors.orders.model import Act, Channel
from connectors.trade.interfaces import Sent
from connectors.trade.rest_queue import IN_FLIGHT_MAX, QUEUED_MAX, RestLine


def names(lines: Lines) -> list[str]:
    """Ids of the requests that reached the venue."""
    return [request.wire_id for request in lines.net.requests]


def full(lines: Lines) -> None:
    """As many requests on their way as there may be."""
    for number in range(IN_FLIGHT_MAX):
        lines.rest.send(wire(f"full{number}", Act.BALANCES, Channel.REST))


def test_cancels_first_then_queries_then_places() -> None:
    lines = Lines()
    full(lines)
    for act in (Act.BALANCES, Act.PLACE, Act.LOOK_UP, Act.AMEND, Act.CANCEL, Act.CANCEL_ALL, Act.TIME):
        lines.rest.send(wire(act.name, act, Channel.REST))
    assert len(names(lines)) == IN_FLIGHT_MAX
    while lines.net.open_requests:
        lines.net.answer()
    order = ["CANCEL", "CANCEL_ALL", "LOOK_UP", "TIME", "PLACE", "AMEND", "BALANCES"]
    assert names(lines)[IN_FLIGHT_MAX:] == order
    assert len(lines.owner.rest) == IN_FLIGHT_MAX + 7


def test_a_request_that_waited_too_long_is_never_sent() -> None:
    lines = Lines()
    full(lines)
    lines.rest.send(wire("late", Act.PLACE, Channel.REST))
    lines.run(2)
    assert lines.owner.rest[-1][1:] == ("late", 0, "not sent in time", False)
    assert [was_sent for *_, was_sent in lines.owner.rest[:-1]] == [True] * IN_FLIGHT_MAX
    while lines.net.open_requests:
        lines.net.answer()
    lines.run(10)
    assert "late" not in names(lines)


def test_an_answer_after_the_deadline_is_no_second_end() -> None:
    lines = Lines()
    assert lines.rest.send(wire("a", Act.PLACE, Channel.REST)) == Sent(True, "r1")
    lines.run(2)
    assert lines.owner.rest == [("r1", "a", 0, "no answer in time", True)]
    lines.net.answer(200, "too late")
    lines.run(2)
    assert len(lines.owner.rest) == 1


def test_a_ban_stops_everything_until_it_ends() -> None:
    for status, retry_after, ban_s in ((429, 3 * S, 3), (418, 0, 120), (403, 0, 600), (429, 0, 10)):
        lines = Lines()
        lines.rest.send(wire("a", Act.LOOK_UP, Channel.REST))
        lines.net.answer(status, "", retry_after)
        lines.rest.send(wire("b", Act.CANCEL, Channel.REST))
        lines.run(ban_s - 1)
        lines.rest.send(wire("c", Act.CANCEL, Channel.REST))
        lines.run(0.9)
        assert names(lines) == ["a"]
        lines.run(0.2)
        # "b" met its deadline meanwhile, unless that is later.
        assert names(lines)[-1] == "c"
        assert ("b" in names(lines)) == (ban_s < 2)


def test_what_a_line_asks_is_not_for_the_desk() -> None:
    lines = Lines()
    found: list[RestAnswer] = []
    lines.net.rest.append(reply(200, "key"))
    lines.rest.ask(wire("key", Act.LISTEN_KEY, Channel.REST), found.append)
    lines.run(1)
    assert [answer.body for answer in found] == [b"key"]
    assert lines.owner.rest == []
    assert lines.owner.own == [("r1", True, "POST /key"), ("r1", False, "200 key")]


def test_bounds_and_stop() -> None:
    lines = Lines()
    full(lines)
    sent = [lines.rest.send(wire(f"{no}", Act.PLACE, Channel.REST)).is_sent for no in range(QUEUED_MAX + 5)]
    assert sent.count(False) == 5
    lines.rest.stop()
    assert not lines.rest.send(wire("x", Act.CANCEL, Channel.REST)).is_sent
    lines.net.answer()
    assert [wire_id for _, wire_id, *_ in lines.owner.rest] == ["full0"]
    lines.run(10)
    assert len(names(lines)) == IN_FLIGHT_MAX


def test_a_ban_that_was_learned_elsewhere_stops_everything_too() -> None:
    lines = Lines()
    lines.rest.pause(S)
    lines.rest.pause(S // 2)  # never shorter
    lines.rest.send(wire("a", Act.CANCEL, Channel.REST))
    lines.run(0.99)
    assert names(lines) == []
    lines.run(0.02)
    assert names(lines) == ["a"]


def test_headers_about_limits_go_to_whoever_counts_them() -> None:
    lines, found = Lines(), list[tuple[Act, object]]()
    rest = RestLine(
        lines.net, lines.timers, lines.owner, lines.times, lambda act, headers: found.append((act, headers))
    )
    for status in (200, 0):
        rest.send(wire("a", Act.LOOK_UP, Channel.REST))
        lines.net.answer(status, "{}")
    assert found == [(Act.LOOK_UP, {})]  # without a response there is nothing

"""Lines for orders and events on simulated time: log-on first, deadlines, nothing carried over."""

from __future__ import annotations

import pytest
from support.trade_lines import Lines, TextProtocol, wire

from connectors.orders.model import Act
from connectors.trade.interfaces import LineEvent, Sent


def up(protocol: TextProtocol | None = None) -> Lines:
    """A trade socket that is up."""
    lines = Lines(protocol)
    lines.trade.start()
    lines.run(1)
    return lines


def test_nothing_is_sent_before_the_log_on_is_accepted() -> None:
    lines = Lines()
    del lines.net.answers["LOG_ON"]
    lines.trade.start()
    lines.run(1)
    assert lines.trade.send(wire("a")) == Sent(False, "")
    lines.net.last.receive("LOG_ON ACCEPTED", "early ACCEPTED")
    assert lines.trade.is_up
    assert lines.trade.send(wire("b")) == Sent(True, "t1")
    lines.net.last.receive("b ACCEPTED", "c ACCEPTED")
    assert lines.net.last.sent == ["LOG_ON", "b"]
    # The rest of the read in which it came up is passed on, what was said before is not.
    assert lines.owner.frames == [("t1", "early ACCEPTED"), ("t1", "b ACCEPTED"), ("t1", "c ACCEPTED")]
    assert lines.owner.own == [("t1", True, "LOG_ON"), ("t1", False, "LOG_ON ACCEPTED")]
    assert [event for _, event, _ in lines.owner.events] == [
        LineEvent.CONNECTING,
        LineEvent.OPEN,
        LineEvent.UP,
    ]


def test_log_on_then_subscription_one_after_the_other() -> None:
    lines = Lines()
    del lines.net.answers["LOG_ON"]
    lines.user.start()
    lines.run(1)
    assert lines.net.last.sent == ["LOG_ON"]
    lines.net.last.receive("LOG_ON ACCEPTED")
    assert lines.net.last.sent == ["LOG_ON", "SUBSCRIBE"]
    lines.run(0.1)
    assert lines.user.is_up
    assert lines.owner.events[-1] == ("u1", LineEvent.UP, "logon")


def test_a_refused_log_on_is_not_repeated_at_once() -> None:
    lines = Lines()
    lines.net.answers["LOG_ON"] = "LOG_ON REFUSED"
    lines.trade.start()
    lines.run(4)
    assert len(lines.net.connections) == 1
    assert lines.owner.events[-1] == ("t1", LineEvent.LOST, "refused: 0 why")
    lines.run(60)
    assert len(lines.net.connections) > 2
    assert not lines.trade.is_up


def test_without_the_venues_log_on_requests_are_signed() -> None:
    lines = Lines()
    lines.net.answers["LOG_ON"] = "LOG_ON UNKNOWN"
    lines.trade.start()
    lines.run(1)
    assert lines.owner.events[-1] == ("t1", LineEvent.UP, "signed")
    lines.net.last.drop()
    lines.run(5)
    assert lines.owner.events[-1] == ("t2", LineEvent.UP, "signed")
    assert lines.net.last.sent == []


def test_a_line_without_log_on_is_up_at_once() -> None:
    lines = up(TextProtocol())
    assert lines.owner.events[-1] == ("t1", LineEvent.UP, "signed")


@pytest.mark.parametrize("fault", ["no handshake in time", "a request was not answered", "silent"])
def test_deadlines_of_a_line(fault: str) -> None:
    lines = Lines()
    lines.net.opens = fault != "no handshake in time"
    if fault == "a request was not answered":
        del lines.net.answers["LOG_ON"]
    lines.trade.start()
    lines.run(13)
    assert ("t1", LineEvent.LOST, fault) in lines.owner.events
    assert lines.net.connections[0].is_closed
    assert lines.owner.events[-1][0] != "t1"


def test_an_idle_line_is_pinged() -> None:
    lines = up()
    for _ in range(180):
        lines.net.last.receive("pong ACCEPTED")
        lines.run(1)
    pings = [text for text in lines.net.last.sent if text.startswith("ping")]
    assert pings == ["ping 1", "ping 2", "ping 3"]
    assert lines.owner.times_of(LineEvent.LOST) == []


def test_nothing_is_carried_over_to_a_later_connection() -> None:
    lines = up()
    assert lines.trade.send(wire("a")) == Sent(True, "t1")
    lines.net.last.drop()
    assert lines.trade.send(wire("b")) == Sent(False, "")
    lines.run(5)
    assert lines.trade.send(wire("c")) == Sent(True, "t2")
    assert [one.sent for one in lines.net.connections] == [["LOG_ON", "a"], ["LOG_ON", "c"]]
    assert lines.owner.times_of(LineEvent.LOST) == ["t1"]


def test_a_write_that_fails_may_have_been_sent() -> None:
    lines = up()
    lines.net.last.is_broken = True
    assert lines.trade.send(wire("a")) == Sent(True, "t1")
    lines.run(0)
    assert lines.owner.events[-1][1] is LineEvent.LOST
    lines.run(5)
    assert lines.net.last.sent == ["LOG_ON"]


def test_a_closed_socket_of_the_transport_sends_nothing() -> None:
    lines = up()
    lines.net.last.is_closed = True
    assert lines.trade.send(wire("a")) == Sent(False, "")


def test_a_lost_line_connects_again_with_delays_and_other_addresses() -> None:
    lines = Lines()
    lines.net.opens = False
    lines.trade.start()
    lines.run(200)
    urls = [one.url for one in lines.net.connections]
    assert urls[:7] == ["ws://127.0.0.1:1/"] * 3 + ["ws://127.0.0.1:2/"] * 3 + ["ws://127.0.0.1:1/"]
    assert 18 <= len(urls) <= 27


def test_stop_closes_everything_and_reports_nothing() -> None:
    lines = up()
    before = list(lines.owner.events)
    lines.trade.stop()
    lines.run(100)
    assert lines.owner.events == before
    assert [one.is_closed for one in lines.net.connections] == [True]
    assert not lines.trade.is_up
    assert lines.trade.send(wire("a", Act.CANCEL)) == Sent(False, "")

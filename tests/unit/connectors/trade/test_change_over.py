"""Lines are replaced before they end, without a moment in which none is up; listen keys are renewed."""

from __future__ import annotations

from support.sim_time import S
from support.trade_lines import HOUR, LIFE, Lines, TextProtocol, reply, wire

from connectors.orders.model import Act
from connectors.trade.interfaces import LineEvent, Sent


def answering(lines: Lines, span_s: int, step_s: int = 5) -> None:
    """Time passes; all connections answer pings."""
    for _ in range(0, span_s, step_s):
        for connection in lines.net.connections:
            connection.receive("pong ACCEPTED")
        lines.run(step_s)


def is_always_up(lines: Lines) -> bool:
    """Whether, once a line was up, one was up at any time after."""
    up: set[str] = set()
    was_up = False
    for where, event, _ in lines.owner.events:
        if event is LineEvent.UP:
            up.add(where)
            was_up = True
        elif event is LineEvent.LOST:
            up.discard(where)
        if was_up and not up:
            return False
    return was_up


def test_a_trade_line_is_replaced_while_requests_are_outstanding() -> None:
    lines = Lines(TextProtocol(Act.LOG_ON))
    lines.trade.start()
    lines.run(1)
    old = lines.net.last
    assert lines.trade.send(wire("a")) == Sent(True, "t1")
    lines.trade.replace("t1")
    lines.trade.replace("t1")
    lines.run(0.005)
    # Until the successor is up the old line takes requests.
    assert lines.trade.send(wire("b")) == Sent(True, "t1")
    lines.run(0.1)
    assert lines.trade.send(wire("c")) == Sent(True, "t2")
    old.receive("a ACCEPTED")
    lines.run(1.8)
    assert not old.is_closed
    old.receive("b ACCEPTED")
    lines.run(0.2)
    assert old.is_closed
    assert [one.sent for one in lines.net.connections] == [["LOG_ON", "a", "b"], ["LOG_ON", "c"]]
    assert lines.owner.frames == [("t1", "a ACCEPTED"), ("t1", "b ACCEPTED")]
    events = [(where, event) for where, event, _ in lines.owner.events][3:]
    assert events == [
        ("t2", LineEvent.CONNECTING),
        ("t2", LineEvent.OPEN),
        ("t2", LineEvent.UP),
        ("t1", LineEvent.RETIRING),
        ("t1", LineEvent.LOST),
    ]
    lines.trade.replace("t1")
    answering(lines, 60)
    assert len(lines.net.connections) == 2


def test_lines_are_replaced_before_the_venue_ends_them() -> None:
    lines = Lines()
    lines.trade.start()
    lines.user.start()
    answering(lines, 3 * LIFE // S, 9)
    for letter in ("t", "u"):
        ups = [where for where in lines.owner.times_of(LineEvent.UP) if where.startswith(letter)]
        assert ups == [f"{letter}{no}" for no in range(1, 5)]
    assert is_always_up(lines)
    reasons = {text for _, event, text in lines.owner.events if event is LineEvent.LOST}
    assert reasons == {"replaced"}


def test_a_successor_that_fails_leaves_the_old_line_in_use() -> None:
    lines = Lines()
    lines.trade.start()
    lines.run(1)
    first = lines.net.last
    lines.net.opens = False
    lines.trade.replace("t1")
    for _ in range(8):
        lines.run(1)
        first.receive("pong ACCEPTED")
        assert lines.trade.send(wire("a")).where == "t1"
    lines.net.opens = True
    lines.run(6)
    first.receive("pong ACCEPTED")
    lines.run(6)
    assert lines.trade.send(wire("b")).where not in ("", "t1")
    assert is_always_up(lines)


def test_an_old_line_that_is_lost_during_the_change_over() -> None:
    for is_late in (False, True):
        lines = Lines()
        lines.trade.start()
        lines.run(1)
        lines.trade.replace("t1")
        if is_late:
            lines.run(0.005)
        lines.net.connections[0].drop()
        assert lines.trade.send(wire("a")) == Sent(False, "")
        lines.run(0.1)
        assert lines.trade.send(wire("b")) == Sent(True, "t2")
        lines.run(20)
        assert lines.owner.times_of(LineEvent.UP)[:2] == ["t1", "t2"]


def test_a_successor_that_is_lost_right_after_it_is_up() -> None:
    lines = Lines()
    lines.trade.start()
    lines.run(1)
    lines.trade.replace("t1")
    lines.run(0.1)
    lines.net.last.drop()
    # The old one is read to its end, but takes nothing more.
    assert lines.trade.send(wire("a")) == Sent(False, "")
    lines.run(1)
    assert lines.trade.send(wire("b")) == Sent(True, "t3")


def test_both_streams_deliver_while_they_overlap() -> None:
    lines = Lines()
    lines.user.start()
    lines.run(1)
    lines.user.replace("u1")
    lines.run(0.1)
    for connection in lines.net.connections:
        connection.receive("event ACCEPTED")
    assert lines.owner.frames == [("u1", "event ACCEPTED"), ("u2", "event ACCEPTED")]
    lines.run(2)
    lines.net.connections[0].receive("event ACCEPTED")
    assert len(lines.owner.frames) == 2


def keyed() -> Lines:
    """A stream with a listen key, up."""
    lines = Lines(has_key=True)
    lines.net.rest.append(reply(200, '{"listenKey":"K1"}'))
    lines.user.start()
    lines.run(1)
    assert lines.net.last.url.endswith("/K1")
    assert lines.user.is_up
    return lines


def test_a_listen_key_is_renewed_every_half_hour() -> None:
    lines = keyed()
    lines.net.rest.extend([reply()] * 4)
    answering(lines, 2 * HOUR // S + 10)
    assert [one.wire_id for one in lines.net.requests] == ["key"] + ["renew"] * 4
    assert len(lines.net.connections) == 1


def test_a_renewal_that_fails_gives_a_new_key_and_a_second_line_first() -> None:
    for answer in (reply(400, '{"code":-1125}'), reply(500), reply(0)):
        lines = keyed()
        lines.net.rest.extend([answer, reply(503), reply(200, "no JSON"), reply(200, '{"listenKey":"K2"}')])
        answering(lines, 1830)
        assert lines.net.last.url.endswith("/K2")
        assert [one.is_closed for one in lines.net.connections] == [True, False]
        assert is_always_up(lines)
        assert [one.wire_id for one in lines.net.requests] == ["key", "renew", "key", "key", "key"]


def test_an_expired_key_gives_a_new_key_and_a_new_line() -> None:
    lines = keyed()
    lines.net.rest.append(reply(200, '{"listenKey":"K2"}'))
    lines.user.replace("u1")
    lines.run(1)
    assert lines.net.last.url.endswith("/K2")
    lines.run(3)
    assert [one.is_closed for one in lines.net.connections] == [True, False]


def test_a_lost_stream_asks_for_a_key_again_and_ignores_late_ones() -> None:
    lines = keyed()
    lines.user.replace("u1")
    lines.run(0.1)
    # The line is lost while a key for its successor is asked for: it is asked for once more.
    lines.net.connections[0].drop()
    lines.run(0.1)
    assert [one.wire_id for one in lines.net.requests] == ["key", "key", "key"]
    lines.net.answer(200, '{"listenKey":"LATE"}')
    lines.net.answer(200, '{"listenKey":"K3"}')
    lines.run(1)
    assert [one.url.rpartition("/")[2] for one in lines.net.connections] == ["K1", "K3"]
    lines.user.stop()
    lines.run(2 * HOUR / S)
    assert len(lines.net.requests) == 3

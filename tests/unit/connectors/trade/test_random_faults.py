"""Lines under random faults: what is sent is sent once, after the log-on, and a line is up again when they end."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from support.trade_lines import Lines, reply, wire

from connectors.trade.interfaces import LineEvent
from connectors.trade.keeper import LineKeeper


def strike(chance: random.Random, lines: Lines) -> None:
    """Something that goes wrong, or stops going wrong."""
    net = lines.net
    connection = chance.choice(net.connections)
    kind = chance.randrange(9)
    if kind == 0:
        net.opens = not net.opens
    elif kind == 1:
        net.answers["LOG_ON"] = f"LOG_ON {chance.choice(['ACCEPTED', 'REFUSED', 'UNKNOWN'])}"
    elif kind == 2:
        net.answers.pop("SUBSCRIBE", None)
    elif kind == 3:
        connection.is_broken = True
    elif kind == 4:
        for keeper in (lines.trade, lines.user):
            keeper.replace(f"{keeper.letter}{chance.randrange(1, 40)}")
    elif kind == 5:
        connection.receive("garbage", "no answer to anything", "LOG_ON ACCEPTED", "x ACCEPTED")
    elif kind == 6:
        net.rest.append(reply(chance.choice([200, 400, 0]), '{"listenKey":"K"}'))
    else:
        connection.drop()


def heal(lines: Lines) -> None:
    """From now on nothing goes wrong."""
    lines.net.opens = True
    lines.net.answers |= {"LOG_ON": "LOG_ON ACCEPTED", "SUBSCRIBE": "SUBSCRIBE ACCEPTED"}
    for _ in range(120):
        while lines.net.open_requests:
            lines.net.answer(200, '{"listenKey":"K"}')
        for connection in lines.net.connections:
            connection.is_broken = False
            connection.receive("pong ACCEPTED")
        lines.run(0.5)


@pytest.mark.parametrize("seed", range(60))
def test_lines_under_random_faults(seed: int) -> None:
    chance = random.Random(seed)
    lines = Lines(has_key=bool(seed % 2))
    keepers: list[LineKeeper] = [lines.trade, lines.user]
    for keeper in keepers:
        keeper.start()
    lines.net.rest.append(reply(200, '{"listenKey":"K"}'))
    lines.run(1)
    sent: dict[str, str] = {}
    for number in range(400):
        if chance.random() < 0.3:
            strike(chance, lines)
        request = wire(f"order{number}")
        outcome = lines.trade.send(request)
        if outcome.is_sent:
            sent[request.text] = outcome.where
        lines.run(chance.choice([0.001, 0.02, 0.3, 2.0]))
    written = Counter(text for one in lines.net.connections for text in one.sent if text.startswith("order"))
    assert set(written.values()) <= {1}
    # A broken connection may not have written what was to be sent; nothing is written that was not.
    assert set(written) <= set(sent)
    for connection in lines.net.connections:
        assert "LOG_ON" not in connection.sent[1:]
    heal(lines)
    assert [keeper.is_up for keeper in keepers] == [True, True]
    assert sum(not one.is_closed for one in lines.net.connections) == 2
    assert lines.trade.send(wire("last")).is_sent
    ends: dict[str, list[LineEvent]] = {}
    for where, event, _ in lines.owner.events:
        ends.setdefault(where, []).append(event)
    for events in ends.values():
        assert len(set(events)) == len(events)
        assert events[0] is LineEvent.CONNECTING
        assert LineEvent.LOST not in events[:-1]
        assert LineEvent.UP not in events or events[1] is LineEvent.OPEN
        assert LineEvent.RETIRING not in events or LineEvent.UP in events
    up_before_frames = {where for where, events in ends.items() if LineEvent.UP in events}
    assert {where for where, _ in lines.owner.frames} <= up_before_frames

"""Links and sessions on simulated time: back-off, fail-over, limits, pings, silence, refusals, the end of a life."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable

import pytest
from support.chaos import SIM_VENUES
from support.sim_net import SimNet
from support.sim_time import S, SimTimers
from support.sim_venue import SimVenue
from support.venues import VENUES

from connectors.net.interfaces import ConnectionListener, EventKind
from connectors.net.rate_limit import Limiter
from connectors.net.session import Session, SessionTimes

URLS = ("ws://127.0.0.1:1", "ws://127.0.0.1:2")


class Ear:
    """Hears a session."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.reported: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.events: list[tuple[EventKind, str]] = []

    def on_frame(self, session: Session, frame: bytes, local_ts: int) -> None:
        self.frames.append(frame)

    def on_live(self, session: Session) -> None:
        self.reported.append("live")

    def on_lost(self, session: Session, reason: str) -> None:
        self.reported.append(f"lost: {reason}")

    def on_refused(self, session: Session, topic: str, reason: str) -> None:
        self.refused.append((topic, reason))

    def on_event(self, session: Session, kind: EventKind, text: str, local_ts: int) -> None:
        self.events.append((kind, text))


class Deaf:
    """A transport whose connections do what the test says, and which keeps what is sent."""

    def __init__(self, timers: SimTimers) -> None:
        self.timers = timers
        self.connections: list[DeafConnection] = []
        self.on_connect: Callable[[DeafConnection], None] = lambda connection: None

    def connect(self, url: str, listener: ConnectionListener) -> DeafConnection:
        connection = DeafConnection(url, listener, self.timers)
        self.connections.append(connection)
        self.timers.call_later(0, lambda: self.on_connect(connection))
        return connection


class DeafConnection:
    def __init__(self, url: str, listener: ConnectionListener, timers: SimTimers) -> None:
        self.url = url
        self.listener = listener
        self.begun_ns = timers.monotonic_ns()
        self.sent: list[tuple[int, dict[str, object]]] = []
        self.is_closed = False
        self._timers = timers

    def send(self, frame: str) -> bool:
        self.sent.append((self._timers.monotonic_ns(), json.loads(frame)))
        return True

    def close(self) -> None:
        self.is_closed = True


def session_of(
    venue: str, transport: object, timers: SimTimers, topics: tuple[str, ...] = ("a",), connects: int = 300
) -> tuple[Session, Ear]:
    ear = Ear()
    session = Session(
        VENUES[venue],
        URLS,
        topics,
        transport=transport,  # type: ignore[arg-type]
        timers=timers,
        chance=random.Random(1).random,
        connects=Limiter(connects, 300 * S),
        listener=ear,
        times=SessionTimes(),
    )
    session.start()
    return session, ear


class Scene:
    """A session on a transport that does what the test says. With `is_open`, its first connection is open."""

    def __init__(
        self, venue: str, topics: tuple[str, ...] = ("a",), *, connects: int = 300, is_open: bool = True
    ) -> None:
        self.timers = SimTimers()
        self.deaf = Deaf(self.timers)
        self.session, self.ear = session_of(venue, self.deaf, self.timers, topics, connects)
        if is_open:
            self.timers.run(S // 10)
            self.connection.listener.on_open()

    @property
    def connection(self) -> DeafConnection:
        """The last one."""
        return self.deaf.connections[-1]

    def receive(self, *frames: bytes) -> None:
        for frame in frames:
            self.connection.listener.on_frame(frame, 0)

    def refuse_all(self) -> None:
        self.deaf.on_connect = lambda connection: connection.listener.on_close("refused")


def test_after_three_failures_the_next_address_is_tried_with_growing_delays() -> None:
    scene = Scene("binance_spot", is_open=False)
    scene.refuse_all()
    scene.timers.run(60 * S)
    urls = [connection.url for connection in scene.deaf.connections]
    assert urls[:7] == [URLS[0]] * 3 + [URLS[1]] * 3 + [URLS[0]]
    times = [connection.begun_ns for connection in scene.deaf.connections]
    delays = [b - a for a, b in itertools.pairwise(times)]
    assert all(S / 4 * 2**n <= delay <= S / 2 * 2**n for n, delay in enumerate(delays[:4]))
    assert max(delays) <= 10 * S


def test_connects_stay_within_the_limit() -> None:
    scene = Scene("binance_spot", connects=5, is_open=False)
    scene.refuse_all()
    scene.timers.run(299 * S)
    assert len(scene.deaf.connections) == 5
    scene.timers.run(10 * S)
    assert len(scene.deaf.connections) > 5


def test_a_handshake_that_never_ends_is_given_up() -> None:
    scene = Scene("bybit_linear", is_open=False)
    scene.timers.run(7 * S)
    assert scene.deaf.connections[0].is_closed
    assert (EventKind.DISCONNECT, f"{URLS[0]}: no handshake in time") in scene.ear.events
    assert scene.ear.reported == []


def test_a_subscription_without_an_answer_and_a_refused_one_end_the_link() -> None:
    scene = Scene("binance_usdm")
    first = scene.connection.listener
    for _ in range(11):
        scene.timers.run(S)
        first.on_frame(b'{"stream":"a","data":{}}', 0)
    assert "a request was not answered" in scene.ear.events[1][1]
    assert not scene.session.is_live
    scene.timers.run(S)
    scene.connection.listener.on_open()
    scene.receive(b'{"code":2,"msg":"Invalid stream","id":1}')
    assert "refused: 2: Invalid stream" in scene.ear.events[-1][1]
    assert (EventKind.ERROR, "2: Invalid stream (a)") in scene.ear.events


def test_a_ping_without_an_answer_is_no_harm_while_data_flow() -> None:
    scene = Scene("binance_spot")
    scene.receive(b'{"result":null,"id":1}')
    for _ in range(120):
        scene.timers.run(S)
        scene.receive(b'{"stream":"a","data":{}}')
    assert len(scene.connection.sent) > 5
    assert scene.session.is_live
    assert scene.ear.reported == ["live"]


def test_an_answer_without_an_id_is_that_of_the_oldest_subscription() -> None:
    scene = Scene("bybit_spot", tuple(f"t{n}" for n in range(15)))
    scene.receive(b'{"success":true,"op":"subscribe","req_id":""}')
    assert not scene.session.is_live
    scene.receive(b'{"success":true,"op":"subscribe","req_id":"2"}')
    assert scene.session.is_live
    acked = [text for kind, text in scene.ear.events if kind == EventKind.ACK]
    assert [len(text.split()) for text in acked] == [10, 5]


@pytest.mark.parametrize("venue", VENUES)
def test_an_idle_link_is_pinged_and_a_silent_one_given_up(venue: str) -> None:
    scene = Scene(venue)
    connection = scene.connection
    scene.receive(
        b'{"result":null,"id":1}' if venue.startswith("bin") else b'{"success":true,"op":"subscribe"}'
    )
    assert scene.ear.reported == ["live"]
    scene.timers.run(7 * S)
    assert len(connection.sent) == 2  # the subscription, and the ping of an idle link
    scene.timers.run(8 * S)
    assert connection.is_closed
    assert scene.ear.reported == ["live", "lost: silent"]


def test_bybit_is_pinged_every_20_seconds_however_much_it_says() -> None:
    scene = Scene("bybit_spot")
    sent = scene.connection.sent
    scene.receive(b'{"success":true,"op":"subscribe"}')
    for _ in range(600):
        scene.timers.run(S // 10)
        scene.receive(b'{"topic":"a","data":{}}')
        if sent[-1][1]["op"] == "ping":
            request_id = str(sent[-1][1]["req_id"]).encode()
            scene.receive(b'{"success":true,"ret_msg":"pong","op":"ping","req_id":"%s"}' % request_id)
    pings = [at for at, call in sent if call["op"] == "ping"]
    assert len(pings) == 3
    assert all(b - a <= 20 * S for a, b in itertools.pairwise(pings))


@pytest.mark.parametrize("venue", VENUES)
def test_frames_are_sent_no_faster_than_the_venue_allows(venue: str) -> None:
    limits = VENUES[venue].limits
    scene = Scene(venue, tuple(f"t{n}" for n in range(limits.topics_per_request * 3 * limits.messages)))
    scene.timers.run(4 * S)
    times = [at for at, _ in scene.connection.sent]
    assert len(times) == 3 * limits.messages
    for at in times:
        assert sum(at <= other < at + limits.messages_ns for other in times) <= limits.messages


def server_of(venue: str) -> tuple[SimTimers, SimVenue, SimNet]:
    timers = SimTimers()
    server = SimVenue(venue, ["AAAUSDT"], timers, random.Random(1))
    net = SimNet(server, timers, random.Random(2))
    timers.every(S // 20, server.step)
    return timers, server, net


def test_a_notice_brings_up_the_next_connection_before_the_first_ends() -> None:
    timers, server, net = server_of("binance_usdm")
    session, ear = session_of("binance_usdm", net, timers, ("aaausdt@depth@100ms", "aaausdt@trade"))
    timers.run(5 * S)
    next(iter(server.wires)).notice()
    timers.run(S)
    assert len(net.connections) == 2
    timers.run(10 * S)
    assert len(net.connections) == 1
    assert session.is_live
    assert ear.reported == ["live"]


def test_a_connection_is_replaced_before_the_venue_ends_it() -> None:
    timers, _, net = server_of("binance_spot")
    session = Session(
        SIM_VENUES["binance_spot"],
        URLS,
        ("aaausdt@depth@100ms",),
        transport=net,
        timers=timers,
        chance=random.Random(1).random,
        connects=Limiter(300, 300 * S),
        listener=(ear := Ear()),
        times=SessionTimes(life_margin_ns=5 * S),
    )
    session.start()
    timers.run(49 * S)
    assert len(net.urls) == 1
    timers.run(12 * S)
    assert len(net.urls) == 2
    assert len(net.connections) == 1
    timers.run(240 * S)
    assert len(net.urls) >= 5
    assert ear.reported == ["live"]


def test_the_first_connection_goes_on_when_the_next_one_fails() -> None:
    timers, _, net = server_of("bybit_linear")
    session, ear = session_of("bybit_linear", net, timers, ("orderbook.50.AAAUSDT",))
    timers.run(5 * S)
    net.faults.refuse_connects = 3
    session.replace_link("test")
    timers.run(10 * S)
    assert ear.reported == ["live"]
    assert [kind for kind, _ in ear.events].count(EventKind.DISCONNECT) == 3
    assert (EventKind.HANDOVER, "done") in ear.events


def test_a_session_needs_an_address_and_a_topic() -> None:
    with pytest.raises(ValueError, match="an address and a topic"):
        session_of("bybit_spot", Deaf(SimTimers()), SimTimers(), ())


def test_a_stopped_session_is_quiet_and_can_start_again() -> None:
    timers, _, net = server_of("bybit_spot")
    session, ear = session_of("bybit_spot", net, timers, ("publicTrade.AAAUSDT",))
    timers.run(3 * S)
    session.stop()
    count = len(ear.events), len(ear.frames)
    timers.run(60 * S)
    assert (len(ear.events), len(ear.frames)) == count
    assert net.connections == []
    session.start()
    timers.run(3 * S)
    assert ear.reported == ["live", "live"]


class Picky:
    """A Bybit that refuses every request with a topic of `bad`, and acknowledges the others."""

    def __init__(self, scene: Scene, bad: set[str]) -> None:
        self.bad = bad
        self._scene = scene
        self._answered = 0

    def answer(self) -> None:
        """Answers what was sent on the last connection."""
        connection = self._scene.connection
        while self._answered < len(connection.sent):
            _, request = connection.sent[self._answered]
            self._answered += 1
            if request["op"] in ("subscribe", "unsubscribe"):
                is_good = self.bad.isdisjoint(request["args"])  # type: ignore[arg-type]
                reply = {"success": is_good, "ret_msg": "" if is_good else "no such topic"}
                text = json.dumps(reply | {"op": request["op"], "req_id": request["req_id"]})
                connection.listener.on_frame(text.encode(), 0)

    def connected(self) -> None:
        """The last connection is open."""
        self._answered = 0
        self._scene.connection.listener.on_open()

    def asked(self) -> set[str]:
        """All topics that were asked for on the last connection."""
        return {topic for _, request in self._scene.connection.sent for topic in request.get("args", [])}  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", [{"t0"}, {"t7", "t8", "t9"}, {"t3", "t24"}])
def test_a_refused_topic_keeps_no_other_away(bad: set[str]) -> None:
    topics = tuple(f"t{n}" for n in range(25))
    scene = Scene("bybit_linear", topics)
    session, ear, timers, picky = scene.session, scene.ear, scene.timers, Picky(scene, bad)
    for _ in range(30):
        picky.answer()
        timers.run(S // 10)
    assert session.is_live
    assert sorted(ear.refused) == [(topic, "no such topic") for topic in sorted(bad)]
    acked = [topic for kind, text in ear.events if kind == EventKind.ACK for topic in text.split()]
    assert sorted(acked) == sorted(set(topics) - bad)
    assert len([1 for kind, _ in ear.events if kind == EventKind.ERROR]) == len(bad), "a line each"

    # The next connection asks for the others at once.
    scene.connection.listener.on_close("reset")
    timers.run(S)
    picky.connected()
    picky.answer()
    assert session.is_live
    assert picky.asked() == set(topics) - bad
    # After a minute for all; what is listed by then flows.
    picky.bad = bad - {min(bad)}
    for _ in range(700):
        scene.receive(b'{"topic":"t1"}')
        picky.answer()
        timers.run(S // 10)
    assert ear.refused[len(bad) :] == [(min(bad), "")]
    assert session.is_live


def test_a_venue_that_refuses_all_ends_the_link() -> None:
    scene = Scene("bybit_linear", ("a", "b", "c"))
    picky = Picky(scene, {"a", "b", "c"})
    for _ in range(5):
        picky.answer()
    assert not scene.session.is_live
    assert "refused: no such topic" in scene.ear.events[-1][1]
    scene.timers.run(S)
    picky.bad = set()
    picky.connected()
    picky.answer()
    assert scene.session.is_live
    assert picky.asked() == {"a", "b", "c"}


def test_a_refused_unsubscription_ends_the_link() -> None:
    scene = Scene("bybit_linear", ("a", "b"))
    picky = Picky(scene, set())
    picky.answer()
    picky.bad = {"a"}
    scene.session.subscribe_again(["a"])
    picky.answer()
    assert scene.ear.reported == ["live", "lost: refused: no such topic"]


def test_streams_that_are_to_begin_anew_again_and_again_do_not_pile_up() -> None:
    topics = tuple(f"t{n}" for n in range(90))
    scene = Scene("bybit_linear", topics)
    picky, sent = Picky(scene, set()), scene.connection.sent
    picky.answer()
    scene.timers.run(2 * S)
    count = len(sent)
    for _ in range(50):
        for topic in topics:
            scene.session.subscribe_again([topic])
    for _ in range(250):  # at ten a second
        scene.timers.run(S // 10)
        picky.answer()
    requests = [request["op"] for _, request in sent[count:]]
    assert (requests.count("unsubscribe"), requests.count("subscribe")) == (90, 90)
    scene.session.subscribe_again(["t7"])
    assert sent[-1][1]["op"] == "unsubscribe"

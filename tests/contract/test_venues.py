"""What every venue must keep to, a venue from outside of the packages included: `examples/venue`.

A venue of your own: add it to `VENUES` with its golden frames (their form: tests/golden/README.md), and run
`pytest tests/contract`. Its test on sockets is `tests/integration/test_toy_venue.py`.
"""

from __future__ import annotations

import gzip
import importlib.util
import random
import re
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT, DEPTH_SNAPSHOT_EVENT, SELL_EVENT
from support import venues
from support.golden import Golden, frames_in, golden_frames
from support.parse import FrameParser
from support.paths import ROOT

from arb.data.catalog.days import find_recordings
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, adapter_version, convert
from connectors.errors import DecodeError, InstrumentError
from connectors.feed.pipeline import Outcome, Pipeline, warm_up
from connectors.model import ControlKind, Instrument, Kind, Limits, Mark, SequenceRule, Stream, Venue
from connectors.parsing.lines import LineDecoder
from connectors.parsing.scanner import padded, symbol_table

EXAMPLE = ROOT / "examples" / "venue"
LOCAL_TS = 1_704_067_201_000_000_000


def _load(name: str) -> ModuleType:
    """A module of the example, under its own name: compiled code is cached by it."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


TOY = _load("toy_venue").ToyVenue()
VENUES: dict[str, Venue] = {**venues.VENUES, TOY.name: TOY}
FRAMES = golden_frames() + frames_in(EXAMPLE / "frames.toml", TOY.name)
DECODED = [golden for golden in FRAMES if not golden.is_refused]
MARKET = [g for g in DECODED if g.kind not in (Kind.CONTROL, Kind.OTHER)]

each_venue = pytest.mark.parametrize("venue", VENUES.values(), ids=list(VENUES))
each_frame = pytest.mark.parametrize("golden", FRAMES, ids=str)


def pipeline_of(venue: Venue, symbol: str) -> Pipeline:
    return Pipeline(venue, Instrument(venue.name, symbol, 1e-8, 1e-8), 0, Kind.TRADE)


def frames_of(venue: Venue, *kinds: Kind) -> list[Golden]:
    found = [golden for golden in DECODED if golden.venue == venue.name and golden.kind in kinds]
    assert found, f"{venue.name} has no golden frame of {kinds}"
    return found


# Frames.


@pytest.mark.parametrize("golden", DECODED, ids=str)
def test_a_golden_frame_decodes_as_it_is_written_down(golden: Golden) -> None:
    message = VENUES[golden.venue].decode(golden.frame)
    assert (
        message.kind,
        message.exch_ts,
        message.first_id,
        message.last_id,
        message.prev_id,
        message.symbol,
    ) == golden[5:11]
    assert message.rows.tobytes() == golden.rows.tobytes()


@each_frame
def test_the_parser_makes_what_the_decoder_makes_or_nothing(golden: Golden) -> None:
    parser = FrameParser(VENUES[golden.venue], [golden.symbol or "BTCUSDT"])
    result = parser.check(golden.frame)
    assert result == ("refused" if golden.is_refused else "parsed" if golden.is_fast else "decoded")


@pytest.mark.parametrize("venue", venues.VENUES)
def test_every_kind_of_message_has_a_golden_frame(venue: str) -> None:
    kinds = {golden.kind.name for golden in DECODED if golden.venue == venue}
    wanted = {"CONTROL", "OTHER", "DELTA", "SNAPSHOT", "BBO", "TRADE"}
    wanted |= {"AGG_TRADE"} if venue.startswith("binance") else set()
    wanted |= set() if venue.endswith("spot") else {"FUNDING"}
    assert kinds >= wanted


@pytest.mark.parametrize("golden", [g for g in DECODED if g.symbol], ids=str)
def test_the_right_one_of_several_symbols_is_found(golden: Golden) -> None:
    symbols = [golden.symbol + "X", golden.symbol[:-1], "X"]
    for number, known in ((3, [*symbols, golden.symbol]), (-1, symbols)):
        parsed = FrameParser(VENUES[golden.venue], known).parse(golden.frame)
        assert parsed is None or parsed[0][-1] == number


@each_frame
def test_broken_frames_are_refused_by_both_or_mean_the_same(golden: Golden) -> None:
    """Cut, with a byte changed, doubled or lost; the decoder raises nothing but DecodeError."""
    chance = random.Random(golden.name)
    parser = FrameParser(VENUES[golden.venue], [golden.symbol or "BTCUSDT"])
    frame = golden.frame
    for _ in range(60):
        at = chance.randrange(len(frame))
        changed = bytes([chance.choice(b'0123456789"[]{},:.-eE \\x\xff')])
        tail = chance.choice((frame[at + 1 :], frame[at:], frame[at:] + frame[at:], b""))
        parser.check(frame[:at] + chance.choice((changed, b"")) + tail)


@each_venue
def test_the_line_loop_reads_what_single_frames_are(venue: Venue) -> None:
    symbol = frames_of(venue, Kind.DELTA)[0].symbol
    chosen = [
        g for g in DECODED if g.venue == venue.name and g.symbol in ("", symbol) and b"\n" not in g.frame
    ]
    text = b"".join(b"%d %b\n" % (LOCAL_TS + n, golden.frame) for n, golden in enumerate(chosen))
    kinds: list[int] = []
    rows = 0
    for piece_rows, messages in LineDecoder(venue, symbol).decode([text]):
        kinds += messages["kind"].tolist()
        rows += len(piece_rows)
    single = pipeline_of(venue, symbol)
    assert kinds == [int(single.decode(golden.frame, LOCAL_TS)) for golden in chosen]
    assert rows == sum(len(golden.rows) for golden in chosen)


@each_venue
def test_another_symbols_frame_is_not_taken_for_ours(venue: Venue) -> None:
    for golden in frames_of(venue, Kind.DELTA, Kind.TRADE):
        with pytest.raises(DecodeError, match="another symbol"):
            pipeline_of(venue, "NOTTHIS").decode(golden.frame, LOCAL_TS)


def test_rows_of_other_code_of_a_venue_from_outside_are_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [adapter_version(venue) for venue in venues.VENUES.values()] == [[]] * 4
    assert adapter_version(TOY) == [sha256((EXAMPLE / "toy_venue.py").read_bytes()).hexdigest()]
    chain = [golden for golden in DECODED if golden.venue == TOY.name]
    path = tmp_path / "toy" / "abcusd_20240101.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b"".join(b"%d %b\n" % (LOCAL_TS, golden.frame) for golden in chain)))
    feed = Feed(TOY, find_recordings(tmp_path), 0)

    def made() -> str:
        with RowCache(tmp_path / "cache") as cache:
            return convert([feed], cache).files[0][0].path

    first = made()
    assert made() == first
    monkeypatch.setattr("arb.data.rows.convert.adapter_version", lambda venue: ["other code"])
    assert made() != first


# Books.


@each_venue
def test_a_snapshot_clears_both_sides_and_lists_them_best_first(venue: Venue) -> None:
    for golden in frames_of(venue, Kind.SNAPSHOT):
        rows = venue.decode(golden.frame).rows
        for side, order in ((BUY_EVENT, -1), (SELL_EVENT, 1)):
            own = rows[(rows["ev"] & side) != 0]
            assert int(own["ev"][0]) & 0xFF == DEPTH_CLEAR_EVENT
            levels = own[1:]
            assert (levels["ev"] & 0xFF == DEPTH_SNAPSHOT_EVENT).all()
            assert (np.diff(levels["px"]) * order > 0).all()
            reach = own["px"][0]
            assert reach == levels["px"][-1] if len(levels) else np.isnan(reach)


@each_venue
def test_a_book_is_fetched_or_comes_with_its_subscription(venue: Venue) -> None:
    """Where ids grow by one a message, a chain can only begin with the stream's own snapshot."""
    request = venue.snapshot_request("BTCUSDT")
    assert (request is None) is (venue.sequence_rule == SequenceRule.INCREMENT)
    if request is not None:
        assert request.path.startswith("/")
        assert 0 < request.weight <= venue.limits.weight


@each_venue
def test_a_change_alone_makes_no_book(venue: Venue) -> None:
    golden = frames_of(venue, Kind.DELTA)[0]
    pipeline = pipeline_of(venue, golden.symbol)
    pipeline.decode(golden.frame, LOCAL_TS)
    assert pipeline.receive(0) in (Outcome.HELD, Outcome.NOTHING)
    assert not pipeline.is_synced
    assert len(pipeline.rows) == 0


@each_venue
def test_everything_can_be_compiled_before_sockets_are_opened(venue: Venue) -> None:
    warm_up(venue, Instrument(venue.name, "BTCUSDT", 0.01, 0.001))


# What is sent.


@each_venue
def test_its_name_can_name_a_folder_and_its_limits_make_sense(venue: Venue) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", venue.name)
    limits = venue.limits
    assert isinstance(limits, Limits)
    least = {"topic_chars": 0, "life_ns": 0}
    assert all(value >= least.get(name, 1) for name, value in limits._asdict().items())
    assert limits.topics_per_request <= limits.topics


@each_venue
@pytest.mark.parametrize("verb", ["subscribe", "unsubscribe"])
def test_requests_hold_every_topic_once_within_the_limits(venue: Venue, verb: str) -> None:
    for count in (1, venue.limits.topics_per_request, venue.limits.topics_per_request + 1, 250):
        topics = [venue.topic(Stream.DEPTH, f"S{n}USDT") for n in range(count)]
        requests = venue.requests(verb, topics, 7)
        assert [topic for request in requests for topic in request.topics] == topics
        assert all(0 < len(request.topics) <= venue.limits.topics_per_request for request in requests)
        assert [request.id for request in requests] == [str(7 + n) for n in range(len(requests))]
        assert all(topic in request.frame for request in requests for topic in request.topics)


@each_venue
def test_a_stream_has_one_topic_a_route_and_an_address_or_is_refused(venue: Venue) -> None:
    topics: list[str] = []
    for stream in Stream:
        try:
            own = [venue.topic(stream, symbol) for symbol in ("BTCUSDT", "ETHUSDT")]
        except InstrumentError:
            continue
        # One stream may have both.
        if stream != Stream.TICKER or own[0] not in topics:
            topics += own
        assert venue.url("ws://127.0.0.1:1/x", venue.route(stream)).startswith("ws://127.0.0.1:1")
    assert len(set(topics)) == len(topics) >= 4
    assert venue.topic(Stream.DEPTH, "BTCUSDT") in topics
    assert venue.topic(Stream.TRADE, "BTCUSDT") in topics


@each_venue
def test_a_ping_carries_its_id(venue: Venue) -> None:
    first, second = venue.ping(41), venue.ping(42)
    assert (first.id, second.id) == ("41", "42")
    assert "41" in first.frame
    assert first.frame != second.frame


# What comes back.


@each_venue
def test_market_frames_name_a_topic_of_theirs_and_are_no_control(venue: Venue) -> None:
    found = set()
    for golden in frames_of(venue, Kind.DELTA, Kind.TRADE):
        topic = venue.topic_of(golden.frame)
        if not topic:
            # A raw stream of Binance, which feeds do not use.
            continue
        assert venue.control(golden.frame) is None
        mark = venue.mark(golden.frame)
        assert isinstance(mark, Mark)
        assert mark.topic == topic
        assert mark.key
        found.add(topic)
    symbols = {golden.symbol for golden in MARKET if golden.venue == venue.name}
    assert found & {venue.topic(stream, s) for stream in (Stream.DEPTH, Stream.TRADE) for s in symbols}


@each_venue
def test_frames_begin_as_the_venue_says(venue: Venue) -> None:
    found = 0
    for golden in frames_of(venue, Kind.DELTA, Kind.TRADE):
        topic = venue.topic_of(golden.frame)
        opening = venue.opening(topic)
        assert opening == venue.opening("")[:-1] + topic.encode() + b'"'
        if topic and golden.frame.startswith(opening):
            found += 1
            # Whatever follows, it stays what it is.
            for frame in (
                golden.frame,
                opening,
                opening + b"\xff{",
                opening + b',"op":"pong","result":null,"id":1}',
            ):
                assert venue.topic_of(frame) in (topic, "")
                assert venue.control(frame) is None
    assert found


@each_venue
def test_control_frames_are_of_no_topic(venue: Venue) -> None:
    kinds = set()
    for golden in frames_of(venue, Kind.CONTROL):
        assert venue.topic_of(golden.frame) == ""
        control = venue.control(golden.frame)
        if control is not None:
            kinds.add(control.kind)
    assert ControlKind.ACK in kinds


@each_venue
@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"{}",
        b"\xff\xfe",
        b"[" * 2000,
        b'{"stream":"',
        b'{"topic":"a',
    ],
)
def test_what_is_no_frame_is_reported_by_no_other_error(venue: Venue, frame: bytes) -> None:
    for call in (venue.decode, venue.mark, venue.time_of, venue.listings_of):
        with pytest.raises(DecodeError):
            call(frame)
    assert venue.topic_of(frame) == ""
    assert venue.control(frame) is None
    loop = pipeline_of(venue, "X").loop
    assert (
        venue.parse_frame(
            padded(frame), 0, len(frame), symbol_table(["X"]), 1, loop.decoded, 0, loop.message[0]
        )
        < 0
    )


@each_venue
def test_rest_requests_are_paths_within_the_weight(venue: Venue) -> None:
    for request in (
        venue.time_request(),
        venue.listings_request(["BTCUSDT"]),
        venue.listings_request(["A", "B"]),
    ):
        assert request.path.startswith("/")
        assert 0 < request.weight <= venue.limits.weight

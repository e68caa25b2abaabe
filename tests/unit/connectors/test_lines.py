"""The loop over recorded lines: however the text is cut and the buffers fill, the same rows and messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from support.venues import VENUES

from connectors.errors import DecodeError
from connectors.model import Kind
from connectors.parsing import lines
from connectors.parsing.lines import LineDecoder

USDM = VENUES["binance_usdm"]
T0 = 1_723_161_256_000_000_000

DEPTH = '{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":1,"u":%d,"pu":0,"b":[%s],"a":[]}'
TRADE = '{"e":"trade","E":1660228023980,"T":1660228023973,"s":"BTCUSDT","t":2,"p":"24670.90","q":"0.022","m":true}'
BBO = '{"u":%d,"s":"BTCUSDT","b":"25.3","B":"31.2","a":"25.4","A":"40.6"}'
#: Forms that only the JSON decoder takes.
SPACED = TRADE.replace(",", ", ")
ACK = '{"result":null,"id":1}'
MARK = '{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15","r":"0.0001","T":1562306400000}'


def levels(count: int) -> str:
    return ",".join(f'["{price}","1"]' for price in range(1, count + 1))


def text_of(frames: Iterable[str]) -> bytes:
    return b"".join(b"%d %s\n" % (T0 + n, frame.encode()) for n, frame in enumerate(frames))


MIXED = [
    ACK,
    DEPTH % (1, levels(3)),
    TRADE,
    SPACED,
    BBO % 4,
    MARK,
    DEPTH % (2, levels(40)),
    SPACED,
    ACK,
    TRADE,
    BBO % 9,
]


def collect(decoder: LineDecoder, chunks: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """All rows, and all messages with their row ranges counted from the first row."""
    rows, messages, count = [], [], 0
    for piece in decoder.decode(chunks):
        shifted = piece.messages.copy()
        shifted["row_start"] += count
        shifted["row_end"] += count
        rows.append(piece.rows.copy())
        messages.append(shifted)
        count += len(piece.rows)
    return np.concatenate(rows), np.concatenate(messages)


def decoded(chunks: Iterable[bytes]) -> tuple[bytes, bytes]:
    rows, messages = collect(LineDecoder(USDM, "BTCUSDT"), chunks)
    return rows.tobytes(), messages.tobytes()


def pieces(text: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    bounds = [0, *sorted(cuts), len(text)]
    for start, end in pairwise(bounds):
        yield text[start:end]


def test_each_line_gives_its_message_and_rows() -> None:
    decoder = LineDecoder(USDM, "BTCUSDT")
    rows, messages = collect(decoder, [text_of(MIXED)])
    assert messages["line"].tolist() == list(range(1, len(MIXED) + 1))
    assert messages["local_ts"].tolist() == [T0 + n for n in range(len(MIXED))]
    kinds = [Kind(kind).name for kind in messages["kind"]]
    assert kinds[:6] == ["CONTROL", "DELTA", "TRADE", "TRADE", "BBO", "FUNDING"]
    assert (messages["row_end"] - messages["row_start"]).tolist() == [0, 3, 1, 1, 2, 1, 40, 1, 0, 1, 2]
    assert (messages["row_start"][1:] == messages["row_end"][:-1]).all()
    assert (
        np.repeat(messages["local_ts"], messages["row_end"] - messages["row_start"]) == rows["local_ts"]
    ).all()
    assert decoder.slow_frames == 5


def test_one_cut_at_every_place() -> None:
    text = text_of(MIXED[:6])
    whole = decoded([text])
    for cut in range(len(text) + 1):
        assert decoded(pieces(text, [cut])) == whole


@pytest.mark.parametrize("chunk_bytes", [1, 20, 64, 130, 600, 1000, 5000])
def test_full_buffers_change_nothing(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [ACK] * 30 + MIXED * 5 + [ACK] * 50 + [DEPTH % (n, levels(30)) for n in range(20)]
    whole = decoded([text_of(frames)])
    monkeypatch.setattr(lines, "CHUNK_BYTES", max(64, chunk_bytes))
    assert decoded([text_of(frames)]) == whole
    assert decoded(pieces(text_of(frames), range(0, len(text_of(frames)), chunk_bytes))) == whole


def test_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = MIXED * 3
    whole = decoded([text_of(frames)])
    longest = max(len(frame) for frame in frames) + 20
    decoder = LineDecoder(USDM, "BTCUSDT")
    monkeypatch.setattr(decoder, "_make_room", lambda text: None)
    decoder._rows = decoder._rows[: longest // lines.LEVEL_BYTES_MIN + 4]
    rows, messages = collect(decoder, [text_of(frames)])
    assert (rows.tobytes(), messages.tobytes()) == whole


def test_a_last_line_needs_no_newline() -> None:
    for frame in MIXED:
        text = text_of([ACK, frame])
        assert decoded([text[:-1]]) == decoded([text])


def test_no_text_gives_nothing() -> None:
    assert list(LineDecoder(USDM, "BTCUSDT").decode([])) == []
    assert list(LineDecoder(USDM, "BTCUSDT").decode([b"", b""])) == []


def test_lines_of_dos_are_read() -> None:
    text = text_of(MIXED)
    assert decoded([text.replace(b"\n", b"\r\n")]) == decoded([text])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"x",
        b"172316125600000000 {}",
        b"17231612560000000000 {}",
        b"1723161256000000000",
        b"-723161256000000000 {}",
        b"1723161256000000000\t{}",
        b"1723161256.00000000 {}",
        b"9999999999999999999 {}",
        b"\x00" * 30,
        ACK.encode(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("ending", [b"\n", b""])
def test_a_line_without_time_stamp_is_named(line: bytes, ending: bytes) -> None:
    if not line and not ending:
        return
    decoder = LineDecoder(USDM, "BTCUSDT", file="a.gz")
    with pytest.raises(
        DecodeError, match=r"^a\.gz, line 4: binance_usdm: the line does not begin with a 19-digit"
    ):
        collect(decoder, [text_of([ACK, TRADE, SPACED]) + line + ending])


@pytest.mark.parametrize("cut", [None, 100, 260])
@pytest.mark.parametrize(
    "frame", ['{"e":"trade"}', '{"e":"tra', "", "{" * 200, TRADE[:-1], 'é"' * 60, "\x1b[2J\x85"]
)
def test_a_frame_that_is_none_is_named_with_file_line_and_first_bytes(frame: str, cut: int | None) -> None:
    text = text_of([ACK, TRADE, SPACED, BBO % 5, frame, TRADE])
    decoder = LineDecoder(USDM, "BTCUSDT", file="a.gz")
    with pytest.raises(DecodeError) as caught:
        collect(decoder, [text] if cut is None else pieces(text, [cut]))
    error = caught.value
    assert (error.venue, error.file, error.line) == ("binance_usdm", "a.gz", 5)
    assert error.frame_head == frame.encode()[:80]
    assert str(error).startswith("a.gz, line 5: binance_usdm: ")
    assert str(error).isprintable()


@pytest.mark.parametrize(
    "form", [lambda frame: frame, lambda frame: frame.replace(",", ", ")], ids=["fast", "slow"]
)
@pytest.mark.parametrize("messages_max", [1, 2, 1000])
def test_a_frame_of_another_symbol_is_named(form, messages_max: int) -> None:
    stranger = form((BBO % 6).replace("BTCUSDT", "ETHUSDT"))
    decoder = LineDecoder(USDM, "BTCUSDT", file="a.gz")
    decoder._messages = decoder._messages[:messages_max]
    with pytest.raises(DecodeError, match="another symbol than BTCUSDT") as caught:
        collect(decoder, [text_of([ACK, TRADE]), text_of([BBO % 5, SPACED, TRADE, stranger, TRADE])])
    assert caught.value.line == 6
    assert caught.value.frame_head == stranger.encode()[:80]


def test_other_data_of_other_symbols_do_not_matter() -> None:
    collect(LineDecoder(USDM, "BTCUSDT"), [text_of([MARK, TRADE])])


def test_a_line_longer_than_the_buffers_is_decoded() -> None:
    long = DEPTH % (3, levels(150_000))
    assert len(long) > 1.5 * lines.CHUNK_BYTES
    rows, messages = collect(LineDecoder(USDM, "BTCUSDT"), [text_of([ACK, long, TRADE])])
    assert len(rows) == 150_001
    assert messages["line"].tolist() == [1, 2, 3]
    assert rows["px"][149_999] == 150_000


def test_a_line_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 5000)
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        yield text_of([ACK])
        while True:
            read += 300
            yield b"1" * 300

    with pytest.raises(DecodeError, match=r"a\.gz, line 2"):
        collect(LineDecoder(USDM, "BTCUSDT", file="a.gz"), endless())
    assert read < 7000


def test_a_long_line_with_an_end_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 5000)
    with pytest.raises(DecodeError, match=r"a\.gz, line 2"):
        collect(LineDecoder(USDM, "BTCUSDT", file="a.gz"), [text_of([ACK, DEPTH % (3, levels(700)), TRADE])])


@pytest.mark.parametrize("venue", VENUES)
def test_corrupted_bytes_anywhere_give_the_rest_or_a_decode_error(venue: str) -> None:
    """And no other error, wherever in a recording the damage sits: a line more or less, or a DecodeError."""
    print_of_bybit = (
        '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,'
        '"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50"}]}'
    )
    is_binance = venue.startswith("binance")
    frames = [ACK, TRADE, BBO % 3] if is_binance else ['{"op":"ping"}', print_of_bybit, print_of_bybit]
    text = bytearray(text_of(frames))
    whole = refused = 0
    for position in range(len(text)):
        original = text[position]
        for value in b'\x00\n "9\xff':
            text[position] = value
            try:
                collect(LineDecoder(VENUES[venue], "BTCUSDT", file="a.gz"), [bytes(text)])
                whole += 1
            except DecodeError:
                refused += 1
        text[position] = original
    assert whole > 0
    assert refused > len(text)

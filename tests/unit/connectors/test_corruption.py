"""Damaged frames: the compiled parser refuses them or makes exactly what the JSON decoder makes."""

from __future__ import annotations

from collections import Counter

import pytest
from support.golden import Golden, golden_frames
from support.parse import FrameParser
from support.venues import VENUES

from connectors.errors import DecodeError

FAST = [golden for golden in golden_frames() if golden.is_fast]
#: Bytes that mean something to JSON or to the parser, or nearly do.
TELLING = b'"\\{}[]:,.+-/09@Ee tn\x00\n\x1f\x7f\x80\xc3\xff'
#: What may follow a frame in a buffer: nothing, the next line, the rest of an older and longer frame.
TAILS = (b"", b"\n1723161256000000000 {", b'"}]]}}', b'0","1"]]}')


def parser_of(golden: Golden) -> FrameParser:
    return FrameParser(VENUES[golden.venue], [golden.symbol or "BTCUSDT"])


@pytest.mark.parametrize("golden", FAST, ids=str)
def test_one_byte_replaced_at_every_position(golden: Golden) -> None:
    parser = parser_of(golden)
    results = Counter()
    frame = bytearray(golden.frame)
    for position, original in enumerate(golden.frame):
        for value in {*TELLING, (original + 1) % 256, original ^ 32} - {original}:
            frame[position] = value
            results[parser.check(bytes(frame))] += 1
        frame[position] = original
    assert results["parsed"] > 0
    assert results["refused"] > len(frame)


@pytest.mark.parametrize("golden", FAST, ids=str)
def test_cut_at_every_length(golden: Golden) -> None:
    parser = parser_of(golden)
    for length in range(len(golden.frame)):
        with pytest.raises(DecodeError):
            VENUES[golden.venue].decode(golden.frame[:length])
        for tail in (*TAILS, golden.frame[length:], golden.frame[length : length + 1]):
            assert parser.parse(golden.frame[:length], tail) is None


@pytest.mark.parametrize("golden", FAST, ids=str)
def test_one_byte_left_out_doubled_or_put_in(golden: Golden) -> None:
    parser = parser_of(golden)
    frame = golden.frame
    for position in range(len(frame) + 1):
        head, tail = frame[:position], frame[position:]
        parser.check(head + tail[1:])
        parser.check(head + tail[:1] + tail)
        for value in b' "\\0,]}\n':
            parser.check(head + bytes([value]) + tail)


@pytest.mark.parametrize("first", [g for g in FAST if g.venue == "binance_usdm"], ids=str)
def test_two_frames_run_together(first: Golden) -> None:
    """A recorder that dies in the middle of a line leaves half a frame with a whole one behind it."""
    for second in FAST:
        if second.venue == first.venue:
            parser = parser_of(second)
            for length in range(0, len(first.frame), 7):
                parser.check(first.frame[:length] + second.frame)
            assert parser.check(first.frame + second.frame) == "refused"

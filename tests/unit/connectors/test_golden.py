"""Every kind of frame of every venue decodes to what its documentation says."""

from __future__ import annotations

import pytest
from support.golden import Golden, golden_frames
from support.parse import FrameParser
from support.venues import VENUES

from connectors.errors import DecodeError

FRAMES = golden_frames()
DECODED = [golden for golden in FRAMES if not golden.is_refused]
REFUSED = [golden for golden in FRAMES if golden.is_refused]


def symbols_of(golden: Golden) -> list[str]:
    return [golden.symbol or "BTCUSDT"]


@pytest.mark.parametrize("golden", DECODED, ids=str)
def test_the_json_decoder_makes_the_expected_message(golden: Golden) -> None:
    message = VENUES[golden.venue].decode(golden.frame)
    fields = (
        message.kind,
        message.exch_ts,
        message.first_id,
        message.last_id,
        message.prev_id,
        message.symbol,
    )
    assert fields == golden[5:11]
    assert message.rows.tobytes() == golden.rows.tobytes()


@pytest.mark.parametrize("golden", DECODED, ids=str)
def test_the_compiled_parser_makes_the_same_message(golden: Golden) -> None:
    result = FrameParser(VENUES[golden.venue], symbols_of(golden)).check(golden.frame)
    assert result == ("parsed" if golden.is_fast else "decoded")


@pytest.mark.parametrize("golden", REFUSED, ids=str)
def test_what_a_frame_must_have_is_asked_for(golden: Golden) -> None:
    with pytest.raises(DecodeError, match=golden.venue):
        VENUES[golden.venue].decode(golden.frame)
    assert FrameParser(VENUES[golden.venue], ["BTCUSDT"]).parse(golden.frame) is None


@pytest.mark.parametrize("venue", VENUES)
def test_every_kind_of_message_has_a_golden_frame(venue: str) -> None:
    kinds = {golden.kind.name for golden in DECODED if golden.venue == venue}
    wanted = {"CONTROL", "OTHER", "DELTA", "SNAPSHOT", "BBO", "TRADE"}
    assert kinds >= (wanted | {"AGG_TRADE"} if venue.startswith("binance") else wanted)


@pytest.mark.parametrize("golden", DECODED, ids=str)
def test_a_frame_of_another_symbol_is_reported_apart(golden: Golden) -> None:
    parsed = FrameParser(VENUES[golden.venue], ["DOGEUSDT"]).parse(golden.frame)
    if parsed is not None and golden.symbol:
        assert parsed[0][-1] == -1


@pytest.mark.parametrize("golden", [g for g in DECODED if g.symbol], ids=str)
def test_the_right_one_of_several_symbols_is_found(golden: Golden) -> None:
    symbols = [golden.symbol + "X", golden.symbol[:-1], "X", golden.symbol]
    parsed = FrameParser(VENUES[golden.venue], symbols).parse(golden.frame)
    assert parsed is None or parsed[0][-1] == 3

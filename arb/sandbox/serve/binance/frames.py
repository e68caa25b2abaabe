"""Forms of a Binance frame: combined, `{"stream":NAME,"data":{...}}`, and raw, which is its `data`. Pure."""

from __future__ import annotations

from arb.sandbox.serve.tape import SNAPSHOT

#: Text before the stream's name in a combined frame, and between the name and the data.
_STREAM, _DATA = '{"stream":"', '","data":'


def combined(key: str, data: str) -> str:
    """A Binance frame in the combined form."""
    return f"{_STREAM}{key}{_DATA}{data}}}"


def key_of_combined(text: str) -> str:
    """The stream's name in a combined Binance frame; "" for other forms."""
    if not text.startswith(_STREAM):
        return ""
    return text[len(_STREAM) : text.index('"', len(_STREAM))]


def raw_of(text: str, key: str) -> str:
    """The `data` of a combined Binance frame."""
    return text[len(_STREAM) + len(key) + len(_DATA) : -1]


def combined_of_raw(stream: str, text: str) -> tuple[str, str]:
    """Key and combined form of a raw frame; the key is "" for frames that are not of a stream.

    stream: the symbol as in stream names.
    """
    if text.startswith('{"lastUpdateId"'):
        return SNAPSHOT, text
    for event, name in (("depthUpdate", "depth@100ms"), ("trade", "trade"), ("aggTrade", "aggTrade")):
        if f'"e":"{event}"' in text[:60]:
            return f"{stream}@{name}", combined(f"{stream}@{name}", text)
    if '"e":"bookTicker"' in text[:60] or text.startswith('{"u":'):
        return f"{stream}@bookTicker", combined(f"{stream}@bookTicker", text)
    return "", text

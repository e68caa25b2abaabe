"""The documents' examples pass the strict decoders by which the sandbox's own messages are judged."""

from __future__ import annotations

import pytest
import tomli
from support.paths import GOLDEN
from support.venue_messages.bybit import DECODERS

PATHS = sorted(GOLDEN.glob("bybit_*/messages/*.toml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.parent.name} {path.stem}")
def test_examples_of_the_documents_decode(path):
    content = tomli.loads(path.read_text(encoding="utf-8"))
    assert content["source"]
    assert content["read"]
    assert content["request"]
    name = (
        path.stem if path.stem != "tickers" else "tickers_" + path.parent.parent.name.removeprefix("bybit_")
    )
    for message in content["message"]:
        DECODERS[name].decode(message["text"])

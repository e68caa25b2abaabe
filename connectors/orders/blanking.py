"""Private messages without keys and signatures, as they are logged and replayed. Pure."""

from __future__ import annotations

import re

#: What stands for a key, signature or listen key.
BLANK = "***"
_NAMES = "apiKey|signature|listenKey|X-MBX-APIKEY|X-BAPI-API-KEY|X-BAPI-SIGN"
_JSON = re.compile(rf'("(?:{_NAMES})"\s*:\s*")[^"\\]*(?:\\.[^"\\]*)*', re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(rf"(\b(?:{_NAMES})(?:=|:\s*))[^&\s\"',}})\]]+", re.IGNORECASE)
#: A listen key as the path of its websocket.
_PATH = re.compile(r"(/(?:ws|stream)/)[A-Za-z0-9]{32,}")
#: Bybit's log-on: key, time, signature.
_AUTH = re.compile(r'("args"\s*:\s*\[\s*")[^"]*("\s*,\s*"?[0-9]+"?\s*,\s*")[^"]*(")')
#: Texts without any of these have nothing to blank.
_HINTS = ("apikey", "signature", "listenkey", "x-bapi", "auth", "/ws/", "/stream/")


class BlankSigner:
    """Stands for the key of a log: requests that it signs are equal to the logged ones."""

    key_id = BLANK

    def __init__(self, *, logs_on: bool) -> None:
        self.logs_on = logs_on

    def sign(self, payload: str) -> str:
        return BLANK


def blanked(text: str) -> str:
    """A frame, query, header or path with `***` for every key, signature and listen key; the rest is unchanged."""
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    text = _JSON.sub(rf"\1{BLANK}", text)
    text = _QUERY.sub(rf"\1{BLANK}", text)
    text = _PATH.sub(rf"\1{BLANK}", text)
    return _AUTH.sub(rf"\1{BLANK}\2{BLANK}\3", text) if '"auth"' in text else text

"""Every key of the configuration files, with the names that the templates hold in place of a user's own."""

from __future__ import annotations

from arb.config.schema import MainFile
from arb.config.strict import KnownKey, known_keys
from arb.config.venue_schema import VenueFile

MAIN_KEYS, VENUE_KEYS = known_keys(MainFile), known_keys(VenueFile)
#: All keys, as the documentation lists them.
KEYS = {".".join(key.path) for key in MAIN_KEYS + VENUE_KEYS}
NAMES = {
    "<venue>": "binance_spot",
    "<SYMBOL>": "BTCUSDT",
    "<name>": "skew",
    "<ASSET>": "BNB",
    "<rule>": "lag",
}


def concrete(key: KnownKey) -> tuple[str, ...]:
    """The path of a key in the templates."""
    return tuple(NAMES.get(part, part) for part in key.path)

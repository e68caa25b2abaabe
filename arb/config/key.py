"""Descriptions of keys: unit, meaning, bounds, and the patterns that several sections share."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

ENVIRONMENT = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}\Z"
ENVIRONMENT_FORM = 'the name of an environment variable, "${NAME}"; secrets are never written in a file'
LOCAL = r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[^\s]*)?"
HTTPS = rf"^(https://[^\s/][^\s]*|http://{LOCAL})\Z"
DECIMAL = r"^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,12})?\Z"
DECIMAL_FORM = 'a positive decimal in quotes such as "0.01"'
HTTPS_FORM = "an https:// address (http:// only on this machine)"


def key(
    unit: str, text: str, *, form: str = "", secret: bool = False, example: str = "", **bounds: Any
) -> Meta:
    """Describes a key: its unit ("" for none), its meaning, and the bounds that msgspec checks.

    form: the allowed values in words, if the bounds do not express them ("it must be ...").
    secret: the value is never shown, not even in an error about it.
    example: a TOML value that `arb init` shows for a key without a default.
    """
    extra = {"unit": unit, "form": form, "secret": secret, "example": example}
    return Meta(description=text, extra=extra, **bounds)


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of the files."""


VenueName = Annotated[
    str,
    key("", "Name of a venue.", form='a venue name such as "binance_spot"', pattern=r"^[a-z][a-z0-9_]*\Z"),
]
SymbolName = Annotated[
    str,
    key(
        "",
        "The venue's own spelling of an instrument.",
        form='a symbol in capitals such as "BTCUSDT"',
        pattern=r"^[A-Z0-9][A-Z0-9._-]*\Z",
    ),
]
LegName = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9_]*:[A-Z0-9][A-Z0-9._-]*\Z"),
]

"""Descriptions of keys: unit, meaning, bounds, and the types that several sections share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

LOCAL = r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[^\s]*)?"


def key(
    text: str = "", unit: str = "", *, form: str = "", secret: bool = False, example: str = "", **bounds: Any
) -> Meta:
    """Describes a key: its meaning, its unit, and the bounds that msgspec checks.

    form: the allowed values in words, if the bounds do not express them ("it must be ...").
    secret: the value is never shown, not even in an error about it.
    example: a TOML value that `arb init` shows for a key without a default.
    """
    extra = {"unit": unit, "form": form, "secret": secret, "example": example}
    return Meta(description=text, extra=extra, **bounds)


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of the files."""


VenueName = Annotated[
    str, key("Name of a venue.", form='a venue name such as "binance_spot"', pattern=r"^[a-z][a-z0-9_]*\Z")
]
SandboxVenue = Literal["binance_spot", "binance_usdm", "bybit_spot", "bybit_linear"]
SymbolName = Annotated[
    str,
    key(
        "The venue's own spelling of an instrument.",
        form='a symbol in capitals such as "BTCUSDT"',
        pattern=r"^[A-Z0-9][A-Z0-9._-]*\Z",
    ),
]
AssetName = Annotated[
    str, key("Name of an asset.", form='an asset in capitals such as "BNB"', pattern=r"^[A-Z0-9]{1,20}\Z")
]
LegName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*:[A-Z0-9][A-Z0-9._-]*\Z")]
HttpsUrl = Annotated[
    str,
    key(
        form="an https:// address (http:// only on this machine)",
        pattern=rf"^(https://[^\s/][^\s]*|http://{LOCAL})\Z",
    ),
]
DecimalText = Annotated[
    str,
    key(
        form='a positive decimal in quotes such as "0.01"',
        pattern=r"^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,12})?\Z",
    ),
]
SecretName = Annotated[
    str,
    key(
        form='the name of an environment variable, "${NAME}"; secrets are never written in a file',
        secret=True,
        pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}\Z",
    ),
]
RuleName = Annotated[
    str,
    key(
        "A rule of `arb watch`.",
        form="small letters, digits and _, as drawdown",
        pattern=r"^[a-z][a-z0-9_]{0,39}\Z",
    ),
]

"""The file of `arb sandbox serve --faults`: scripted faults by name, and limits that replace the venues'. Strict."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, field, structs

from arb.config.files import Document
from arb.config.key import AssetName, SandboxVenue, Table, key
from arb.config.order_faults import ORDER_ARGUMENTS, mistakes
from arb.config.strict import Source, build, section_text
from arb.errors import ConfigError
from arb.sandbox.faults import FRAME_KINDS, Fault, FaultKind
from arb.sandbox.serve.limits import LIMITS, Limits

_DAY_S = 86_400
FaultName = Annotated[
    str, key("Name of a fault.", form="a name of letters, digits, _ and -", pattern=r"^[A-Za-z0-9_-]{1,64}\Z")
]
Pattern = Annotated[str, key(form='a name, "*" for anything', min_length=1, max_length=100)]
SignedDecimal = Annotated[
    str,
    key(
        form='a decimal in quotes other than 0 such as "0.01" or "-5"',
        pattern=r"^(?=.*[1-9])-?[0-9]{1,12}(\.[0-9]{1,8})?\Z",
    ),
]
Seconds = Annotated[float, Meta(ge=0, le=_DAY_S)]


class FaultTable(Table, frozen=True, kw_only=True):
    """`[faults.NAME]`."""

    kind: FaultKind
    venue: Literal["binance_spot", "binance_usdm", "bybit_spot", "bybit_linear", "*"] = "*"
    stream: Annotated[str, key(form='a stream\'s name, "*" for anything', min_length=1, max_length=100)] = "*"
    client: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    at_s: Annotated[float, Meta(ge=0, le=1e7)] | None = None
    every_s: Annotated[float, Meta(ge=0.01, le=1e7)] | None = None
    per_minute: Annotated[float, Meta(gt=0, le=60_000)] | None = None
    count: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    duration_s: Seconds | None = None
    delay_s: Seconds | None = None
    offset_ms: Annotated[int, Meta(ge=-86_400_000, le=86_400_000)] | None = None
    retry_after_s: Annotated[int, Meta(ge=0, le=_DAY_S)] | None = None
    notice_s: Seconds | None = None
    code: Annotated[int, Meta(ge=-99_999, le=999_999)] | None = None
    account: Pattern | None = None
    symbol: Pattern | None = None
    request: Literal["place", "cancel", "amend", "query", "mode"] | None = None
    order: Pattern | None = None
    event: Pattern | None = None
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    message: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    then: Literal["hang", "cut"] | None = None
    after_order: bool | None = None
    share: Annotated[float, Meta(gt=0, le=1)] | None = None
    asset: AssetName | None = None
    quantity: SignedDecimal | None = None
    side: Literal["buy", "sell"] | None = None
    price_bps: Annotated[float, Meta(ge=-9999, le=9999)] | None = None
    field: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    value: Annotated[str, Meta(min_length=1, max_length=40)] | None = None


class LimitsTable(Table, frozen=True, kw_only=True):
    """`[limits.VENUE]`: a missing key keeps the venue's limit; 0 switches it off."""

    streams_max: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    args_max: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    args_chars_max: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    messages_per_s: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    connects_max: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    connects_window_s: Annotated[float, Meta(ge=0.01, le=_DAY_S)] | None = None
    ping_interval_s: Seconds | None = None
    pong_timeout_s: Seconds | None = None
    idle_s: Seconds | None = None
    life_s: Seconds | None = None
    shutdown_notice_s: Seconds | None = None
    weight_max: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    weight_window_s: Annotated[float, Meta(ge=0.1, le=_DAY_S)] | None = None
    ban_s: Seconds | None = None
    orders_10s: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    orders_1m: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    orders_1d: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    uid_factor: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    unread_bytes_max: Annotated[int, Meta(ge=65_536, le=1 << 30)] | None = None


class ScenarioFile(Table, frozen=True, kw_only=True):
    """The whole file."""

    faults: dict[FaultName, FaultTable] = field(default_factory=dict)
    limits: dict[SandboxVenue, LimitsTable] = field(default_factory=dict)


class Scenario(NamedTuple):
    """The sandbox's faults and limits."""

    faults: tuple[Fault, ...]
    limits: dict[str, Limits]


#: Optional keys that a kind reads, besides the time, the venue and the keys for all kinds.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(FRAME_KINDS, ("stream", "client", "count")),
    "silence": ("stream", "client", "duration_s"),
    "disconnect": ("client", "code"),
    "half_open": ("client", "duration_s"),
    "refuse": ("duration_s",),
    "shutdown": ("client", "notice_s"),
    "clock": ("duration_s", "offset_ms"),
    "rest_slow": ("duration_s", "delay_s"),
    "rest_stale": ("duration_s",),
    "rest_429": ("duration_s", "retry_after_s"),
    "rest_418": ("duration_s", "retry_after_s"),
    **ORDER_ARGUMENTS,
}
_WHEN = ("at_s", "every_s", "per_minute")
_FOR_ALL = ("kind", "venue", *_WHEN)


def load_scenario(path: Path) -> Scenario:
    """The faults and limits of a file. Raises ConfigError, one line that names file and key."""
    document = Document.read(path, "--faults")
    file = build(ScenarioFile, document.tree, document.source)
    faults = tuple(_fault(name, table, document.source) for name, table in file.faults.items())
    return Scenario(faults, {venue: _limits(venue, table) for venue, table in file.limits.items()})


def fault_of(text: str) -> Fault:
    """One fault as a JSON object with the keys of the file; without a time it begins at once. Raises ConfigError."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not valid JSON: {error}") from None
    source = Source("request")
    if isinstance(tree, dict) and not any(item in tree for item in _WHEN):
        tree["at_s"] = 0.0
    file = build(ScenarioFile, {"faults": {"request": tree}}, source)
    return _fault("request", file.faults["request"], source)


def _fault(name: str, table: FaultTable, source: Source) -> Fault:
    path = ("faults", name)
    given = {item: value for item, value in structs.asdict(table).items() if value is not None}
    if table.at_s is None and table.every_s is None and table.per_minute is None:
        raise ConfigError(
            f"{source.file}: {section_text(path)} never happens: give it at_s, every_s or per_minute"
        )
    if table.every_s is not None and table.per_minute is not None:
        source.refuse((*path, "per_minute"), "and every_s exclude each other: give one of them")
    for item, default in ((one.name, one.default) for one in structs.fields(table)):
        if item in given and given[item] != default and item not in (*_FOR_ALL, *ARGUMENTS[table.kind]):
            known = ", ".join((*_FOR_ALL[1:], *ARGUMENTS[table.kind]))
            source.refuse((*path, item), f"has no effect on a fault of kind {table.kind}; it reads {known}")
    for item, mistake in mistakes(table.kind, table.venue, given):
        source.refuse((*path, item), mistake)
    if table.quantity is not None:
        given["quantity"] = Decimal(table.quantity)
    return Fault(name=name, **given)


def _limits(venue: str, table: LimitsTable) -> Limits:
    given = {item: value for item, value in structs.asdict(table).items() if value is not None}
    return dataclasses.replace(LIMITS[venue], **given)

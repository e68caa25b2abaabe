"""The notes at the top of a run's output: data that no venue sent, and what limits the results.

`note_kinds` decides their headings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from arb.data.catalog.archived import ArchiveFile, ArchiveKind
from arb.data.catalog.days import ArchiveDay, Day, Recording
from arb.data.catalog.origin import origin_of
from arb.data.funding import FundingCount
from connectors.units import MILLISECOND

_ARCHIVES: Mapping[str, str] = MappingProxyType(
    {"binance": "Binance's public archive", "bybit": "Bybit's public archive", "tardis": "Tardis' archive"}
)
_CONTENTS = {
    ArchiveKind.BOOK: "order book",
    ArchiveKind.TOUCH: "best bid and offer",
    ArchiveKind.TRADES: "trades",
    ArchiveKind.AGG_TRADES: "aggregated trades",
}
#: Prefixes of notes about the configuration.
NO_EFFECT = "no effect: "
DIFFERENT_ASSETS = "legs of different assets"
NO_CAPITAL = "no capital"
#: The note of a run whose strategy never called `recorder.record`.
UNRECORDED = (
    "no state over time: the strategy did not call recorder.record(bot); the times, the drawdown and the charts are of "
    "the last state alone"
)


def funds_note(
    leg: str,
    refused: int,
    *,
    is_spot: bool,
    base: float,
    quote: float,
    leverage: float,
    assets: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """The note for a leg whose orders its account could not pay for, with the keys that set its funds.

    assets: units held of the asset that fees are charged in, if that is a further one.
    """
    venue = leg.partition(":")[0]
    if is_spot:
        began, keys = f"base {base:.15g} and quote {quote:.15g}", f"[capital.{venue}] base and quote"
    else:
        began = f"quote {quote:.15g} at leverage {leverage:.15g}"
        keys = f"[capital.{venue}] quote, [risk] max_leverage"
    for asset, units in assets.items():
        began, keys = f"{began}, and {units:.15g} {asset} for fees", f"{keys}, [capital.{venue}.assets]"
    orders = "1 order was" if refused == 1 else f"{refused:,} orders were"
    return f"{leg}: {orders} refused for lack of funds: the account began with {began} ({keys})"


def capital_note(holdings: Mapping[str, tuple[float, Mapping[str, float]]]) -> str:
    """The note for a run without `[capital]`. holdings: by venue, its quote, and base by symbol."""
    held = [
        " and ".join(
            [f"{quote:,.0f} quote", *(f"{amount:.15g} base of {one}" for one, amount in base.items())]
        )
        + f" at {venue}"
        for venue, (quote, base) in holdings.items()
    ]
    has_base = any(base for _, base in holdings.values())
    worth = "; base is worth as much as quote at the first price" if has_base else ""
    return f"no [capital]: the run began with {', '.join(held)}{worth}"


def tie_note(leg: str, moments: int, fills: int) -> str:
    """The note for a leg on which resting orders filled in the same nanosecond in hftbacktest's engine."""
    times = "once" if moments == 1 else f"{moments:,} times"
    return (
        f"{leg}: {fills:,} resting orders filled in the same nanosecond as others ({times}); hftbacktest adds them up "
        "in a random order, so last digits, and what a strategy makes of them, may differ from run to run; [backtest] "
        'engine = "arb" is exact'
    )


def dropped_notes(dropped: Mapping[str, int]) -> list[str]:
    """A line if rows of a run did not fit in memory. dropped: how many, by their kind."""
    lost = ", ".join(f"{count:,} {name}" for name, count in dropped.items() if count)
    if not lost:
        return []
    return [
        f"{lost} did not fit in memory: figures over time and lists are incomplete; cash, fees and positions at "
        "the end are whole; record less often, clear public trades, or run fewer days"
    ]


def engine_note(why: str) -> str:
    """The note for a backtest that cannot run in hftbacktest's engine."""
    return (
        "run in the engine arb: hftbacktest's charges fees in quote, knows no funding and no taken quantity, and "
        f"{why}"
    )


def unpaid_note(leg: str, times: int) -> str:
    """The note for funding times at which a leg held a position, but had no data to value the payment."""
    passed = "1 funding time" if times == 1 else f"{times} funding times"
    return (
        f"{leg}: {passed} passed with a position, but without a known mark price or rate: not in the profit; record "
        "with --streams markPrice"
    )


def funding_notes_of(leg: str, count: FundingCount, *, has_data: bool, remedy: str = "") -> list[str]:
    """The note for a perpetual leg with funding times without data; none if there are no such times.

    has_data: whether its data have any funding rate. remedy: how to get them; "" if unknown.
    """
    if not count.missing:
        return []
    if has_data:
        text = f"incomplete: {count.missing:,} of {count.passed:,} funding times have no data"
    else:
        times = "1 funding time" if count.passed == 1 else f"{count.passed:,} funding times"
        text = f"not counted: its data have no funding rate; {times} passed"
    if count.is_assumed:
        text += ", if the venue's interval is 8 h"
    return [f"funding of {leg} is {text}{remedy and f': {remedy}'}"]


def halt_note(leg: str, position: float) -> str:
    """The note for a leg that the host could not trade back completely after a halt."""
    return (
        f"{leg}: not flat after the halt: {position:+.10g} is left; too small for an order, refused, or the run ended "
        "before ([risk] on_halt)"
    )


def source_of(day: Day) -> str:
    """ "recording", or the name of the archive."""
    return "recording" if isinstance(day, Recording) else day.source


def contents_of(day: Day) -> str:
    """The kinds of data in an archive day's files, comma-separated; for a recording, frames of all kinds."""
    return "frames" if isinstance(day, Recording) else ", ".join(_content_of(file) for file in day.files)


def _content_of(file: ArchiveFile) -> str:
    match = re.search(r"_(ob\d+)\.", file.path.name)
    return match.group(1) if match else _CONTENTS[file.kind]


def archive_notes(days: Sequence[Day], feed_latency_ns: int) -> list[str]:
    """One line per archive and contents: the source of a leg's rows and of their local times."""
    notes = Counter(_archive_note(day, feed_latency_ns) for day in days if isinstance(day, ArchiveDay))
    return [
        note if count == len(days) else f"{note}; {count} of {len(days)} days"
        for note, count in notes.items()
    ]


def _archive_note(day: ArchiveDay, feed_latency_ns: int) -> str:
    what = f"{day.venue}:{day.symbol}: {_ARCHIVES.get(day.source, day.source)} ({contents_of(day)})"
    if day.is_touch_only:
        what += ", a book of one level a side"
    if not {ArchiveKind.TRADES, ArchiveKind.AGG_TRADES} & set(day.kinds):
        what += ", without trades"
    if day.has_receipt:
        return f"{what}; local times are those of its recorder"
    return (
        f"{what}; stamped by a latency model: local times are the venue's plus {feed_latency_ns / MILLISECOND:g} "
        "ms (latency.feed_ms)"
    )


def origin_notes(recordings: Iterable[Day]) -> list[str]:
    """One line for each leg and text: `venue:SYMBOL: text`, in the order of the recordings.

    Raises InputError for a file that cannot be read.
    """
    notes: dict[str, None] = {}
    for recording in recordings:
        text = origin_of(recording) if isinstance(recording, Recording) else ""
        if text:
            notes[f"{recording.venue}:{recording.symbol}: {text}"] = None
    return list(notes)

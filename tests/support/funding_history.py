"""Funding rates and mark prices as Binance's archive has them, on disk or on a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from arb.data.catalog.archived import archive_path
from arb.data.catalog.funding import FUNDING_SOURCE, MARKS_NAME, RATES_NAME
from support.archive_server import ArchiveServer
from support.archives import SYMBOL, packed

RATES_HEADER = "calc_time,funding_interval_hours,last_funding_rate"
MARKS_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
_HOUR_MS = 3_600_000


class Rate(NamedTuple):
    """A funding time in hours after midnight, its rate, and the venue's interval in hours."""

    hour: float
    rate: str
    interval: int = 8


EIGHT_HOURLY = (Rate(0, "0.00010000"), Rate(8, "-0.00005000"), Rate(16, "0.00012345"))


def midnight_ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def rates_text(
    days: Mapping[date, Sequence[Rate]], *, header: str | None = RATES_HEADER, late_ms: int = 3, unit: int = 1
) -> bytes:
    """A month's file. late_ms: from a funding time to the stamp of its rate. unit: 1: times in ms, 1,000: in us."""
    rows = [
        f"{(midnight_ms(day) + round(one.hour * _HOUR_MS) + late_ms) * unit},{one.interval},{one.rate}"
        for day, rates in days.items()
        for one in rates
    ]
    return _text(header, rows)


def mark_at(minute: int) -> float:
    """The mark price at a minute of the day."""
    return 42_000.0 + minute / 10


def marks_text(
    day: date, *, header: str | None = MARKS_HEADER, minutes: Sequence[int] = range(1440), unit: int = 1
) -> bytes:
    """A day's file, a line a minute."""
    rows = []
    for minute in minutes:
        at, px = (midnight_ms(day) + minute * 60_000) * unit, mark_at(minute)
        rows.append(
            f"{at},{px:.8f},{px + 1:.8f},{px - 1:.8f},{px + 0.5:.8f},0,{at + 59_999 * unit},0,60,0,0,0"
        )
    return _text(header, rows)


def write_funding(
    folder: Path, day: date, rates: bytes, marks: bytes, venue: str = "binance_usdm"
) -> tuple[Path, Path]:
    """Both files of a day in a data folder, as if downloaded."""
    paths = []
    for name, text in ((RATES_NAME, rates), (MARKS_NAME, marks)):
        path = archive_path(folder, FUNDING_SOURCE, venue, SYMBOL, name.format(symbol=SYMBOL, day=day))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed(path.name, text))
        paths.append(path)
    return paths[0], paths[1]


def serve_funding(server: ArchiveServer, day: date, rates: bytes, marks: bytes) -> None:
    """Both files of a day on a server, with their checksums."""
    served = f"{SYMBOL}-fundingRate-{day:%Y-%m}.zip", f"{SYMBOL}-1m-{day}.zip"
    folders = f"monthly/fundingRate/{SYMBOL}", f"daily/markPriceKlines/{SYMBOL}/1m"
    for name, folder, text in zip(served, folders, (rates, marks), strict=True):
        server.put(f"/data/futures/um/{folder}/{name}", packed(name, text), has_checksum=True)


def _text(header: str | None, rows: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in (*([] if header is None else [header]), *rows)).encode()

"""`arb sandbox record`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from arb.cli.lines import config_option


class Names(click.ParamType[list[str]]):
    """Names with commas between them."""

    name = "NAME,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        if isinstance(value, list):
            return value
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            self.fail(f"{value!r} is no list of names with commas between them", param, ctx)
        return names


class Minute(click.ParamType[datetime]):
    """A UTC day or minute, YYYY-MM-DD[THH:MM]."""

    name = "YYYY-MM-DD[THH:MM]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            form = "%Y-%m-%d" if len(value) == len("2024-01-01") else "%Y-%m-%dT%H:%M"
            return datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            self.fail(f"{value!r} is no time; write it as 2024-01-01T00:00", param, ctx)


@click.group()
def sandbox() -> None:
    """Simulated venues."""


@sandbox.command("record")
@config_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write into.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of the market."
)
@click.option("--minutes", type=float, default=10.0, show_default=True, help="How long to record.")
@click.option("--start", type=Minute(), default="2024-01-01T00:00", show_default=True, help="UTC.")
@click.option(
    "--venues", type=Names(), default="binance_spot,bybit_spot", show_default=True, help="Which venues."
)
@click.option("--symbols", type=Names(), default="BTCUSDT", show_default=True, help="Which symbols.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def record(
    config_path: Path,
    out: Path,
    seed: int,
    minutes: float,
    start: datetime,
    venues: list[str],
    symbols: list[str],
    as_json: bool,
) -> None:
    """Record a simulated market, as if it were the real one.

    The files are those of hftbacktest's collector, one an instrument and UTC day; a file of the same name that ends
    in .origin says that they are simulated. The same options give the same bytes.
    """
    from arb.app.legs import known_venues
    from arb.app.sandbox import record_market

    for file in record_market(out, seed, minutes, start, venues, symbols, known_venues(config_path)):
        if as_json:
            line = {
                "venue": file.listing.venue,
                "symbol": file.listing.symbol,
                "day": f"{file.day[:4]}-{file.day[4:6]}-{file.day[6:]}",
                "frames": file.frames,
                "bytes": file.size,
                "file": str(file.path),
            }
            click.echo(json.dumps(line))
        else:
            click.echo(f"{file.path}: {file.frames:,} frames, {file.size / 1e6:.1f} MB, simulated")

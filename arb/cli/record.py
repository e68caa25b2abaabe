"""`arb record`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from arb.cli.ending import bounded_end
from arb.cli.lines import config_option, listed, tell
from arb.errors import ExitCode, InputError

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Duration(click.ParamType[float]):
    """A span such as 90s, 15m, 1h or 2d, in seconds."""

    name = "90s|15m|1h|2d"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", value)
        seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is no time; write it as 90s, 15m, 1h or 2d", param, ctx)
        return seconds


@click.command()
@config_option
@click.option("--venues", help="VENUE,VENUE; those of the configured legs without it.")
@click.option("--symbols", help="SYMBOL,SYMBOL; those of the configured legs without it.")
@click.option(
    "--streams", help="Extra streams: aggTrade,kline_1m,markPrice,ticker; [record] streams without it."
)
@click.option("--duration", "duration_s", type=Duration(), help="How long; until Ctrl+C without it.")
@click.option("--sandbox", "is_sandbox", is_flag=True, help="Record a simulated market on this machine.")
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Folder to record into.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=TOML_VALUE", help="Override a key; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a second instead of the table.")
def record(
    config_path: Path,
    venues: str | None,
    symbols: str | None,
    streams: str | None,
    duration_s: float | None,
    is_sandbox: bool,
    data_dir: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Record live market data, frame by frame, for backtests.

    Until the duration has passed or Ctrl+C. Whatever ends it, the files are whole, and the next start goes on with
    them. Exit code 4: nothing came of an instrument. Public streams only: no keys, no orders.
    """
    from arb.app.record import Ending, config_of, record, refusal_text, wanted_of
    from arb.cli.record_view import silences, view_of

    config = config_of(config_path, overrides, data_dir, is_sandbox=is_sandbox)
    wanted = wanted_of(config, config_path, listed(venues), listed(symbols), listed(streams))
    with view_of(as_json=as_json) as view, bounded_end() as only_words_left:
        ending, progress = record(config, wanted, view.show, duration_s=duration_s, is_sandbox=is_sandbox)
        silent, refusals = silences(progress), refusal_text(progress)
        code = ExitCode.DIFFERENCES if silent else ExitCode.DONE
        if ending == Ending.INTERRUPTED:
            code = ExitCode.INTERRUPTED
        elif refusals:
            code = ExitCode.USER_INPUT
        only_words_left(code)
    view.end(ending, progress, config.data.directory)
    for line in silent:
        tell(f"warning: {line}")
    if refusals and code == ExitCode.INTERRUPTED:
        tell(f"warning: {refusals}")
    elif refusals:
        raise InputError(refusals)
    sys.exit(code)

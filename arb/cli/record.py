"""The `arb record` command: options and output."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from arb.cli.compilation_bar import show_compilation
from arb.cli.ending import bounded_end
from arb.cli.examples import examples
from arb.cli.options import (
    STREAMS,
    SYMBOLS,
    VENUES,
    Duration,
    config_option,
    load_config,
    refuse_set_twice,
    set_option,
)
from arb.cli.sandbox_options import sandbox_options
from arb.cli.watch import RUNS, start_watcher, watch_option
from arb.commands.sandbox_choice import SandboxChoice
from arb.errors import ExitCode, InputError
from arb.runtime.display import write_error
from arb.runtime.signals import signals_call


@click.command(
    epilog=examples(
        "arb record --sandbox --duration 20s --data /tmp/recordings",
        "arb record --venues binance_spot,bybit_spot --symbols BTCUSDT,ETHUSDT",
    ),
)
@config_option
@click.option("--venues", type=VENUES, help="Which; those of the configured legs without it.")
@click.option("--symbols", type=SYMBOLS, help="Which; those of the configured legs without it.")
@click.option(
    "--streams",
    type=STREAMS,
    help="Extra ones: aggTrade, kline_1m, markPrice, ticker; [record] streams without it.",
)
@click.option("--duration", "duration_s", type=Duration(), help="How long; until Ctrl+C without it.")
@sandbox_options("Record a simulated market on this machine.")
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Folder to record into.")
@set_option
@watch_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a second instead of the table.")
def record(
    config_path: Path,
    venues: list[str] | None,
    symbols: list[str] | None,
    streams: list[str] | None,
    duration_s: float | None,
    sandbox: SandboxChoice | None,
    data_dir: Path | None,
    overrides: tuple[str, ...],
    watch_port: int | None,
    as_json: bool,
) -> None:
    """Record live market data, frame by frame, for backtests.

    Until the duration has passed or Ctrl+C. Whatever ends it, the files are whole, and the next start goes on with
    them. Exit code 4: an instrument sent no data; 2: the venue refuses one, or its tick or lot is another. Public
    streams only: no keys, no orders.
    """
    show_compilation()
    from arb.cli.record_view import silences, view_of
    from arb.commands.record import off_grid_text, record, refusal_text
    from arb.commands.selection import wanted_of
    from arb.runtime.host import Ending

    refuse_set_twice(overrides, {"--streams": streams})
    config = load_config(config_path, overrides, None, None, data_dir, is_sandbox=sandbox is not None)
    wanted = wanted_of(config, config_path, venues, symbols, streams)
    start_watcher(watch_port, None, config_path, overrides)
    with contextlib.ExitStack() as stack:
        with view_of(as_json=as_json) as view, bounded_end() as only_words_left:
            ending, progress = record(
                config,
                wanted,
                view.show,
                wait=view.wait,
                duration_s=duration_s,
                sandbox=sandbox,
                runs=RUNS if watch_port is not None else None,
            )
            stack.enter_context(signals_call(lambda _: None))  # the recording is over: signals have no effect
            silent = silences(progress)
            refusals = "; ".join(filter(None, (off_grid_text(progress), refusal_text(progress))))
            code = ExitCode.DIFFERENCES if silent else ExitCode.DONE
            if ending == Ending.INTERRUPTED:
                code = ExitCode.INTERRUPTED
            elif refusals:
                code = ExitCode.USER_INPUT
            only_words_left(code)
        view.end(ending, progress, config.data.directory)
        for line in silent:
            write_error(f"warning: {line}")
        if refusals and code == ExitCode.INTERRUPTED:
            write_error(f"warning: {refusals}")
        elif refusals:
            raise InputError(refusals)
        sys.exit(code)

"""The `arb sandbox record` and `arb sandbox serve` commands: options and output."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arb.cli.ending import bounded_end
from arb.cli.examples import examples
from arb.cli.options import (
    RATES,
    STREAMS,
    SYMBOLS,
    VENUES,
    Duration,
    config_option,
    echo,
    echo_json,
    given,
    set_option,
)
from arb.cli.period import Moment, Time
from arb.cli.sandbox_options import PORT_BASE, SEED
from arb.commands.sandbox_choice import SANDBOX_SEED
from arb.errors import ExitCode, InputError
from arb.runtime.display import Display, DisplayHandler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.sandbox.accounts.keys import TestKey
    from arb.sandbox.serve.sandbox import Sandbox
    from arb.sandbox.trading.setup import Matching


def _refuse_minutes(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(f"--minutes: the option is --duration; write --duration {value}m")


_funding_interval = click.option(
    "--funding-interval",
    "funding_s",
    type=Duration(),
    help="Time between the funding payments of perpetuals [8h].",
)
_funding_rate = click.option(
    "--funding-rate", "rates", type=RATES, help="Funding rates of perpetuals, one after another [0.0001]."
)


@click.group(
    epilog=examples(
        "arb sandbox record --out recordings --duration 10m",
        "arb sandbox serve --symbols BTCUSDT,ETHUSDT",
    ),
)
def sandbox() -> None:
    """Simulated venues."""


@sandbox.command(
    "record",
    epilog=examples(
        "arb sandbox record --out recordings --duration 10m",
        "arb sandbox record --out recordings --symbols BTCUSDT,ETHUSDT --seed 3",
        "arb sandbox record --out rec --venues binance_usdm --streams markPrice",
    ),
)
@config_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write into.")
@click.option("--seed", type=SEED, metavar="N", default=1, show_default=True, help="Of the market.")
@click.option(
    "--duration", "duration_s", type=Duration(), default="10m", show_default=True, help="How long to record."
)
@click.option("--minutes", hidden=True, expose_value=False, callback=_refuse_minutes)
@click.option(
    "--start",
    type=Time(),
    default="2024-01-01T00:00",
    show_default=True,
    help="The time that it begins at, UTC.",
)
@click.option(
    "--venues", type=VENUES, default="binance_spot,bybit_spot", show_default=True, help="Which venues."
)
@click.option("--symbols", type=SYMBOLS, default="BTCUSDT", show_default=True, help="Which symbols.")
@click.option(
    "--dislocations",
    type=click.Choice(["modest", "wide"]),
    default="modest",
    show_default=True,
    help="How far prices leave each other: as real ones do, or beyond default fees and thresholds.",
)
@click.option("--streams", type=STREAMS, help="markPrice: mark price and funding of perpetuals too.")
@_funding_interval
@_funding_rate
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def record(
    config_path: Path,
    out: Path,
    seed: int,
    duration_s: float,
    start: Moment,
    venues: list[str],
    symbols: list[str],
    dislocations: str,
    streams: list[str] | None,
    funding_s: float | None,
    rates: list[str] | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Record a simulated market, as if it were the real one.

    The files are those of hftbacktest's collector, one an instrument and UTC day; a file of the same name that ends
    in .origin says that they are simulated. The same options give the same bytes.
    """
    from arb.commands.legs import known_venues
    from arb.commands.sandbox import funding_of, record_market
    from connectors.model import Stream

    if streams is None and (names := given({"--funding-interval": funding_s, "--funding-rate": rates})):
        raise InputError(f"{' and '.join(names)}: only with mark prices; give --streams markPrice as well")
    if other := next((name for name in streams or () if name != Stream.MARK_PRICE.value), None):
        raise InputError(f"--streams {other}: no such stream; there is {Stream.MARK_PRICE.value}")
    known = known_venues(config_path, overrides)
    funding = None if streams is None else funding_of(funding_s, rates)
    for file in record_market(out, seed, duration_s, start.at, venues, symbols, known, dislocations, funding):
        if as_json:
            line = {
                "venue": file.listing.venue,
                "symbol": file.listing.symbol,
                "day": str(file.day),
                "frames": file.frames,
                "bytes": file.size,
                "file": str(file.path),
            }
            echo_json(line)
        else:
            echo(f"{file.path}: {file.frames:,} frames, {file.size / 1e6:.1f} MB, simulated")


@sandbox.command(
    "serve",
    epilog=examples(
        "arb sandbox serve --venues binance_spot,bybit_spot",
        "arb sandbox serve --recording recordings --speed 10 --port-base 9000",
    ),
)
@config_option
@click.option(
    "--recording", type=click.Path(path_type=Path), help="Serve these recordings, not the seeded market."
)
@click.option("--seed", type=SEED, metavar="N", help=f"Of market, faults, keys and ids [{SANDBOX_SEED}].")
@click.option("--speed", type=float, default=1.0, show_default=True, help="Times as fast as it happened.")
@click.option("--venues", type=VENUES, default=None, help="Which venues; all without it.")
@click.option(
    "--symbols", type=SYMBOLS, default=None, help="Which symbols; all recorded ones, or BTCUSDT, without it."
)
@click.option(
    "--times",
    type=click.Choice(["now", "recorded"]),
    default="now",
    show_default=True,
    help="Which times the frames of a recording carry.",
)
@click.option(
    "--accounts",
    type=click.Path(path_type=Path),
    help="Accounts, keys and delays, a TOML file; one account with much of everything without it.",
)
@click.option(
    "--matching",
    type=click.Choice(["levels", "whole"]),
    default="levels",
    show_default=True,
    help="Orders take the displayed levels, or are filled whole as in a dry-run.",
)
@click.option(
    "--ledger", type=click.Path(path_type=Path), help="Write every change of orders and balances, JSON lines."
)
@click.option("--faults", type=click.Path(path_type=Path), help="Faults and limits, a TOML file.")
@click.option(
    "--fault-log", type=click.Path(path_type=Path), help="Write every injected fault, a JSON line each."
)
@click.option(
    "--port-base",
    type=click.IntRange(0, 65_532),
    metavar="PORT",
    default=PORT_BASE,
    show_default=True,
    help="First of four ports in a row; 0: free ones.",
)
@click.option("--duration", "duration_s", type=Duration(), help="How long; until Ctrl+C without it.")
@_funding_interval
@_funding_rate
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print addresses and keys as two JSON lines.")
@click.option("-v", "--verbose", is_flag=True, help="Log every connection.")
def serve(
    config_path: Path,
    recording: Path | None,
    seed: int | None,
    speed: float,
    venues: list[str] | None,
    symbols: list[str] | None,
    times: str,
    accounts: Path | None,
    matching: Matching,
    ledger: Path | None,
    faults: Path | None,
    fault_log: Path | None,
    port_base: int,
    duration_s: float | None,
    funding_s: float | None,
    rates: list[str] | None,
    overrides: tuple[str, ...],
    as_json: bool,
    verbose: bool,
) -> None:
    """Serve the venues' protocols on this machine: market data, orders, accounts, and faults.

    Websockets and REST of Binance spot, Binance USD-M, Bybit spot and Bybit linear, each on a port of 127.0.0.1, until
    Ctrl+C, the end of the recording or of --duration. Keys, orders and money are the sandbox's own. GET
    /sandbox/ledger on any port shows its accounts.
    """
    from arb.commands.legs import known_venues
    from arb.commands.sandbox import funding_of
    from arb.commands.serve import keys_of, sandbox_of
    from arb.commands.serve import serve as serve_sandbox

    if times == "recorded" and recording is None:
        raise InputError("--times recorded: only for a recording; give --recording as well")
    if times == "recorded" and (accounts or ledger or matching != "levels"):
        raise InputError(
            "--times recorded: market data only, without --accounts, --ledger and --matching; orders need --times now"
        )
    seed = SANDBOX_SEED if seed is None else seed
    built = sandbox_of(
        known_venues(config_path, overrides),
        recording=recording,
        seed=seed,
        speed=speed,
        venues=venues or (),
        symbols=symbols or (),
        keeps_times=times == "recorded",
        faults=faults,
        fault_log=fault_log,
        port_base=port_base,
        funding=funding_of(funding_s, rates) if funding_s or rates else None,
        accounts=accounts,
        matching=matching,
        ledger=ledger,
    )
    keys = keys_of(seed) if accounts is None and times == "now" else []
    # Failed output must not affect the connected clients.
    with bounded_end() as only_words_left, Display(lambda error: None) as display:
        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING,
            format="%(levelname)s %(message)s",
            handlers=[DisplayHandler(display)],
        )

        def started(running: Sandbox) -> None:
            display.line(lambda: _show_start(running.urls, keys, as_json=as_json))

        # It loads for longer than all else that the help of a command needs.
        import asyncio

        asyncio.run(serve_sandbox(built, started, duration_s))
        only_words_left(ExitCode.DONE)
    with contextlib.suppress(OSError):
        echo("the recording has ended" if built.ended.is_set() else "stopped")


def _show_start(urls: dict[str, Any], keys: Sequence[TestKey], *, as_json: bool) -> None:
    """Addresses, and the keys with which a client may trade."""
    shown = [one.shown for one in keys if any(venue.startswith(one.key.house) for venue in urls)]
    if as_json:
        echo_json({venue: one._asdict() for venue, one in urls.items()})
        echo_json({"keys": shown})
    else:
        for venue, one in urls.items():
            echo(f"{venue:<13} {one.websocket}  {one.rest}")
        for key in shown:
            # A private key in PEM is one line of base64 between two that everybody knows.
            name, value = "secret", key["private"]
            if key["kind"] == "ed25519":
                name, value = "private", key["private"].splitlines()[1]
            echo(f"{key['house']} {key['kind']}")
            echo(f"  id       {key['id']}")
            echo(f"  {name:<8} {value}")
    sys.stdout.flush()  # a process that starts this in a pipe waits for the addresses

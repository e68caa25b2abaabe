"""Shared by all runs: recorded inputs, limits, and the files of a run's folder."""

from __future__ import annotations

import contextlib
import hashlib
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import hftbacktest
import msgspec
import numba
import numpy as np

import arb
from arb.backtest.assets import LegData
from arb.commands.funding_notes import funding_notes
from arb.commands.legs import KnownGrids, instrument_of
from arb.commands.report import derived_files
from arb.config import Config
from arb.config.adapters import load_adapter
from arb.data.catalog.days import Day, Recording, select_days
from arb.data.recordings.leftover import leftover_notes
from arb.data.rows.cache import RowCache, prune
from arb.data.rows.code_version import code_version
from arb.data.rows.convert import Feed, convert
from arb.data.rows.row_files import Conversion
from arb.data.rows.usable import (
    book_notes,
    ending_notes,
    grid_notes,
    refuse_empty,
    refuse_unusable,
    stamp_notes,
    touch_notes,
)
from arb.data.rows.window import Window, cut_conversion, cut_rows
from arb.errors import ConfigError, InputError
from arb.leg import IN_RECEIVED, Leg
from arb.results.folder import RunFolder
from arb.results.manifest import FORMAT, result_of
from arb.results.notes import (
    UNRECORDED,
    archive_notes,
    dropped_notes,
    funds_note,
    halt_note,
    origin_notes,
    source_of,
    tie_note,
    unpaid_note,
)
from arb.results.result import RunOutput, RunResult
from arb.results.simulated_orders import SIMULATED, simulated_csv
from arb.results.trades import HEADER, lines_of, ties_of
from arb.risk.funds import AssetFunds
from arb.risk.limits import AssetLimits, Limits
from arb.strategies.arguments import Arguments
from arb.strategies.loader import LoadedStrategy
from arb.strategies.source_code import code_of, is_ours, our_code
from connectors.units import MILLISECOND

if TYPE_CHECKING:
    from arb.commands.recordings import StartProgress

#: If more than this share of rows is clamped, the run notes that its clock offset is wrong.
_CLAMPED_SHARE_MAX = 0.001
#: A position smaller than this share of a lot is rounding error.
_LOT_SHARE_MAX = 1e-3


class Inputs(NamedTuple):
    """The recorded days of a run as rows, or a part of them. Valid until the cache that holds them is closed."""

    legs: Sequence[Leg]
    days: Sequence[Sequence[Day]]
    conversion: Conversion
    #: One entry per leg, with the arrays that it replays.
    data: list[LegData]
    #: Notes on the data's sources and quality.
    notes: list[str]
    #: The part of the days that is run; None: whole days.
    window: Window | None = None

    @property
    def has_funding(self) -> tuple[bool, ...]:
        """Of each leg, whether its days have funding data."""
        return tuple(any(file.funding_rows for file in files) for files in self.conversion.files)

    def of_legs(self, legs: Sequence[Leg]) -> Inputs:
        """The same rows with the same legs in the same order, whose capital may differ."""
        data = [one._replace(leg=leg) for one, leg in zip(self.data, legs, strict=True)]
        return self._replace(legs=legs, data=data)


def days_of_run(config: Config, legs: Sequence[Leg], start: date, end: date | None) -> list[list[Day]]:
    """The recorded days of every leg. Raises InputError for a missing one."""
    instruments = [(leg.venue, leg.symbol) for leg in legs]
    return select_days(Path(config.data.directory), instruments, start, end, config.file)


def read_inputs(
    config: Config,
    legs: Sequence[Leg],
    days: Sequence[Sequence[Day]],
    cache: RowCache,
    progress: StartProgress | None = None,
    *,
    window: Window | None = None,
    offset_ns: int | None = None,
) -> Inputs:
    """The rows of the days on one clock: `offset_ns`, else the configured offset, else the measured one.

    window: the part of the days to run. Raises InputError for days, or a part of them, that cannot be read or used.
    """
    notes = origin_notes(day for leg_days in days for day in leg_days)
    for leg, leg_days in zip(legs, days, strict=True):
        notes += archive_notes(leg_days, leg.feed_latency_ns)
    notes += leftover_notes(
        Path(config.data.directory),
        [day[:3] for leg_days in days for day in leg_days if isinstance(day, Recording)],
    )
    if config.data.note is not None:
        notes.append(config.data.note)
    feeds = feeds_of(config, legs, days)
    if offset_ns is None:
        offset_ns = configured_offset_ns(config)
    from arb.commands.recordings import bytes_of

    conversion = convert(feeds, cache, offset_ns=offset_ns, progress=progress and progress(bytes_of(days)))
    prune_cache(cache, config.data.cache_gb)
    notes += clamp_notes(legs, conversion) + stamp_notes(conversion, feeds)
    grid = grid_notes(conversion, feeds)
    arrays = [conversion.rows(n) for n in range(len(legs))]
    if window is not None:
        whole, conversion = conversion, cut_conversion(conversion, window)
        refuse_empty(whole, conversion, feeds, window)
        arrays = [cut_rows(rows, window, leg.tick_size) for rows, leg in zip(arrays, legs, strict=True)]
    refuse_unusable(conversion, feeds)
    notes += (
        touch_notes(conversion, feeds)
        + book_notes(conversion, feeds)
        + ending_notes(conversion, feeds)
        + grid
        + funding_notes(legs, [feed.venue for feed in feeds], conversion, arrays)
    )
    data = [LegData(leg, rows) for leg, rows in zip(legs, arrays, strict=True)]
    return Inputs(legs, days, conversion, data, notes, window)


def feeds_of(config: Config, legs: Sequence[Leg], days: Sequence[Sequence[Day]]) -> list[Feed]:
    """The days of every leg, with what their conversion takes from the configuration beside the clock offset."""
    grids = KnownGrids.of_config(config)
    return [
        Feed(
            load_adapter(config.venues[leg.venue]),
            recordings,
            leg.feed_latency_ns,
            instrument_of(leg),
            *grids.source(config.venues[leg.venue], leg.symbol),
            silence_ns=silence_ns(config),
        )
        for leg, recordings in zip(legs, days, strict=True)
    ]


def silence_ns(config: Config) -> int:
    """How long a book may be silent before strategies no longer see it."""
    return config.execution.stale_after_ms * MILLISECOND


def configured_offset_ns(config: Config) -> int | None:
    """The clock offset of `[clock] offset_ms`; None if it is to be measured."""
    offset_ms = config.clock.offset_ms
    return None if offset_ms is None else round(offset_ms * MILLISECOND)


def prune_cache(cache: RowCache, cache_gb: float) -> None:
    """Keeps the row cache within its size limit; a cache that cannot be pruned does not fail the run."""
    if cache_gb > 0.0:
        with contextlib.suppress(OSError):
            prune(cache.directory, round(cache_gb * 1e9))


def clamp_notes(legs: Sequence[Leg], conversion: Conversion) -> list[str]:
    """A line for each leg with so many rows stamped in the future that the clock offset must be wrong."""
    notes = []
    for leg, files in zip(legs, conversion.files, strict=True):
        clamped, rows = sum(file.clamped for file in files), sum(file.rows for file in files)
        if clamped > rows * _CLAMPED_SHARE_MAX:
            notes.append(
                f"{leg.name}: {clamped:,} rows were stamped later than received and count as received at "
                "once; the clock offset is too small ([clock] offset_ms; without it, it is measured)"
            )
    return notes


def limits_of(config: Config) -> Limits:
    """The order-level limits of a configuration, one entry per leg."""
    risk = config.risk
    assets = [
        AssetLimits(
            qty_max=risk.max_order_qty or math.inf,
            notional_max=risk.max_order_notional or math.inf,
            position_max=leg.position_limit,
            contract_size=leg.contract_size,
        )
        for leg in config.legs
    ]
    funds = [
        AssetFunds(
            account=leg.funds,
            is_spot=leg.is_spot,
            base=leg.base,
            quote=leg.quote,
            tick_size=leg.tick_size,
            lot_size=leg.lot_size,
            contract_size=leg.contract_size,
            fee=max(leg.maker_fee, leg.taker_fee),
            leverage=risk.max_leverage,
            fee_asset=leg.fee_asset,
            other=leg.fee_units,
            other_account=leg.venue,
            other_price=leg.fee_price,
            other_price_no=leg.fee_price_leg,
        )
        for leg in config.legs
    ]
    return Limits(assets, funds=funds, orders_max=risk.max_orders_per_second)


def funds_notes(manifest: Mapping[str, Any]) -> list[str]:
    """A line for each leg with orders refused for lack of funds."""
    config = manifest["config"]
    notes = []
    for leg, refused in manifest["refusals"].items():
        venue, _, symbol = leg.partition(":")
        capital = config["capital"][venue]
        if refused["funds"]:
            note = funds_note(
                leg,
                refused["funds"],
                is_spot=config["venues"][venue]["kind"] == "spot",
                base=capital["base_of"].get(symbol, capital["base"]),
                quote=capital["quote_of"].get(symbol, capital["quote"]),
                leverage=config["risk"]["max_leverage"],
                assets=capital.get("assets", {}),
            )
            notes.append(note)
    return notes


def halt_notes(manifest: Mapping[str, Any], final: Any) -> list[str]:
    """A line for each leg with a position that a halted strategy left and that could not be closed."""
    config = manifest["config"]
    if manifest["outcome"] != "halted" or config["risk"]["on_halt"] != "flatten":
        return []
    notes = []
    for leg, state in zip(config["strategy"]["legs"], final, strict=True):
        venue, _, symbol = leg.partition(":")
        terms = config["venues"][venue]
        position, lot_size = float(state["position"]), float(terms["symbols"][symbol]["lot_size"])
        # Fees in base leave part of a lot.
        share = 1.0 if terms["fees"].get("asset") == IN_RECEIVED else _LOT_SHARE_MAX
        if abs(position) > share * lot_size:
            notes.append(halt_note(leg, position))
    return notes


def noted(manifest: Mapping[str, Any], output: RunOutput) -> dict[str, Any]:
    """The manifest with the notes that follow from the output."""
    is_unrecorded = manifest["outcome"] == "ended" and not len(output.records)
    notes = [*manifest["notes"], *([UNRECORDED] if is_unrecorded else [])]
    notes += [*funds_notes(manifest), *halt_notes(manifest, output.final), *dropped_notes(output.dropped)]
    names = manifest["config"]["strategy"]["legs"]
    notes += [unpaid_note(leg, times) for leg, times in zip(names, output.unpaid, strict=False) if times]
    if manifest["command"] == "backtest" and manifest["config"]["backtest"]["engine"] == "hftbacktest":
        notes += [tie_note(leg, *counts) for leg, counts in ties_of(output.trades).items()]
    return {**manifest, "notes": notes}


def write_run(
    folder: RunFolder, manifest: Mapping[str, Any], output: RunOutput, *, has_report: bool
) -> RunResult:
    """Writes the files of every run; the manifest last, so that a folder with a manifest is complete."""
    manifest = noted(manifest, output)
    result = result_of(manifest, output)
    by_leg = {str(n): output.records[:, n] for n in range(output.records.shape[1])}
    edges = {} if output.edges is None else {"edges": output.edges}
    folder.write_arrays(
        "records.npz", {**by_leg, "final": output.final, "decisions": output.decisions, **edges}
    )
    folder.write_csv("trades.csv", HEADER, lines_of(output.trades, output.payments))
    if output.simulated is not None:
        folder.write_bytes(SIMULATED, simulated_csv(output.simulated).encode())
    for name, content in derived_files(result, has_page=has_report):
        folder.write_bytes(name, content)
    folder.write_manifest(manifest)
    return result


def common_manifest(
    command: str, config: Config, strategy: LoadedStrategy, arguments: Arguments, created: datetime
) -> dict[str, Any]:
    """The manifest's fields about code and configuration, for every run."""
    return {
        "format": FORMAT,
        "created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "command": command,
        "arb": arb.__version__,
        "code": code_version(),
        "arb_sha256": our_code(),
        "python": platform.python_version(),
        "hftbacktest": hftbacktest.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
        "strategy": {
            "function": strategy.spec,
            "sha256": strategy.source_sha256,
            **strategy.code.as_dict(),
            "params": arguments.params,
            "arguments": dict(arguments.numbers),
        },
        "adapters": {spec: code_of(spec).as_dict() for spec in adapters_of(config)},
        "config": config.as_dict(),
        "pairs": [(config.legs[first].name, config.legs[second].name) for first, second in config.pairs],
    }


def adapters_of(config: Config) -> list[str]:
    """The adapters of a run that are not part of arb, as named in the venues' files."""
    files = {venue.adapter: venue.file for venue in config.venues.values()}
    outside = []
    for spec, file in sorted(files.items()):
        try:
            if not is_ours(code_of(spec).main):
                outside.append(spec)
        except InputError as error:
            raise ConfigError(f"{file}: adapter {spec!r} cannot be loaded: {error}") from None
    return outside


def inputs_manifest(config: Config, inputs: Inputs, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The manifest's fields about the recorded days of a run; `notes` follow those of the data."""
    conversion = inputs.conversion
    return {
        "first_day": str(inputs.days[0][0].day),
        "last_day": str(inputs.days[0][-1].day),
        "window": inputs.window and inputs.window.texts,
        "notes": [*inputs.notes, *notes],
        "clock_offset_ns": conversion.offset_ns,
        "inputs": list(_inputs(config, inputs)),
        "order_latencies": latency_hashes(inputs.legs),
    }


def latency_hashes(legs: Sequence[Leg]) -> dict[str, str]:
    """SHA-256 of the measured latencies, by leg, for legs that have some."""
    return {
        leg.name: hashlib.sha256(leg.order_latencies.tobytes()).hexdigest()
        for leg in legs
        if leg.order_latencies is not None
    }


def _inputs(config: Config, inputs: Inputs) -> Iterable[dict[str, Any]]:
    for leg, leg_days, files in zip(config.legs, inputs.days, inputs.conversion.files, strict=True):
        for day, file in zip(leg_days, files, strict=True):
            yield {
                "leg": leg.name,
                "day": str(day.day),
                "source": source_of(day),
                "raw_sha256": file.raw_sha256,
                "rows": file.rows,
                "clamped": file.clamped,
                "stepped_back": file.stepped_back,
                "gaps": file.scan.gaps,
                "book": msgspec.to_builtins(file.scan.book.moved(file.offset_ns)),
                "is_carried": file.scan.is_carried,
                "grid": file.scan.grid._asdict(),
            }

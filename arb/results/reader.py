"""Reads the files of a run folder."""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arb.bot.recorder import RECORD
from arb.errors import InputError
from arb.results.evidence import MANIFEST, SESSION_LOCK
from arb.results.manifest import FORMAT, legs_of, result_of
from arb.results.result import ResultLeg, RunOutput, RunResult
from arb.results.simulated_orders import SIMULATED, read_simulated
from arb.results.trades import FILL, FLATTENED, FUNDING, HEADER, HEDGED_FIRST, Payment, Trade

#: With the manifest the files that a report is built from; the others of a run folder are derived from them.
TRADES, RECORDS = "trades.csv", "records.npz"
#: What sessions of an earlier arb left when they were killed.
_OLD_JOURNAL = "session.journal"

_STATE = RECORD.names or ()
_DECISION = ("timestamp", "code", "attempt", "leg", "order_id", "value")


def read_run(folder: Path) -> tuple[RunOutput, RunResult]:
    """Reads a run folder: the output of its strategy, and its result.

    Raises InputError if it is not one, is truncated, or has an unsupported format.
    """
    manifest = read_manifest(folder)
    for name in (TRADES, RECORDS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: {name} is missing: the folder is not whole; run it again")
    try:
        legs = legs_of(manifest)
        records, final, decisions, edges = _read_arrays(folder / RECORDS, len(legs))
        trades, payments = _read_trades(folder / TRADES, legs)
        simulated = read_simulated(folder / SIMULATED, [leg.name for leg in legs])
        output = RunOutput(records, final, decisions, trades, payments, edges, simulated=simulated)
        return output, result_of(manifest, output)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, EOFError, OSError) as error:
        raise InputError(f"{folder}: cannot be read: {_text_of(error)}; run it again") from None
    except (zipfile.BadZipFile, zlib.error, csv.Error) as error:
        raise InputError(f"{folder}: cut off or damaged: {_text_of(error)}; run it again") from None


def _text_of(error: Exception) -> str:
    return f"no {error} in it" if isinstance(error, KeyError) else str(error) or type(error).__name__


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a run folder. Raises InputError for any other folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the folder that a run wrote")
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        if (folder / SESSION_LOCK).exists():
            raise InputError(
                f"{folder}: a session that still runs, or was killed: arb verify finishes the folder of a killed one"
            ) from None
        if (folder / _OLD_JOURNAL).exists():
            raise InputError(
                f"{folder}: a session that was killed, of an earlier arb: finish it with the arb that wrote it"
            ) from None
        if isinstance(error, FileNotFoundError):
            raise InputError(
                f"{folder}: no {MANIFEST} in it: not the folder of a run, or one cut off; arb backtest writes one"
            ) from None
        raise InputError(f"{path}: cannot be read: {error}; run it again") from None
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if version != FORMAT:
        raise InputError(
            f"{folder}: written in format {version!r}, this version of arb reads {FORMAT}; run it again"
        )
    return dict(manifest)


def _read_arrays(path: Path, legs: int) -> tuple[Any, Any, Any, Any]:
    """Records (row, leg), the last state, the decisions, the measured edges or None."""
    # Opened here, because NumPy does not close a file that is not an archive.
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        columns = [_with_fields(file[str(leg_no)], _STATE, path) for leg_no in range(legs)]
        final = _with_fields(file["final"], _STATE, path)
        decisions = _with_fields(file["decisions"], _DECISION, path)
        edges = _with_fields(file["edges"], _DECISION, path) if "edges" in file else None
    if len({len(column) for column in columns}) != 1 or len(final) != legs:
        raise ValueError(f"{path.name} has legs of different lengths")
    return np.stack(columns, axis=1), final, decisions, edges


def _with_fields(array: Any, names: Sequence[str], path: Path) -> Any:
    if array.dtype.names is None or any(name not in array.dtype.names for name in names):
        raise ValueError(f"{path.name} has other fields")
    return array


def _read_trades(path: Path, legs: Iterable[ResultLeg]) -> tuple[list[Trade], list[Payment]]:
    """The fills and the funding payments of a run. Raises ValueError, OSError or csv.Error for an invalid file."""
    known = {leg.name for leg in legs}
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file, strict=True)
        if tuple(next(lines, ())) != HEADER:
            raise ValueError(f"{path.name} has another header")
        trades: list[Trade] = []
        payments: list[Payment] = []
        for line in lines:
            place = f"{path.name}, line {lines.line_num}"
            if len(line) == len(HEADER) and line[11] == FUNDING:
                payments.append(_payment(line, known, place))
            else:
                trades.append(_trade(line, known, place))
        return trades, payments


def _trade(line: Sequence[str], legs: set[str], place: str) -> Trade:
    if len(line) != len(HEADER) or line[3] not in legs or line[4] not in ("buy", "sell") or line[11] != FILL:
        raise ValueError(f"{place} is no fill of this run")
    (
        time,
        exch_ts,
        attempt,
        leg,
        side,
        price,
        quantity,
        fee,
        cash,
        liquidity,
        order_id,
        _,
        asset,
        amount,
        _,
    ) = line
    try:
        return Trade(
            time, int(exch_ts), _attempt(attempt), leg, side, float(price), float(quantity),
            float(fee), float(cash), liquidity, int(order_id), asset, float(amount),
        )  # fmt: skip
    except ValueError:
        raise ValueError(f"{place} is no fill") from None


def _payment(line: Sequence[str], legs: set[str], place: str) -> Payment:
    time, exch_ts, _, leg, side, mark, position, _, cash, *_, rate = line
    if leg not in legs or side != FUNDING:
        raise ValueError(f"{place} is no funding payment of this run")
    try:
        return Payment(time, int(exch_ts), leg, float(mark), float(position), float(rate), float(cash))
    except ValueError:
        raise ValueError(f"{place} is no funding payment") from None


def _attempt(text: str) -> int | str:
    return text if text in ("", FLATTENED, HEDGED_FIRST) else int(text)

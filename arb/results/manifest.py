"""The part of a manifest that the figures of a run need, and the version of the folder's format.

A run folder is read from its files only: everything that the figures need besides records, decisions and fills is in
the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from arb.data.outages import BookOutages
from arb.results.metrics.coverage import LegOutages, leg_outages
from arb.results.metrics.fills import fills_of, payments_of
from arb.results.result import ResultLeg, RunOutput, RunResult
from arb.results.setup import setup_of, terms_of
from connectors.units import SECOND

#: Format version of a run folder, in the manifest; other versions cannot be read.
FORMAT = 3


def result_of(manifest: Mapping[str, Any], output: RunOutput) -> RunResult:
    """The result of a run. Raises KeyError, TypeError or ValueError unless it is a manifest of FORMAT."""
    legs = legs_of(manifest)
    names = [leg.name for leg in legs]
    fills = output.fill_rows
    if fills is None:
        fills = fills_of(output.trades, names, [leg.contract_size for leg in legs])
    strategy = manifest["config"]["strategy"]
    return RunResult(
        command=str(manifest["command"]),
        outcome=str(manifest["outcome"]),
        strategy=str(manifest["strategy"]["function"]),
        first_day=str(manifest["first_day"]),
        last_day=str(manifest["last_day"]),
        notes=[str(note) for note in manifest["notes"]],
        rows=sum(int(file["rows"]) for file in manifest["inputs"]),
        refusals={str(leg): dict(rules) for leg, rules in manifest["refusals"].items()},
        legs=legs,
        pairs=[(names.index(first), names.index(second)) for first, second in manifest["pairs"]],
        records=_with_final(output),
        decisions=output.decisions,
        fills=fills,
        payments=payments_of(output.payments, names),
        setup=setup_of(manifest),
        basis_halflife_ns=round(float(strategy.get("basis_halflife_s", 0.0)) * SECOND),
        is_convergence=strategy.get("mode") == "convergence",
        config=manifest["config"],
        params=manifest["strategy"]["params"],
        edges=output.edges,
        simulated=output.simulated,
    )


def legs_of(manifest: Mapping[str, Any]) -> list[ResultLeg]:
    """The legs of a run, with what its recordings say of their books."""
    config, inputs = manifest["config"], manifest["inputs"]
    names = config["strategy"]["legs"]
    files = [[file for file in inputs if file["leg"] == name] for name in names]
    funds = [_funds(config, name) for name in names]
    return [
        _leg(config, name, manifest["command"], is_first=funds.index(own_funds) == n)._replace(
            gaps=sum(int(file["gaps"]) for file in own), outages=outages
        )
        for n, (name, own_funds, own, outages) in enumerate(
            zip(names, funds, files, _outages(files), strict=True)
        )
    ]


def _funds(config: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The venue whose cash a leg shares, and its symbol if its cash is set apart."""
    venue, _, symbol = name.partition(":")
    return venue, symbol if symbol in config["capital"][venue]["quote_of"] else ""


def _leg(config: Mapping[str, Any], name: str, command: str, *, is_first: bool) -> ResultLeg:
    """`is_first`: the first leg with its funds, which counts their cash."""
    venue, _, symbol = name.partition(":")
    capital = config["capital"][venue]
    instrument = config["venues"][venue]["symbols"][symbol]
    base = capital["base_of"].get(symbol, capital["base"])
    quote = float(capital["quote_of"].get(symbol, capital["quote"])) if is_first else 0.0
    return ResultLeg(
        name, float(base), quote, float(instrument["contract_size"]), terms=terms_of(config, name, command)
    )


def _outages(files: Sequence[Sequence[Mapping[str, Any]]]) -> list[LegOutages]:
    try:
        return leg_outages([[msgspec.convert(file["book"], BookOutages) for file in own] for own in files])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _with_final(output: RunOutput) -> Any:
    """The records with the last state as their last row."""
    records, final = output.records, output.final
    if not len(records) or records[-1].tobytes() != final.tobytes():
        records = np.concatenate((records, final[None]))
    is_zero = records["price"] <= 0.0
    if is_zero.any():  # entries that were never recorded are zero, which is not a price
        records = records.copy()
        records["price"][is_zero] = np.nan
    return records

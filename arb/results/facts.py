"""The manifest's data that a run's figures need; written and read here, so that both agree.

A run folder is read from its files only: everything that the summary needs besides records, decisions and fills is in
the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from arb.data.outages import BookSpells
from arb.results.metrics.coverage import BookGaps, book_gaps
from arb.results.metrics.run import NS_PER_S, LegFacts

#: Format version of a run folder, in the manifest; other versions cannot be read.
FORMAT = 1


class RunFacts(NamedTuple):
    """The data of a run except its arrays."""

    world: str
    #: ended, halted, interrupted, failed, hung or killed.
    outcome: str
    strategy: str
    first_day: str
    last_day: str
    #: The source of the data, unless they are an unchanged recording of the venue.
    notes: list[str]
    legs: list[LegFacts]
    rows: int
    #: Per leg: breaks of the book's chain; orders refused by the limits, by rule.
    gaps: dict[str, int]
    refusals: dict[str, dict[str, int]]
    basis_halflife_ns: int
    is_convergence: bool
    #: Per leg: outages of its book.
    book_gaps: Mapping[str, BookGaps] = MappingProxyType({})


def facts_of_manifest(manifest: Mapping[str, Any]) -> RunFacts:
    """The facts in a manifest. Raises KeyError, TypeError or ValueError unless it is a manifest of FORMAT."""
    config = manifest["config"]
    strategy = config["strategy"]
    legs = [_leg_facts(config, name, is_first=n < 2) for n, name in enumerate(strategy["legs"])]
    inputs = manifest["inputs"]
    return RunFacts(
        world=str(manifest["command"]),
        outcome=str(manifest["outcome"]),
        strategy=str(manifest["strategy"]["function"]),
        first_day=str(manifest["first_day"]),
        last_day=str(manifest["last_day"]),
        notes=[str(note) for note in manifest["notes"]],
        legs=legs,
        rows=sum(int(file["rows"]) for file in inputs),
        gaps={leg.name: sum(int(file["gaps"]) for file in inputs if file["leg"] == leg.name) for leg in legs},
        refusals={str(leg): dict(rules) for leg, rules in manifest["refusals"].items()},
        basis_halflife_ns=round(float(strategy["basis_halflife_s"]) * NS_PER_S),
        is_convergence=strategy.get("mode") == "convergence",
        book_gaps=_book_gaps(inputs, [leg.name for leg in legs]),
    )


def _book_gaps(inputs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, BookGaps]:
    try:
        books = [
            [msgspec.convert(file["book"], BookSpells) for file in inputs if file["leg"] == name]
            for name in names
        ]
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return dict(zip(names, book_gaps(books), strict=True))


def _leg_facts(config: Mapping[str, Any], name: str, *, is_first: bool) -> LegFacts:
    """`is_first`: the first leg at its venue. Instruments at one venue share its money, which is counted once."""
    venue, _, symbol = name.partition(":")
    capital = config["capital"][venue]
    instrument = config["venues"][venue]["symbols"][symbol]
    base = capital["base_of"].get(symbol, capital["base"])
    quote = float(capital["quote"]) if is_first else 0.0
    return LegFacts(name, float(base), quote, float(instrument["contract_size"]))

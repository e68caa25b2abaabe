"""Age of the touch that a strategy sees, with and without fusing best bid and offer updates into the depth.

On a 10 ms grid of local time: now minus the venue time of the newest row that could have changed the touch.

    python benchmarks/touch_age.py [RECORDINGS]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hftbacktest.types import LOCAL_EVENT, TRADE_EVENT
from numpy.typing import NDArray
from samples import recordings_folder
from strategy_on_bots import ETH, example

from arb.commands.legs import instrument_of
from arb.config.adapters import load_adapter
from arb.data.catalog.days import Recording, find_recordings
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from connectors.model import Instrument, Rows, Venue

GRID_NS = 10_000_000


def ages_ms(rows: Rows) -> NDArray[np.float64]:
    """Ages on the grid, from the first row of the book to the last."""
    is_book = (rows["ev"] & np.uint64(LOCAL_EVENT) != 0) & (rows["ev"] & np.uint64(0xFF) != TRADE_EVENT)
    local_ts = rows["local_ts"][is_book]
    newest = np.maximum.accumulate(rows["exch_ts"][is_book])
    grid = np.arange(local_ts[0], local_ts[-1], GRID_NS)
    return (grid - newest[np.searchsorted(local_ts, grid, side="right") - 1]) / 1e6


def main() -> None:
    recordings = find_recordings(recordings_folder())
    for overrides in ((), ETH):
        config = example("spot_usdm", overrides)
        for leg in config.legs:
            days = [r for r in recordings if (r.venue, r.symbol) == (leg.venue, leg.symbol)][:1]
            for text, instrument in (("depth alone", None), ("fused", instrument_of(leg))):
                show(
                    f"{leg.name:<22} {text:<12}",
                    days,
                    load_adapter(config.venues[leg.venue]),
                    leg.feed_latency_ns,
                    instrument,
                )


def show(
    text: str, days: Sequence[Recording], venue: Venue, feed_latency_ns: int, instrument: Instrument | None
) -> None:
    """One line of percentiles."""
    files = convert([Feed(venue, days, feed_latency_ns, instrument)], RowCache()).files
    ages = ages_ms(np.concatenate(files[0][0].load(is_first=True)))
    p50, p95, p99 = np.percentile(ages, [50, 95, 99])
    print(f"{text} age of the touch: p50 {p50:6.1f} ms, p95 {p95:6.1f} ms, p99 {p99:6.1f} ms")


if __name__ == "__main__":
    main()

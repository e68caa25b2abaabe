"""Several venues of one run, of which one has clock faults: are the others' books fresh all the time?

One `ClockChaos` is one seed: two or three feeds that share an offset, a local clock that is right or behind, and one
venue whose clock jumps or that sends wrong stamps. Every 100 ms each book is looked at: it is fresh if its touch is
known and its newest row is neither old nor from the future, on a clock that differs from the true one by no more than
venues may.
"""

from __future__ import annotations

import random

from connectors.feed.clock_offset import AGREE_NS
from support.chaos import CLOCK_FAULTS, RECOVERY_NS, SIM_VENUES, TIMES, Chaos, LieError, Site
from support.sim_time import MS, S

#: By how much the local clock is behind the true time.
BEHIND_S = (0, 0, 0.1, 1.27, 300)
#: Until the offset is known, at the start.
START_NS = 5 * S
#: What a frame may take here, and the time until the next one.
LATE_NS_MAX = 800 * MS


class ClockChaos:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self._chance = chance = random.Random(seed)
        names = chance.sample(list(SIM_VENUES), chance.choice((1, 2)))
        #: The one whose clock goes wrong, with another venue beside it.
        self.wrong = wrong = Chaos(chance.randrange(1 << 30), names[0], symbols=1)
        self.timers, self.offset = wrong.timers, wrong.offset
        self.timers.skew_ns = -int(chance.choice(BEHIND_S) * S)
        self.others = [
            wrong.beside,
            *(
                Site(name, ["AAAUSDT"], self.timers, chance, read_ns=10 * MS, offset=self.offset)
                for name in names[1:]
            ),
        ]
        self.looks = 0
        self.timers.every(100 * MS, self._look)

    def run(self, span_ns: int = 60 * S, faults: tuple[str, ...] = CLOCK_FAULTS) -> None:
        """Lets time pass with clock faults at one venue. Raises LieError for a book that is not fresh."""
        self.start()
        end = self.timers.monotonic_ns() + span_ns
        while self.timers.monotonic_ns() < end:
            self.timers.run(int(self._chance.choice((0.3, 2, 10, 25)) * S))
            self.wrong.inject(self._chance.choice(faults))
        self.timers.run(int(25 * S) + RECOVERY_NS)

    def start(self) -> None:
        """Starts all feeds, and lets the time pass that they need."""
        for feed in (self.wrong.feed, *(other.feed for other in self.others)):
            feed.start()
        self.timers.run(START_NS)

    def _look(self) -> None:
        if self.timers.monotonic_ns() < START_NS:
            return
        looked = [*self.others, *([self.wrong] if self.wrong._is_quiet else [])]
        for of in looked:
            if why := self._fault_of(of):
                at_s = self.timers.monotonic_ns() / S
                names = f"{of.feed.venue.name} beside {self.wrong.venue}"
                raise LieError(f"{names} at {at_s:.1f} s: {why}")
        self.looks += len(looked)

    def _fault_of(self, of: Chaos | Site) -> str:
        """Why the book of a venue is not fresh; "" where it is."""
        if of.watch.check(0) is None:
            return f"its touch is not known ({of.feed.status(0).value})"
        exch_ts, local_ts = of.watch.newest[0]
        now = self.timers.true_ns()
        if local_ts - exch_ts > TIMES.stale_after_ns:
            return f"its newest row is {(local_ts - exch_ts) / S:.1f} s old on the run's clock"
        if not -LATE_NS_MAX <= local_ts - now <= AGREE_NS:
            return f"the run's clock is off by {(local_ts - now) / S:+.1f} s"
        return ""

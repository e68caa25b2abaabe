"""Estimates the live offset that is added to local times so that no venue time lies in the future. Pure, one thread.

Every frame with a venue time has a lead: its venue time minus its local time. If the venue's clock is right, the lead
never exceeds how far the local clock is behind, and most frames come close to that; a wrong timestamp, or a venue whose
clock jumps, exceeds it. So a lead changes the offset only when it is confirmed: by the largest leads of many bins of
100 ms, by responses of the venue's time endpoint if there are any, and, if it is large, by the other venues and the
local clock (`_agreed`). Unconfirmed leads are clamped to the local time (`connectors.book.timestamps`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from connectors.feed.lags import ClockSample
from connectors.net.interfaces import Timers
from connectors.units import MILLISECOND, SECOND

#: The lead of a venue is its largest confirmed lead in the last SLOTS slots of SLOT_NS.
SLOT_NS = 60 * SECOND
SLOTS = 10
#: Venue times with a larger lead are rejected.
LEAD_NS_MAX = 3600 * SECOND
#: Clocks that differ by no more than this agree; a timestamp that exceeds the offset by more is wrong.
AGREE_NS = 500 * MILLISECOND

#: The largest lead of each bin of BIN_NS with frames is kept for LEVEL_NS, for at most BINS_MAX bins.
BIN_NS = 100 * MILLISECOND
LEVEL_NS = 10 * SECOND
BINS_MAX = 100
#: Bins needed to confirm a lead; fewer if responses of the venue's time endpoint confirm it too.
BINS_MIN = 10
BINS_MIN_SAMPLED = 3
#: A confirmed lead exceeds the median of the bins by no more than this.
SLACK_NS = 250 * MILLISECOND
#: Time endpoint responses that are kept. Their median is used, so that a few from a period with a wrong clock have no
#: effect.
SAMPLES = 10
#: How long a lead shown by a single venue waits for venues that have sent nothing yet.
PATIENCE_NS = 10 * SECOND
#: A venue's timestamps are not judged until its lead is confirmed or this time has passed.
SETTLE_NS = 3 * SECOND

_NEVER = 2**63 - 1
#: Two clock reads count as simultaneous if no more time passed between them; otherwise the process was suspended.
_READ_NS_MAX = 5 * MILLISECOND
_READS = 3


class OffsetEstimator:
    """The clock offset of a run, shared by all its feeds. Each feed reports to its own `VenueLead`."""

    def __init__(self, offset_ns: int | None = None) -> None:
        """`offset_ns`: a fixed offset; nothing is estimated."""
        self.is_fixed = offset_ns is not None
        self.offset_ns = offset_ns or 0
        #: A frame with a larger lead may change the offset, or is wrong.
        self.lead_max = self.offset_ns + AGREE_NS if self.is_fixed else 0
        #: Leads of the feeds that were started.
        self._venues: list[VenueLead] = []
        self._patience_until = -1
        self._clocks: tuple[int, int] | None = None
        #: Rejected timestamps by "venue stream": number of messages, and the largest lead in ns.
        self.wrong_stamps: dict[str, tuple[int, int]] = {}
        #: How often the local clock was set, and the size of the last step.
        self.steps = 0
        self.last_step_ns = 0

    def begin(self, lead: VenueLead, timers: Timers) -> None:
        """Registers the feed of a venue and starts comparing the clocks."""
        if lead not in self._venues:
            self._venues.append(lead)
        self._clocks = _read(timers)

    def look(self, timers: Timers, step_ns: int) -> None:
        """Compares the local clock with the monotonic one: if their advances differ by more than `step_ns`, it was set.

        All stored leads are then shifted by the step, so that corrected times stay continuous.
        """
        clocks = _read(timers)
        if clocks is None:
            return
        before, self._clocks = self._clocks or clocks, clocks
        step = (clocks[1] - before[1]) - (clocks[0] - before[0])
        if abs(step) <= step_ns:
            return
        self.steps += 1
        self.last_step_ns = step
        for venue in self._venues:
            venue.shift(-step)
        self.update(clocks[0])

    def is_settled(self, now_ns: int) -> bool:
        """Whether every venue has a vote, or the waiting time for silent venues has passed."""
        return (
            self.is_fixed or now_ns >= self._patience_until or all(v.vote is not None for v in self._venues)
        )

    def update(self, now_ns: int) -> None:
        """Derives the offset from the venues' confirmed leads."""
        if self.is_fixed:
            return
        if self._patience_until < 0:
            self._patience_until = now_ns + PATIENCE_NS
        votes = [venue.vote for venue in self._venues]
        known = [vote for vote in votes if vote is not None]
        if now_ns < self._patience_until:
            # Until they send something, silent venues vote for a correct local clock.
            known += [0] * (len(votes) - len(known))
        most = _agreed(known) + AGREE_NS
        self.offset_ns = self.lead_max = max(
            [0, *(v.lead for v in self._venues if v.lead is not None and v.lead <= most)]
        )


def _agreed(votes: Sequence[int]) -> int:
    """How far the local clock is behind according to most clocks, itself included; 0 or one of the votes.

    On a tie, the smallest value supported by a venue: if all differ, nothing shows which venue is ahead, and a smaller
    offset makes no book look old.
    """

    def support(lead: int) -> tuple[int, bool, int]:
        venues = sum(abs(vote - lead) <= AGREE_NS for vote in votes)
        return venues + (lead <= AGREE_NS), venues > 0, -lead

    return max({0, *(vote for vote in votes if vote > 0)}, key=support)


class VenueLead:
    """The lead of one venue's timestamps over the local clock."""

    def __init__(self, common: OffsetEstimator) -> None:
        self._common = common
        #: (number of the bin, largest lead), oldest first.
        self._bins: deque[tuple[int, int]] = deque(maxlen=BINS_MAX)
        self._slots: deque[tuple[int, int]] = deque(maxlen=SLOTS)
        self._samples: deque[ClockSample] = deque(maxlen=SAMPLES)
        self._first_ns = -1
        #: The confirmed lead of the last SLOTS slots; None: not confirmed yet.
        self.lead: int | None = None
        #: Before this monotonic time, frames with a lead of at most `OffsetEstimator.lead_max` do not change the offset
        #: and need no `observe`.
        self.steady_until_ns = _NEVER if common.is_fixed else 0
        #: Such frames need a `note` if they arrive at or after this time, or if their lead exceeds `noted_lead`.
        self.noted_until_ns = _NEVER if common.is_fixed else 0
        self.noted_lead = _NEVER

    @property
    def vote(self) -> int | None:
        """Lower bound of how far the local clock is behind the venue's; None: not known."""
        sample = self._sample
        if sample is None:
            return self.lead
        least = sample.skew_ns - sample.error_ns
        return least if self.lead is None else max(self.lead, least)

    def is_settled(self, now_ns: int) -> bool:
        """Whether the offset is known well enough to call a timestamp ahead of it wrong."""
        is_known = self._common.is_fixed or self.lead is not None
        is_known = is_known or 0 <= self._first_ns <= now_ns - SETTLE_NS
        return is_known and self._common.is_settled(now_ns)

    def observe(self, lead: int, now_ns: int) -> None:
        """Adds the lead of a frame that may change the offset. Call it before the frame's rows are stamped."""
        if self._common.is_fixed:
            return
        is_new_bin = now_ns >= self.noted_until_ns
        self.note(lead, now_ns)
        is_due = now_ns >= self.steady_until_ns
        if is_due:
            self.steady_until_ns = (now_ns // SLOT_NS + 1) * SLOT_NS
            self._expire(now_ns)
        if lead > self._common.offset_ns and self._confirm([lead], now_ns):
            is_due = True
        # Another venue may have confirmed this lead in the meantime.
        if is_due or (is_new_bin and lead > self._common.offset_ns):
            self._common.update(now_ns)

    def note(self, lead: int, now_ns: int) -> None:
        """Records the largest lead of one or several frames. Does not change the offset."""
        if self._first_ns < 0:
            self._first_ns = now_ns
        number = now_ns // BIN_NS
        if self._bins and self._bins[-1][0] == number:
            self.noted_lead = max(lead, self.noted_lead)
            self._bins[-1] = (number, self.noted_lead)
            return
        if self._bins:
            self._confirm([self._bins[-1][1]], now_ns)
        oldest = number - LEVEL_NS // BIN_NS
        while len(self._bins) > BINS_MIN and self._bins[0][0] <= oldest:
            self._bins.popleft()
        self._bins.append((number, lead))
        self.noted_lead = lead
        self.noted_until_ns = (number + 1) * BIN_NS

    def sample(self, sample: ClockSample, now_ns: int) -> None:
        """Adds a response of the venue's time endpoint."""
        self._samples.append(sample)
        if self.lead is not None and self.lead > self._lead_max:
            self._slots = deque(
                ((slot, lead) for slot, lead in self._slots if lead <= self._lead_max), maxlen=SLOTS
            )
            self._expire(now_ns)
        self._common.update(now_ns)

    def shift(self, by_ns: int) -> None:
        """Adds `by_ns` to all leads: the local clock was set back by as much."""
        self._bins = deque(((number, lead + by_ns) for number, lead in self._bins), maxlen=BINS_MAX)
        self._slots = deque(((slot, lead + by_ns) for slot, lead in self._slots), maxlen=SLOTS)
        self._samples = deque(
            (ClockSample(skew + by_ns, error) for skew, error in self._samples), maxlen=SAMPLES
        )
        if not self._common.is_fixed:
            self.noted_lead += by_ns if self._bins else 0
        if self.lead is not None:
            self.lead += by_ns

    @property
    def _sample(self) -> ClockSample | None:
        """The median of the time endpoint's responses; the lower one of two."""
        return sorted(self._samples)[(len(self._samples) - 1) // 2] if self._samples else None

    @property
    def _lead_max(self) -> int:
        """The largest lead that the time endpoint's responses allow; a clock may drift between two of them."""
        sample = self._sample
        return LEAD_NS_MAX if sample is None else min(LEAD_NS_MAX, sum(sample) + AGREE_NS)

    def _confirm(self, leads: list[int], now_ns: int) -> bool:
        """Keeps the largest lead confirmed by the bins, of `leads`, or of all bins at first. False if none."""
        count = len(self._bins)
        if count < (BINS_MIN_SAMPLED if self._samples else BINS_MIN):
            return False
        known = sorted(lead for _, lead in self._bins)
        most = min(known[(count - 1) // 2] + SLACK_NS, self._lead_max)
        confirmed = max(
            (lead for lead in (known if self.lead is None else leads) if lead <= most), default=None
        )
        if confirmed is None:
            return False
        self._keep(confirmed, now_ns)
        return True

    def _keep(self, lead: int, now_ns: int) -> None:
        slot = now_ns // SLOT_NS
        if self._slots and self._slots[-1][0] == slot:
            self._slots[-1] = (slot, max(lead, self._slots[-1][1]))
        else:
            self._slots.append((slot, lead))
        self._expire(now_ns)

    def _expire(self, now_ns: int) -> None:
        """Drops expired slots, but keeps the last one."""
        slot = now_ns // SLOT_NS
        while len(self._slots) > 1 and self._slots[0][0] <= slot - SLOTS:
            self._slots.popleft()
        self.lead = max((lead for _, lead in self._slots), default=None)


def _read(timers: Timers) -> tuple[int, int] | None:
    """Reads the monotonic and the local clock at one moment; None if the process was suspended in between."""
    for _ in range(_READS):
        before = timers.monotonic_ns()
        wall = timers.time_ns()
        if timers.monotonic_ns() - before <= _READ_NS_MAX:
            return before, wall
    return None

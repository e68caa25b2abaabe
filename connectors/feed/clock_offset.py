"""The offset of the local clock to the venues' while data flow: what is added to local times so that no row comes
from the future. Pure; time is passed in; one thread.

Every frame with a venue time shows a lead: its venue time minus its local time. The lead of a right clock never
exceeds how far the local clock is behind, and most frames come close to it; a wrong stamp, or a venue whose clock
jumps, exceeds it. So a lead moves the offset only when it is confirmed: by the largest leads of many tenths of a
second, by the venue's own answers about its time where there are any, and, if it is large, by the other venues and
the local clock (`_agreed`). What is not confirmed is clamped to the local time (`connectors.book.timestamps`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from connectors.feed.lags import ClockSample
from connectors.net.interfaces import Timers

_S = 1_000_000_000
_MS = 1_000_000

#: The lead of a venue is the largest confirmed one of the last SLOTS spans of SLOT_NS.
SLOT_NS = 60 * _S
SLOTS = 10
#: A venue time that is farther ahead is not believed.
LEAD_NS_MAX = 3600 * _S
#: Clocks that differ by no more than this agree; more than this ahead of the offset, a stamp is wrong.
AGREE_NS = 500 * _MS

#: The largest lead of each BIN_NS with frames is kept, for LEVEL_NS and of BINS_MAX at most.
BIN_NS = 100 * _MS
LEVEL_NS = 10 * _S
BINS_MAX = 100
#: So many of them confirm a lead; fewer where the venue's own answers confirm it too.
BINS_MIN = 10
BINS_MIN_SAMPLED = 3
#: A confirmed lead exceeds their median by no more than this.
SLACK_NS = 250 * _MS
#: Answers about the venue's time that are kept; their median counts, so that those from a time when its clock was
#: wrong are outvoted by those from before.
SAMPLES = 10
#: For so long a lead that only one venue shows waits for venues that sent nothing yet.
PATIENCE_NS = 10 * _S
#: A venue's stamps are not judged before its lead is confirmed, or for so long.
SETTLE_NS = 3 * _S

_NEVER = 2**63 - 1
#: The two clocks count as read in the same moment if no more passed meanwhile: else the process stood still.
_READ_NS_MAX = 5 * _MS
_READS = 3


class OffsetEstimator:
    """The offset of a run, shared by all of its feeds. Each feed reports to a `VenueLead` of its own."""

    def __init__(self, offset_ns: int | None = None) -> None:
        """`offset_ns`: it is known, and nothing is estimated."""
        self.is_fixed = offset_ns is not None
        self.offset_ns = offset_ns or 0
        #: A frame that leads by more may change the offset, or is wrong.
        self.lead_max = self.offset_ns + AGREE_NS if self.is_fixed else 0
        #: Of the feeds that have begun.
        self._venues: list[VenueLead] = []
        self._patience_until = -1
        self._clocks: tuple[int, int] | None = None
        #: Stamps that are not believed, by venue and stream: how many messages, and the largest lead in ns.
        self.wrong_stamps: dict[str, tuple[int, int]] = {}
        #: How often the local clock was set, and by how much the last time.
        self.steps = 0
        self.last_step_ns = 0

    def begin(self, lead: VenueLead, timers: Timers) -> None:
        """The feed of a venue begins; the clocks are compared from here on."""
        if lead not in self._venues:
            self._venues.append(lead)
        self._clocks = _read(timers)

    def look(self, timers: Timers, step_ns: int) -> None:
        """Compares the local clock with the monotonic one: if it moved by `step_ns` more or less, it was set.

        The evidence is then moved by as much, so that times on the venues' clock go on as before.
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
        """Whether no venue that is still silent could change the offset."""
        return (
            self.is_fixed or now_ns >= self._patience_until or all(v.vote is not None for v in self._venues)
        )

    def update(self, now_ns: int) -> None:
        """Derives the offset from what the venues have confirmed."""
        if self.is_fixed:
            return
        if self._patience_until < 0:
            self._patience_until = now_ns + PATIENCE_NS
        votes = [venue.vote for venue in self._venues]
        known = [vote for vote in votes if vote is not None]
        if now_ns < self._patience_until:
            # Until they send something, silent venues count as if the local clock were right.
            known += [0] * (len(votes) - len(known))
        most = _agreed(known) + AGREE_NS
        self.offset_ns = self.lead_max = max(
            [0, *(v.lead for v in self._venues if v.lead is not None and v.lead <= most)]
        )


def _agreed(votes: Sequence[int]) -> int:
    """By how much the local clock is behind according to most clocks, itself included; 0 or one of the votes.

    Of several answers with as many clocks that agree, the least that any venue supports: where all differ, a venue
    that is ahead of another one cannot be distinguished from it, and a smaller offset makes no book look old.
    """

    def support(lead: int) -> tuple[int, bool, int]:
        venues = sum(abs(vote - lead) <= AGREE_NS for vote in votes)
        return venues + (lead <= AGREE_NS), venues > 0, -lead

    return max({0, *(vote for vote in votes if vote > 0)}, key=support)


class VenueLead:
    """What the stamps of one venue say of the local clock."""

    def __init__(self, common: OffsetEstimator) -> None:
        self._common = common
        #: (number of the bin, largest lead), oldest first.
        self._bins: deque[tuple[int, int]] = deque(maxlen=BINS_MAX)
        self._slots: deque[tuple[int, int]] = deque(maxlen=SLOTS)
        self._samples: deque[ClockSample] = deque(maxlen=SAMPLES)
        self._first_ns = -1
        #: The confirmed lead of the last minutes; None: none is.
        self.lead: int | None = None
        #: Before this monotonic time, frames that lead by `OffsetEstimator.lead_max` or less leave the offset as it
        #: is, and need no `observe`.
        self.steady_until_ns = _NEVER if common.is_fixed else 0
        #: Such frames are for `note` if they come later than this, or lead by more.
        self.noted_until_ns = _NEVER if common.is_fixed else 0
        self.noted_lead = _NEVER

    @property
    def vote(self) -> int | None:
        """How far the local clock is behind this venue's, at least; None: not known."""
        sample = self._sample
        if sample is None:
            return self.lead
        least = sample.skew_ns - sample.error_ns
        return least if self.lead is None else max(self.lead, least)

    def is_settled(self, now_ns: int) -> bool:
        """Whether a stamp that is ahead of the offset is wrong; before, the offset may not be known yet."""
        is_known = self._common.is_fixed or self.lead is not None
        is_known = is_known or 0 <= self._first_ns <= now_ns - SETTLE_NS
        return is_known and self._common.is_settled(now_ns)

    def observe(self, lead: int, now_ns: int) -> None:
        """The lead of a frame that may change the offset. Before its rows are stamped."""
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
        # Another venue may have confirmed meanwhile what this one leads by.
        if is_due or (is_new_bin and lead > self._common.offset_ns):
            self._common.update(now_ns)

    def note(self, lead: int, now_ns: int) -> None:
        """The largest lead of one or several frames, as evidence. The offset stays as it is."""
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
        """The venue's own answer about its time."""
        self._samples.append(sample)
        if self.lead is not None and self.lead > self._lead_max:
            self._slots = deque(
                ((slot, lead) for slot, lead in self._slots if lead <= self._lead_max), maxlen=SLOTS
            )
            self._expire(now_ns)
        self._common.update(now_ns)

    def shift(self, by_ns: int) -> None:
        """All leads are larger by this from here on: the local clock was set back by as much."""
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
        """The median of the venue's answers, of two the lower one."""
        return sorted(self._samples)[(len(self._samples) - 1) // 2] if self._samples else None

    @property
    def _lead_max(self) -> int:
        """What the venue's own answers allow; a clock may drift between two of them."""
        sample = self._sample
        return LEAD_NS_MAX if sample is None else min(LEAD_NS_MAX, sum(sample) + AGREE_NS)

    def _confirm(self, leads: list[int], now_ns: int) -> bool:
        """Keeps the largest of `leads`, at first of all that are known, that the others confirm. False for none."""
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
        """Forgets what is too old, unless it is all that is known."""
        slot = now_ns // SLOT_NS
        while len(self._slots) > 1 and self._slots[0][0] <= slot - SLOTS:
            self._slots.popleft()
        self.lead = max((lead for _, lead in self._slots), default=None)


def _read(timers: Timers) -> tuple[int, int] | None:
    """The monotonic and the local clock of one moment; None where the process was held up each time between them."""
    for _ in range(_READS):
        before = timers.monotonic_ns()
        wall = timers.time_ns()
        if timers.monotonic_ns() - before <= _READ_NS_MAX:
            return before, wall
    return None

"""Measures how far a recording's clock is behind the venue's: the largest lead of its venue times. Pure.

The offset of a run is the largest lead of all its recordings (`connectors.book.timestamps`), so one wrong timestamp
would shift all rows of all venues. A timestamp is refuted by a later message of its stream with an earlier venue time,
since the venue's clock had not reached it; all others since the lead jumped up are refuted with it. A timestamp
followed by nearly no message of its stream is not confirmed. Funding data is left out: the offset of a run does not
depend on whether it was recorded. Refuted and unconfirmed timestamps are left out and
counted if their lead exceeds all others by AGREE_NS. Correct timestamps never step back that far, so this rule does not
change their largest lead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.feed.clock_offset import AGREE_NS
from connectors.jit.compilation import compiled
from connectors.model import Kind, Messages, Rows

#: Later messages of the same stream without a refutation that confirm a lead.
CONFIRMING_MESSAGES = 10
#: Leads kept per stream, each larger and with a later venue time than the one before; when full, the older half is
#: dropped.
_KEPT_MAX = 1024
#: Refuted entries kept per stream; further ones are merged into the last.
_REFUTED_MAX = 64

_NEVER = -(1 << 62)

# Fields of a kept lead: venue time, lead, number of its message in the stream, local time, messages with a similar
# lead.
_EXCH_TS, _LEAD, _NUMBER, _LOCAL_TS, _COUNT, _FIELDS = range(6)
# State of a stream: number of leads kept, of refuted entries, of messages with a venue time; newest venue time, last
# lead, number of the message at which the lead last jumped up, lead before that.
_KEPT, _REFUTED, _MESSAGES, _NEWEST, _LAST_LEAD, _JUMPED, _LEAD_BEFORE, _STATE_FIELDS = range(8)


class WrongStamps(NamedTuple):
    """Rejected timestamps of a stream: number of messages, their largest lead, local time of the first."""

    kind: Kind
    messages: int
    lead_ns: int
    local_ts: int

    @property
    def stream(self) -> str:
        """The stream's name in messages to the user."""
        return "depth" if self.kind == Kind.DELTA else self.kind.name.lower()


class LeadFinder:
    """Tracks the leads of one recording's messages, in the order of receipt."""

    def __init__(self) -> None:
        self._state = np.zeros((len(Kind), _STATE_FIELDS), np.int64)
        self._kept = np.zeros((len(Kind), _KEPT_MAX, _FIELDS), np.int64)
        self._refuted = np.zeros((len(Kind), _REFUTED_MAX, _FIELDS), np.int64)

    def receive(self, rows: Rows, messages: Messages) -> None:
        """Adds decoded messages with their rows, before `BookSync`."""
        _receive(rows, messages, self._state, self._kept, self._refuted)

    @property
    def lead_ns(self) -> int | None:
        """The largest venue time minus local time; None if no message has a venue time."""
        return self._result()[0]

    @property
    def wrong(self) -> list[WrongStamps]:
        """The timestamps that were left out, one entry per stream."""
        return self._result()[1]

    def _result(self) -> tuple[int | None, list[WrongStamps]]:
        believed: list[int] = []
        doubted: list[tuple[Kind, NDArray[np.int64]]] = []
        for kind in Kind:
            kept, refuted, messages = (int(n) for n in self._state[kind, :_NEWEST])
            doubted += [(kind, entry) for entry in self._refuted[kind, :refuted]]
            for entry in self._kept[kind, :kept]:
                if messages - entry[_NUMBER] > CONFIRMING_MESSAGES:
                    believed.append(int(entry[_LEAD]))
                else:
                    doubted.append((kind, entry))
        if not believed:  # too short to judge
            return max((int(entry[_LEAD]) for _, entry in doubted), default=None), []
        most = max(believed) + AGREE_NS
        lead = max(believed + [int(entry[_LEAD]) for _, entry in doubted if entry[_LEAD] <= most])
        wrong: dict[Kind, WrongStamps] = {}
        for kind, entry in doubted:
            if entry[_LEAD] > most:
                found = WrongStamps(kind, int(entry[_COUNT]), int(entry[_LEAD]), int(entry[_LOCAL_TS]))
                known = wrong.get(kind, found._replace(messages=0))
                wrong[kind] = WrongStamps(
                    kind,
                    known.messages + found.messages,
                    max(known.lead_ns, found.lead_ns),
                    min(known.local_ts, found.local_ts),
                )
        return lead, list(wrong.values())


@compiled
def _receive(rows, messages, state, kept, refuted):
    for m in range(len(messages)):
        message = messages[m]
        kind = message.kind
        if kind == Kind.FUNDING:
            continue
        last_exch = last_local = np.int64(0)
        # The rows of a message share one time, except for trades that were sent together.
        is_trade = kind == Kind.TRADE or kind == Kind.AGG_TRADE
        end = message.row_end if is_trade else min(message.row_start + 1, message.row_end)
        for r in range(message.row_start, end):
            exch_ts, local_ts = rows[r].exch_ts, rows[r].local_ts
            if exch_ts <= 0 or (exch_ts == last_exch and local_ts == last_local):
                continue
            last_exch, last_local = exch_ts, local_ts
            lead, newest = exch_ts - local_ts, state[kind, _NEWEST]
            last = state[kind, _KEPT] - 1
            if (
                last >= 0
                and lead <= kept[kind, last, _LEAD]
                and lead <= state[kind, _LAST_LEAD] + AGREE_NS
                and newest <= exch_ts + AGREE_NS
            ):
                # As in `_receive_stamp`. Most timestamps change no lead, and calls take longer than this.
                state[kind, _MESSAGES] += 1
                state[kind, _LAST_LEAD] = lead
                state[kind, _NEWEST] = max(newest, exch_ts)
                kept[kind, last, _COUNT] += lead > kept[kind, last, _LEAD] - AGREE_NS
            else:
                _receive_stamp(exch_ts, local_ts, state[kind], kept[kind], refuted[kind])


@compiled
def _receive_stamp(exch_ts, local_ts, state, kept, refuted):
    lead, count = exch_ts - local_ts, state[_KEPT]
    state[_MESSAGES] += 1
    if state[_MESSAGES] == 1:
        state[_LEAD_BEFORE] = _NEVER
    elif lead > state[_LAST_LEAD] + AGREE_NS:
        state[_JUMPED], state[_LEAD_BEFORE] = state[_MESSAGES], state[_LAST_LEAD]
    state[_LAST_LEAD] = lead
    if state[_NEWEST] > exch_ts + AGREE_NS:
        # If the lead is back to what it was before the jump, all timestamps since the jump were wrong.
        first = state[_JUMPED] if lead <= state[_LEAD_BEFORE] + AGREE_NS else state[_MESSAGES]
        while count > 0 and (
            kept[count - 1, _EXCH_TS] > exch_ts + AGREE_NS or kept[count - 1, _NUMBER] >= first
        ):
            count -= 1
            _refute(kept[count], state, refuted)
        state[_NEWEST] = exch_ts
    state[_NEWEST] = max(state[_NEWEST], exch_ts)
    if count > 0 and lead <= kept[count - 1, _LEAD]:
        if lead > kept[count - 1, _LEAD] - AGREE_NS:
            kept[count - 1, _COUNT] += 1
    else:
        if count == _KEPT_MAX:
            half = _KEPT_MAX // 2
            _move_down(kept, half)
            count = half
        kept[count, _EXCH_TS], kept[count, _LEAD], kept[count, _NUMBER] = exch_ts, lead, state[_MESSAGES]
        kept[count, _LOCAL_TS], kept[count, _COUNT] = local_ts, 1
        count += 1
    state[_KEPT] = count


# Loops: the compilation of an assignment to a part of an array takes seconds, for the text of its error.
@compiled
def _move_down(kept, half):
    """Drops the first `half` of the leads kept."""
    for n in range(half):
        _copy(kept[half + n], kept[n])


@compiled
def _copy(entry, to):
    for field in range(_FIELDS):
        to[field] = entry[field]


@compiled
def _refute(entry, state, refuted):
    """Adds a lead to the refuted entries."""
    if state[_REFUTED] < _REFUTED_MAX:
        _copy(entry, refuted[state[_REFUTED]])
        state[_REFUTED] += 1
        return
    last = refuted[_REFUTED_MAX - 1]
    last[_LEAD] = max(last[_LEAD], entry[_LEAD])
    last[_COUNT] += entry[_COUNT]

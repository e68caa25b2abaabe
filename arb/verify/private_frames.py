"""Derives a session's orders and answers again from its private frames, by feeding them to new desks.

Everything that a desk was given is a line of the log, in order, so what it sent and answered follows. Keys and
signatures are blanked in the log; the new desks sign with blanks. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.errors import InputError
from arb.execution.answers import FundingAnswer, bounded, funding_row, request_of
from arb.execution.bot_orders import BotOrders
from arb.execution.desk_wires import Outputs
from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from arb.results.evidence import as_json
from arb.runtime.live_files import OrderRecords
from arb.runtime.order_lines import rest_text
from arb.runtime.order_records import OrderLog
from arb.runtime.private_log import Mark, PrivateLine
from arb.verify.order_messages import CheckedStates
from arb.verify.reconcile import Difference
from connectors.orders.blanking import blanked
from connectors.orders.model import Channel, Instrument, WireRequest
from connectors.trade.interfaces import LineEvent, Sent

#: Most differences that are listed of one kind: later ones follow from the first.
_SHOWN = 3
#: What may follow the number of a request that was sent.
_MARKS: tuple[list[str], ...] = ([], ["reduces"], ["corrected"], ["reduces", "corrected"])
_EVENTS = {event.name.lower(): event for event in LineEvent}


class DerivedOrders(NamedTuple):
    """What follows from the private frames of a session. records: without `taken_ns` of the requests."""

    records: OrderRecords
    differences: list[Difference]
    frames: int
    orders: int


def derive_orders(
    lines: Mapping[str, Iterable[PrivateLine]],
    desks: Mapping[str, VenueDesk],
    legs: Sequence[Leg],
    instruments: Sequence[Instrument],
    recorded: OrderRecords,
    error: str,
) -> DerivedOrders:
    """Feeds the lines, by venue, to the desks. recorded: the session's own, whose requests are inputs. error: that
    ended the session, or "".

    Raises InputError for a line that no session writes.
    """
    found: list[Difference] = []
    log = OrderLog()
    frames = 0
    for venue, own in lines.items():
        replay = _Replay(venue, desks[venue], legs, instruments, recorded, log, error)
        for line in own:
            frames += line.mark in (Mark.RECEIVED, Mark.SENT)
            replay.line(line)
        found += replay.finish()
    fills = np.zeros(0, [("asset_no", "i8")])
    records = log.records(fills, desks)
    orders = len(records.states)
    if (np.diff(recorded.responses["received_ns"]) < 0).any():
        found.append(Difference("answer", "order of the rows", 0, "other", "by time"))
    found += _row_differences("order", "request_no", recorded.states, records.states)
    found += _row_differences("execution", "id", recorded.executions, records.executions)
    found += _fact_differences(as_json(recorded.facts), as_json(records.facts))
    return DerivedOrders(records, found, frames, orders)


class _Replay:
    """One venue's desk, fed with its lines."""

    def __init__(
        self,
        venue: str,
        desk: VenueDesk,
        legs: Sequence[Leg],
        instruments: Sequence[Instrument],
        recorded: OrderRecords,
        log: OrderLog,
        error: str,
    ) -> None:
        self._venue = venue
        self._error = error
        self._desk = desk
        self._log = log
        self._orders = BotOrders(legs)
        self._instruments = instruments
        self._numbers = {no for no, leg in enumerate(legs) if leg.venue == venue}
        self._legs = legs
        self._requests = {
            (int(row["leg"]), int(row["row"]["request_no"])): row
            for row in recorded.requests
            if int(row["leg"]) in self._numbers
        }
        self._responses = [row for row in recorded.responses if int(row["leg"]) in self._numbers]
        self._answered = 0
        #: Wire requests that the desk made and of which no line says yet what became of them.
        self._wires: dict[str, WireRequest] = {}
        self._sent = ""
        #: When `on_tick` was due, by the outputs since the last tick.
        self._dues: set[int] = set()
        self._differences: dict[str, list[Difference]] = {}

    def line(self, line: PrivateLine) -> None:
        ts, mark, where, text, _ = line
        match mark:
            case Mark.REQUEST:
                self._request(ts, text)
            case Mark.RECEIVED if where.startswith("r"):
                self._rest(ts, text)
            case Mark.RECEIVED:
                frame = text.encode(errors="surrogateescape")
                self._follow(self._desk.on_frame(where, frame, ts), ts)
            case Mark.EVENT:
                self._event(line)
            case Mark.TICK:
                self._tick(ts, text)
            case Mark.SENT:
                if self._sent:
                    self._differ(
                        "wire", f"{where} {self._sent[:60]}", ts, "on the wire", "not reported as sent"
                    )
                self._sent = text
            case _:
                pass  # a line's own: no input of the desk

    def finish(self) -> list[Difference]:
        """The differences, after the last line."""
        orders = self._desk.orders
        for one in orders.contrary() if isinstance(orders, CheckedStates) else ():
            self._differ("message", f"{self._venue} {one.client_id}", one.at, one.said, one.known)
        for wire_id in self._wires:
            self._differ("wire", f"request {wire_id}", 0, "none", "sent")
        for leg, number in sorted(
            key for key, row in self._requests.items() if row["is_sent"] or row["taken_ns"]
        ):
            self._differ("request", f"request {leg} {number}", 0, "taken", "not in the private log")
        if self._sent:
            self._differ("wire", self._sent[:60], 0, "on the wire", "not reported as sent")
        if self._answered != len(self._responses):
            count = str(len(self._responses))
            self._differ("answer", f"{self._venue} how many", 0, count, str(self._answered))
        return [one for own in self._differences.values() for one in own[:_SHOWN]]

    def _request(self, ts: int, text: str) -> None:
        if text == "end":
            self._follow(self._desk.on_end(ts), ts)
            return
        if text == "stopped":
            self._follow(self._desk.on_stopped(ts), ts)
            return
        if text.startswith("pull"):
            legs = [int(word) for word in text.split(" ")[1:] if word.isascii() and word.isdigit()]
            if text != " ".join(["pull", *map(str, legs)]):
                raise InputError(f"private/{self._venue}.gz: no legs: {text[:60]!r}")
            self._follow(self._desk.on_pull(legs, ts), ts)
            return
        words = text.split(" ", 4)
        row = None
        if len(words) in (3, 4, 5) and words[0] == "request" and words[1].isdigit() and words[2].isdigit():
            row = self._requests.pop((int(words[1]), int(words[2])), None)
        is_refused = len(words) == 5 and words[3] == "refused"
        refused = words[4] if is_refused else ""
        marks = [] if is_refused else words[3:]
        if marks not in _MARKS:
            row = None
        if row is None:
            self._differ("request", text[:60], ts, "in the private log", "not in the session's requests")
            return
        leg = int(row["leg"])
        if int(row["taken_ns"]) != ts:
            self._differ("request", f"{text} time", ts, str(int(row["taken_ns"])), str(ts))
        try:
            copied = row["row"].tobytes()
            asked = request_of(copied, self._legs[leg].lot_size)
            self._orders.note(leg, asked, copied)
            asked = asked._replace(
                reduces="reduces" in marks, has_venue_time="corrected" in marks, attempt=int(row["attempt"])
            )
            if row["bound"]:
                asked = bounded(asked, int(row["bound"]))
        except (KeyError, ValueError, OverflowError) as error:
            raise InputError(f"orders.npz: {text} is none of a strategy: {error!r}") from None
        self._follow(self._desk.on_request(leg, asked, ts, refused=refused), ts)

    def _tick(self, ts: int, text: str) -> None:
        if not (text.isascii() and text.isdigit()):
            raise InputError(f"private/{self._venue}.gz: no time: {text[:60]!r}")
        if int(text) not in self._dues or ts < int(text):
            dues = ", ".join(map(str, sorted(self._dues)[:3]))
            self._differ("time", f"{self._venue} due", ts, text, dues or "none")
        self._dues.clear()
        self._follow(self._desk.on_tick(ts), ts)

    def _rest(self, ts: int, text: str) -> None:
        words = text.split(" ", 4)
        try:
            wire_id, status, retry_ns, was_sent = words[0], int(words[1]), int(words[2]), words[3] == "1"
        except (IndexError, ValueError):
            raise InputError(f"private/{self._venue}.gz: no REST answer: {text[:60]!r}") from None
        body = words[4].encode(errors="surrogateescape") if len(words) == 5 else b""
        self._follow(self._desk.on_rest(wire_id, status, body, retry_ns, was_sent, ts), ts)

    def _event(self, line: PrivateLine) -> None:
        word, _, rest = line.text.partition(" ")
        if word in ("sent", "unsent"):
            self._wire(rest, word == "sent", line)
        elif word in _EVENTS:
            self._follow(self._desk.on_line(line.where, _EVENTS[word], rest, line.ts), line.ts)
        elif word != "kept":
            raise InputError(f"private/{self._venue}.gz: no event of a line: {line.text[:60]!r}")

    def _wire(self, wire_id: str, is_sent: bool, line: PrivateLine) -> None:
        """What became of a wire request; what was sent is compared with what the desk made."""
        made, sent, self._sent = self._wires.pop(wire_id, None), self._sent, ""
        now = "none" if made is None else blanked(_text_of(made))
        then = sent if is_sent else now
        if made is None or then != now:
            self._differ("wire", f"request {wire_id}", line.ts, then[:200], now[:200])
        outcome = Sent(is_sent, line.where if is_sent else "")
        self._follow(self._desk.on_sent(wire_id, outcome, line.ts), line.ts)

    def _follow(self, outputs: Outputs, ts: int) -> None:
        for event, what in outputs.events:
            if event == "broken" and what not in self._error:
                self._differ("order", f"{self._venue} {what}", ts, "possible", "not possible")
        for answer in outputs.answers:
            place = self._answered
            self._answered += 1
            if place >= len(self._responses):
                continue
            recorded = self._responses[place]
            execution = None
            if isinstance(answer, FundingAnswer):
                row = _funding_row(answer, recorded["row"])
            else:
                row = self._orders.row_of(
                    answer, self._instruments[answer.leg], float(recorded["row"]["fee_price"])
                )
                state = self._desk.orders.of(answer.leg, answer.order_id)
                if answer.fill_lots and state is not None:
                    execution = state.executions[answer.execution_id]
            self._log.response(answer.leg, answer.received_ns, row, execution)
            self._compare(recorded, answer.leg, answer.received_ns, row[0], ts)
        self._wires |= {wire.wire_id: wire for wire in outputs.wires}
        self._dues.add(outputs.due_ns)

    def _compare(self, recorded: Any, leg: int, received_ns: int, row: Any, ts: int) -> None:
        where = f"{self._legs[leg].name} order {int(row['order_id'])} request {int(row['request_no'])}"
        if int(recorded["leg"]) != leg:
            self._differ("answer", where, ts, f"leg {int(recorded['leg'])}", f"leg {leg}")
        elif recorded["row"].tobytes() != row.tobytes():
            names = [
                name for name in row.dtype.names if recorded["row"][name].tobytes() != row[name].tobytes()
            ]
            for name in names:
                self._differ("answer", f"{where} {name}", ts, str(recorded["row"][name]), str(row[name]))
        if int(recorded["received_ns"]) != received_ns:
            self._differ("answer", f"{where} time", ts, str(int(recorded["received_ns"])), str(received_ns))

    def _differ(self, what: str, where: str, ts: int, then: str, now: str) -> None:
        self._differences.setdefault(what, []).append(Difference(what, where, ts, then, now))


def _funding_row(answer: FundingAnswer, recorded: Any) -> Any:
    """The row of a payment. Mark price and rate that the venue did not say are those of market data."""
    mark = float(recorded["tick_size"]) if answer.mark != answer.mark else answer.mark
    rate = float(recorded["leaves_qty"]) if answer.rate != answer.rate else answer.rate
    return funding_row(answer._replace(mark=mark, rate=rate))


def _text_of(wire: WireRequest) -> str:
    return wire.text if wire.channel is Channel.SOCKET else rest_text(wire)


def _row_differences(what: str, id_name: str, then: Any, now: Any) -> list[Difference]:
    """Of orders or executions in their order; their places in the log of fills are not known here."""
    names = [name for name in now.dtype.names if name != "fill_no"]
    left, right = (list(map(str, rows[names])) for rows in (then, now))
    places = [no for no, (one, other) in enumerate(zip(left, right, strict=False)) if one != other]
    found = [
        Difference(
            what,
            f"leg {int(then[no]['leg'])} {id_name} {_word(then[no][id_name])}",
            0,
            left[no],
            right[no],
        )
        for no in places[:_SHOWN]
    ]
    if len(left) != len(right):
        found.append(Difference(what, "how many", 0, str(len(left)), str(len(right))))
    return found


def _fact_differences(then: Any, now: Any, where: str = "facts.json") -> list[Difference]:
    """Of the facts, by their place in the file."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            one
            for name in sorted({*then, *now})
            for one in _fact_differences(then.get(name, "none"), now.get(name, "none"), f"{where} {name}")
        ]
    left, right = json.dumps(then), json.dumps(now)  # 1 is not true
    return [] if left == right else [Difference("fact", where, 0, left[:200], right[:200])]


def _word(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

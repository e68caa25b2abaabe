"""Checks that the private lines of a venue are whole and in order: their numbers, times and connections. Pure.

What they say is derived again by `arb.verify.private_frames`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from arb.runtime.private_log import Mark, PrivateLine, kept_line
from arb.verify.reconcile import Difference

#: Most differences that are listed: later ones follow from the first.
_SHOWN = 3
_NOWHERE = "-"
#: What may follow an event of a websocket.
_NEXT = {
    "": ("connecting",),
    "connecting": ("open", "lost"),
    "open": ("up", "lost"),
    "up": ("retiring", "lost"),
    "retiring": ("lost",),
    "lost": (),
}
#: The id of a request on a websocket, in it and in its answer.
_ID = re.compile(r'"(?:id|reqId|req_id)"\s*:\s*"([^"]*)"')
#: Between these events a websocket passes frames on; otherwise they are its own.
_PASSES_ON = ("up", "retiring")


def line_differences(venue: str, lines: Iterable[PrivateLine], count: int | None) -> list[Difference]:
    """The first differences. count: number of lines that the session counted; None if it did not."""
    check = _Check(venue)
    for line in lines:
        check.line(line)
        if len(check.found) >= _SHOWN:
            return check.found
    if count is not None and check.count != count:
        check.differ(check.now, "lines", str(count), str(check.count))
    return check.found


class _Check:
    """The state after some lines."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self.found: list[Difference] = []
        self.count = 0
        #: Time of the last input.
        self.now = 0
        #: Of what was sent and is not reported as sent yet: where.
        self._sent = ""
        self._kept = 0
        #: Last event of each websocket; the number of the last one of each kind, and of the last REST request.
        self._events: dict[str, str] = {}
        self._numbers = {"t": 0, "u": 0, "r": 0}
        #: REST requests without an answer: the wire id, "" of a connection's own.
        self._asked: dict[str, str] = {}
        #: Ids of the requests on each websocket.
        self._ids: dict[str, set[str]] = {}

    def differ(self, ts: int, what: str, then: str, now: str) -> None:
        self.found.append(Difference("private", f"{self._venue} {what}", ts, then, now))

    def line(self, line: PrivateLine) -> None:
        self.count += 1
        if line.number != self.count:
            self.differ(line.ts, "number of a line", str(line.number), str(self.count))
            self.count = line.number
        word, _, rest = line.text.partition(" ")
        is_note = line.mark == Mark.EVENT and word in ("sent", "unsent", "kept")
        is_own = line.mark in (Mark.OWN_SENT, Mark.OWN_RECEIVED)
        if line.mark == Mark.SENT or is_note:
            if line.ts != self.now:
                self.differ(line.ts, f"time of line {line.number}", str(line.ts), str(self.now))
        elif line.ts < self.now:
            self.differ(line.ts, f"time of line {line.number}", str(line.ts), f"from {self.now}")
        elif not is_own:
            self.now = line.ts
        why = self._note(line, word, rest) if is_note else self._input(line, word, rest, is_own=is_own)
        if why:
            self.differ(line.ts, f"line {line.number}", f"{line.mark} {line.where} {line.text}"[:100], why)

    def _note(self, line: PrivateLine, word: str, rest: str) -> str:
        """What a line should be instead; "" if it is right."""
        if word == "sent":
            sent, self._sent = self._sent, ""
            if line.where.startswith("r"):
                self._asked[line.where] = rest
            return "" if line.where == sent else f"sent at {sent or 'none'}"
        if word == "kept":
            self._kept += 1
            if line.text != kept_line(self._kept):
                return kept_line(self._kept)
        return "" if line.where == _NOWHERE else f"at {_NOWHERE}"

    def _input(self, line: PrivateLine, word: str, rest: str, *, is_own: bool) -> str:
        where = line.where
        if where.startswith("r") and line.mark in (Mark.SENT, Mark.OWN_SENT):
            return self._request(line)
        if where.startswith("r"):
            asked = self._asked.pop(where, None)
            return "" if asked == ("" if is_own else word) else f"an answer to {asked or 'none'}"
        if line.mark in (Mark.REQUEST, Mark.TICK):
            return "" if where == _NOWHERE else f"at {_NOWHERE}"
        if line.mark == Mark.EVENT:
            return self._event(where, word, rest)
        event, ids = self._events.get(where, ""), _ID.search(line.text)
        if line.mark in (Mark.SENT, Mark.OWN_SENT):
            self._ids.setdefault(where, set()).update(ids.groups() if ids else ())
        elif where.startswith("t") and ids and ids[1] not in self._ids.get(where, ()):
            return "an answer to a request on this connection"
        if line.mark == Mark.SENT:
            self._sent = where
            return "" if event == "up" else "a connection that is up"
        if line.mark == Mark.OWN_SENT:
            return "" if event in ("open", *_PASSES_ON) else "a connection that is open"
        is_passed_on = event in _PASSES_ON
        return "" if is_passed_on != is_own else f"a connection that is {'up' if not is_own else 'not up'}"

    def _request(self, line: PrivateLine) -> str:
        self._numbers["r"] += 1
        if line.mark == Mark.SENT:
            self._sent = line.where
        self._asked[line.where] = ""
        return "" if line.where == f"r{self._numbers['r']}" else f"r{self._numbers['r']}"

    def _event(self, where: str, word: str, rest: str) -> str:
        before = self._events.get(where, "")
        if word not in _NEXT.get(before, ()):
            return f"after {before or 'none'}: {' or '.join(_NEXT.get(before, ())) or 'nothing'}"
        self._events[where] = word
        if word == "connecting":
            letter = where[:1]
            self._numbers[letter] = self._numbers.get(letter, 0) + 1
            if where not in (f"t{self._numbers[letter]}", f"u{self._numbers[letter]}"):
                return f"{letter}{self._numbers[letter]}"
        texts = {"up": ("logon", "signed"), "lost": (rest,)}.get(word, ("",))
        return "" if rest in texts else f"{word} {' or '.join(texts)}"

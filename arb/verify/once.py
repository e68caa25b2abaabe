"""Proves that every request of a session went over the wire at most once. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from arb.runtime.private_log import Mark, PrivateLine
from arb.verify.reconcile import Difference

#: Wire ids of places, amendments and cancellations of requests of the bot, and of cancellations at the end.
_WIRE_ID = re.compile(r'"((\d+)-(\d+)-(?:[pca]|e\d+))"')
_SENT = re.compile(r"(sent|unsent) ((\d+)-(\d+)-([pca]|e\d+))")
#: The client id that a placement gives its order.
_PLACED = re.compile(
    r'"(?:method":"order\.(?:place|cancelReplace)"|op":"order\.create")'
    r"|^POST /(?:api/v3/order(?:/cancelReplace)?|fapi/v1/order|v5/order/create)[? ]"
)
_CLIENT_ID = re.compile(r"(?:newClientOrderId|orderLinkId)[\"=: ]+(arb-[0-9a-z-]+)")


def once_differences(
    lines: Mapping[str, Iterable[PrivateLine]], requests: Any
) -> tuple[list[Difference], int]:
    """The differences, and the number of requests that were not sent. lines: by venue."""
    wires: Counter[str] = Counter()
    clients: Counter[str] = Counter()
    on_line: set[tuple[int, int]] = set()
    for venue, own in lines.items():
        #: REST requests have no wire id in their text.
        rest: dict[str, str] = {}
        for line in own:
            if line.mark == Mark.EVENT and (sent := _SENT.fullmatch(line.text)):
                if sent[1] == "sent":
                    rest[line.where] = sent[2]
                    if not sent[5].startswith("e"):
                        on_line.add((int(sent[3]), int(sent[4])))
                    if line.where.startswith("r"):
                        wires[f"{venue} {sent[2]}"] += 1
            elif line.mark in (Mark.SENT, Mark.OWN_SENT):
                if found := _WIRE_ID.search(line.text):
                    wires[f"{venue} {found[1]}"] += 1
                if _PLACED.search(line.text) and (client := _CLIENT_ID.search(line.text)):
                    clients[f"{venue} {client[1]}"] += 1
    found_twice = [
        Difference("wire", f"{name} of {what}", 0, "at most once", f"{count} times")
        for what, counter in (("a request", wires), ("an order", clients))
        for name, count in sorted(counter.items())
        if count > 1
    ]
    known = {(int(row["leg"]), int(row["row"]["request_no"])): bool(row["is_sent"]) for row in requests}
    for leg, number in sorted(known.keys() | on_line):
        where = f"leg {leg} request {number}"
        then = "none" if (leg, number) not in known else "sent" if known[leg, number] else "not sent"
        now = "sent" if (leg, number) in on_line else "not sent"
        if then != now:
            found_twice.append(Difference("wire", where, 0, then, now))
    return found_twice, sum(not is_sent for is_sent in known.values())

"""What kills of whoever sends alarms have cost: messages that a receiver got, against those that it was to get."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator
from typing import NamedTuple

from support.alert_receiver import Receiver

#: From a condition to the receiver, p99.
LATE_S = 2.0


class Result(NamedTuple):
    """count: of changes of states, or of the events that make them. lost: expected and not received; doubled: received
    and not expected, or two for one change; again: sent again with the same id. latencies_s: from the change to the
    receiver."""

    count: int
    kills: int
    lost: int
    doubled: int
    again: int
    latencies_s: list[float]

    @property
    def latency_s_p99(self) -> float:
        return sorted(self.latencies_s)[max(0, round(0.99 * len(self.latencies_s)) - 1)]

    @property
    def code(self) -> int:
        """Of the command. Without kills no message may be late."""
        is_late = not self.kills and self.latency_s_p99 > LATE_S
        return 4 if self.lost or self.doubled or is_late else 0

    def __str__(self) -> str:
        return (
            f"{self.count:,} changes, {self.kills} kills: {self.lost} lost, {self.doubled} twice, {self.again} sent "
            f"again with the same id; change to receiver: median {statistics.median(self.latencies_s):.2f} s, p99 "
            f"{self.latency_s_p99:.2f} s"
        )


@contextlib.contextmanager
def kills_at_the_answer(receiver: Receiver, kill: Callable[[], None]) -> Iterator[None]:
    """Inside the context the sender of a message is killed between the receiver's answer and its own note of it; at the
    end in any case."""
    receiver.on_message = lambda message: kill()
    try:
        yield
    finally:
        receiver.on_message = lambda message: None
        kill()

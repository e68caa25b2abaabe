"""The guard of a session is killed again and again while states begin and end: no message is lost, none is new twice.

    PYTHONPATH=tests python -m tests.soak.alerts [--kills 50] [--seed 1]
    PYTHONPATH=tests python -m tests.soak.alerts --states 200

Real guard processes, sockets and files. Conditions change at random moments; they are looked at as in a session. The
receiver is away now and then: it refuses, answers 503, or closes without an answer. Printed are lost and double
messages, and how often one was sent again with the same id, which a receiver drops: the guard was killed between
the receiver's answer and its own note of it. With --states nothing is killed, and the time from condition to receiver
is printed. Exit code 4 for a message that is lost, or new twice, or for a p99 of more than two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.kills import Result, kills_at_the_answer
from support.alert_receiver import AlertGuard, Receiver

from arb.config.alert_keys import Alerts
from arb.risk.supervisor import Answer, Change, Reading, Rule
from arb.runtime.session_alerts import SessionAlerts
from arb.runtime.session_halts import SessionHalts
from arb.runtime.supervision import LOOK_S

#: Conditions, with a reading that is over the limit of each.
OVER = {"doubt": 60.0, "unhedged": 60.0, "supervisor stale": 1.0}


class Conditions:
    """States that a test begins and ends, looked at as a session does."""

    def __init__(self, folder: Path, guard: AlertGuard) -> None:
        self.alerts = SessionAlerts(Alerts(), SessionHalts(folder, {}), {}, guard.process.alert)
        self.since = dict.fromkeys(OVER, 0.0)
        self.seen: set[str] = set()
        #: Each change that a look has seen, and when its condition changed.
        self.expected: list[tuple[str, float]] = []

    def flip(self, rule: str) -> None:
        """A condition begins, or ends."""
        self.since[rule] = -time.monotonic() if self.since[rule] > 0 else time.monotonic()

    def look(self) -> None:
        changes = []
        for rule, since in self.since.items():
            if (since > 0) != (rule in self.seen):
                self.seen ^= {rule}
                self.expected.append((f"{'begin' if since > 0 else 'end'} {rule}", abs(since)))
                if rule.startswith("supervisor "):
                    own = Rule(rule.partition(" ")[2], Answer.REDUCE)
                    changes.append(Change(own, since > 0, "a reading"))
        readings = {
            rule: Reading(OVER[rule] if self.since[rule] > 0 else 0.0, "a reading")
            for rule in ("doubt", "unhedged")
        }
        self.alerts.look(readings, changes, time.time_ns())


async def run(folder: Path, receiver: Receiver, kills: int, seed: int, changes: int = 0) -> Result:
    """Kills the guard so often; without kills, makes so many changes."""
    chance = Random(seed)
    guard = AlertGuard(folder, (receiver.channel,))
    conditions = Conditions(folder, guard)
    guard.start()
    killed = 0

    async def looks() -> None:
        while True:
            conditions.look()
            await asyncio.sleep(LOOK_S)

    looking = asyncio.create_task(looks())
    while killed < kills or len(conditions.expected) < changes:
        conditions.flip(chance.choice(list(OVER)))
        if kills:
            receiver.status = chance.choice((204, 204, 204, 503, 0))
            await asyncio.sleep(chance.uniform(0.05, 1.2))
            if chance.random() < 0.5:
                guard.kill()
            else:  # between the receiver's answer and the guard's note of it
                with kills_at_the_answer(receiver, guard.kill):
                    receiver.status = 204
                    await asyncio.sleep(0.3)
            killed += 1
            # Guards that do not live long are started again after a longer and longer pause.
            guard.process._shorts = 0
        await asyncio.sleep(chance.uniform(0.3, 0.8))
    receiver.status = 204
    looking.cancel()
    conditions.look()
    await guard.process.close(has_ended=True)
    await guard.until(
        lambda: guard.process._process is None or guard.process._process.poll() is not None, 90.0
    )
    if guard.process._process is None or guard.process._process.returncode != 0:
        raise AssertionError("the guard has not sent everything")
    return _result(conditions.expected, receiver, killed)


def _result(expected: list[tuple[str, float]], receiver: Receiver, kills: int) -> Result:
    first: dict[str, tuple[float, str]] = {}
    for at, message in receiver.received:
        if message["rule"] != "lost":
            first.setdefault(message["id"], (at, f"{message['event']} {message['rule']}"))
    count = sum(message["rule"] != "lost" for _, message in receiver.received)
    lost = doubled = 0
    latencies = []
    for text in {text for text, _ in expected}:
        own = [since for name, since in expected if name == text]
        arrived = [at for at, name in first.values() if name == text]
        lost += max(0, len(own) - len(arrived))
        doubled += max(0, len(arrived) - len(own))
        latencies += [at - since for at, since in zip(arrived, own, strict=False)]
    return Result(len(expected), kills, lost, doubled, count - len(first), latencies)


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--kills", type=int, default=50)
    words.add_argument("--states", type=int, default=0)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    kills = 0 if given.states else given.kills
    with tempfile.TemporaryDirectory(prefix="arb-alerts-") as name, Receiver() as receiver:
        result = asyncio.run(run(Path(name), receiver, kills, given.seed, given.states))
    print(result)
    return result.code


if __name__ == "__main__":
    sys.exit(main())

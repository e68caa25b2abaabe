"""A live session of two legs on simulated time, whose orders a venue answers by dice; and its replay."""

from __future__ import annotations

from typing import Any

import numpy as np

from arb.bot.compilation import compile_strategy
from arb.bot.recorder import state_of
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.row_stream import flagged
from arb.runtime.live_files import REQUEST
from arb.runtime.live_rows import LOCAL_FLAG, LiveDriver
from arb.runtime.replay_live import RecordedAnswers, replay_live
from arb.runtime.session import Session
from arb.runtime.strategy_task import StrategyTask
from connectors.feed.clock_offset import OffsetEstimator
from support.dry_market import START_NS, leg, received_rows
from support.hand_gateway import HandGateway
from support.random_venue import RandomVenue

LEGS = [leg(0, is_spot=True), leg(1)]


class Files:
    """Takes what a recording takes."""

    def frame(self, *_: object) -> bool:
        return True

    def event(self, *_: object) -> None:
        return


class Ended:
    """What is compared of a session and of its replay."""

    def __init__(self, bot: LiveBot, out: Any, requests: Any, value: Any) -> None:
        self.value = value
        self.parts = {
            "looks": out.tobytes(),
            "requests": b"".join(requests[name].tobytes() for name in ("leg", "step", "row")),
            "answers": bot.world.answers.tobytes(),
            "fills": bot.fills.tobytes(),
            "charges": bot.charges.tobytes(),
            "state": state_of(bot, len(LEGS)).tobytes(),
        }
        self.fills, self.charges = bot.fills.copy(), bot.charges.copy()
        self.state = state_of(bot, len(LEGS)).copy()


class HandSession:
    """A session of two legs on simulated time: rows as they are received, answers by dice."""

    def __init__(self, seed: int, function: Any, arguments: tuple[Any, ...], steps: int = 1000) -> None:
        self.gateway = HandGateway(LEGS)
        self.arguments, self.function = arguments, compile_strategy(function)
        self.out = np.zeros(400_000)
        self.responses: list[tuple[int, int, int, Any]] = []
        self.requests: list[tuple[int, int, int, int, int, int, Any]] = []
        self.rows: list[list[Any]] = [[] for _ in LEGS]
        self.now = START_NS
        self.venue = RandomVenue(seed, self._put)
        bot = self.gateway.bot
        task = StrategyTask(bot, self.function, (bot, self.out, *arguments))
        self.driver = LiveDriver(bot, task, self.gateway)
        self.driver.on_rows = self._on_rows  # type: ignore[method-assign]
        self.session = Session(
            LEGS, self.driver, OffsetEstimator(0), Files(),
            log=lambda *_: None, ended=lambda: None, clock=lambda: self.now,
        )  # fmt: skip
        self.session.start()
        self._run(seed, steps)
        assert self.session.fault is None, self.session.fault
        self.end_ts = self.session.now
        assert self.session.stop()
        self._taken()
        while self.venue.next_due is not None:
            self.venue.deliver(self.venue.next_due)
        bot.world.settle(max((row[1] for row in self.responses), default=0))
        self.ended = Ended(bot, self.out, np.array(self.requests, REQUEST), task.value)

    def _put(self, leg_no: int, row: Any, received_ts: int) -> int:
        delivered_ts = self.gateway.mailbox.put(leg_no, row, received_ts)
        self.responses.append((leg_no, delivered_ts, -1, row.copy()))
        return delivered_ts

    def _run(self, seed: int, steps: int) -> None:
        received = [received_rows(number, seed, steps) for number in range(2)]
        batches = [
            (int(rows["local_ts"][first]), number, np.ascontiguousarray(rows[first : first + 7]))
            for number, rows in enumerate(received)
            for first in range(0, len(rows), 7)
        ]
        for at, number, rows in sorted(batches, key=lambda batch: batch[:2]):
            self._until(at)
            self.now = max(self.now, int(rows["local_ts"][-1]))
            self.session.on_rows(number, rows)
            self._taken()

    def _on_rows(self, leg_no: int, rows: Any, now_ns: int) -> bool:
        """Rows as the strategy receives them."""
        self.rows[leg_no].append(rows.copy())
        return LiveDriver.on_rows(self.driver, leg_no, rows, now_ns)

    def _until(self, at: int) -> None:
        """Waits and answers before the time of the next rows."""
        while True:
            due = min(self.driver.next_due, self.venue.next_due or at)
            if due >= at:
                return
            self.now = max(self.now, due)
            if last := self.venue.deliver(self.now):
                self.session.on_answers(last)
            else:
                self.session.on_time()
            self._taken()

    def _taken(self) -> None:
        """Hands new requests to the venue."""
        calls = self.gateway.calls
        if self.session.is_over and (left := self.gateway.mailbox.take()):
            calls.append(left)
        first = self.requests[-1][1] if self.requests else 0
        for step, call in enumerate(calls[first:], first + 1):
            for leg_no, row in call:
                self.requests.append((leg_no, step, self.now, 1, 0, 0, row))
                if not self.session.is_over:
                    self.venue.request(leg_no, row, self.now)

    def replayed(self, responses: Any) -> Ended:
        world = LiveWorld(LEGS, keep_trades=False, start_ts=self.gateway.world.start_ts)
        answers = RecordedAnswers(world, responses)
        bot, out = LiveBot(world, keep=answers), np.zeros_like(self.out)
        arguments = (bot, out, *self.arguments)
        shown = [[flagged(np.concatenate(own), LOCAL_FLAG)] for own in self.rows]
        task = replay_live(bot, answers, shown, self.function, arguments, until_ts=self.end_ts)
        assert task.error is None
        return Ended(bot, out, answers.requests, task.value)

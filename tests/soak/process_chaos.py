"""Stops sessions of `arb live` and their guards in every way that takes real processes, and compares what is left.

    PYTHONPATH=tests python -m tests.soak.process_chaos [--rounds 50] [--seed 1] [--only CASE]

Each round begins a session on a running sandbox with orders of others, and does one thing to it at a random moment, in
four of ten rounds beside a fault of the venue: the cases of `CASES`, each about as often as the others. Then, after one
more start where the session was killed, journal and sandbox must have the same executions and positions, no client id
was used twice, the pair is balanced, no order of ours is open, and those of others are as they were. The venues' own
switches cancel orders of others too: the rounds with them are on an account of our own.

A table has the times until no order of ours was open, of a silent network at its venues; of Ctrl+C, until the process
had ended. Exit code 4 if a round is not as it should be.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

from support.command_line import arb
from support.guard_processes import await_guard, guard_process
from support.guarded import Guarded
from support.live_sandbox import await_that
from support.mutated_runs import SPOT_LINEAR, USDM_SPOT

from arb.errors import ExitCode
from arb.runtime.private_log import PrivateLine, read_private
from connectors.units import SECOND

#: Most time until no order of ours is open: by the guard, and by switches of `_SWITCH_S`.
_GUARD_S, _SWITCH_S = 2.0, 10.0
#: Most time from Ctrl+C or SIGTERM until the process has ended.
_END_S = 5.0
#: Most time until a venue that falls silent is known to be away.
_NOTICED_S = 5.0
#: A session is stopped for so long, and so much of it shows as a pause in its private log.
_STOP_S, _PAUSE_NS = 5.1, 4 * SECOND
_PERPETUALS = ("binance_usdm", "bybit_linear")


class Round:
    """One session, and what is done to it. `wrong` has what is not as it should be."""

    def __init__(self, guarded: Guarded, chance: Random) -> None:
        self.guarded, self.chance = guarded, chance
        self.wrong: list[str] = []
        #: Until no order of ours was open; None: that is not measured here.
        self.gone_s: float | None = None
        #: The folder of its session.
        self.run = guarded.run

    def check(self, is_so: object, text: str) -> None:
        if not is_so:
            self.wrong.append(text)

    @contextmanager
    def session(self, function: str, *settings: str) -> Iterator[subprocess.Popen[str]]:
        """A session with an open order, at a random moment. Nothing of it runs afterwards."""
        words = [word for one in settings for word in ("--set", one)]
        self.guarded.await_room()
        process = self.guarded.begin("--duration", "180s", *words, function=function)
        self.run, guard = self.guarded.run, 0
        try:
            await_that(
                lambda: process.poll() is not None or "its first row" in self.guarded.log(), "the first row"
            )
            guard = guard_process(process.pid)
            if function == "swinging":
                time.sleep(self.chance.uniform(0.0, 2.5))
                if self.chance.random() < 0.4:
                    self.guarded.fault(**self._fault())
            await_that(
                lambda: process.poll() is not None or bool(self.guarded.open_orders(is_ours=True)),
                "an open order",
                look_s=0.01,
            )
            if process.poll() is not None:
                errors = process.communicate()[1].strip().splitlines()
                raise AssertionError(
                    f"exit code {process.returncode} before anything was done: {errors[-1:]}"
                )
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            if process.stderr and not process.stderr.closed:
                process.communicate()
            for left in {guard, guard_process(process.pid)} - {0}:
                await_guard(left)

    def _fault(self) -> dict[str, object]:
        venue = self.chance.choice(self.guarded.venues)
        kind = self.chance.choice(["user_lost", "lost_request", "accepted_no_answer", "rest_slow"])
        more: dict[str, object] = {"duration_s": 1.0} if kind == "rest_slow" else {}
        return {"kind": kind, "venue": venue, **more, **({"request": "place"} if "request" in kind else {})}

    def gone(self, act: Callable[[], object], most_s: float) -> None:
        self.gone_s = self.guarded.gone_after(act)
        self.check(self.gone_s <= most_s, f"orders were open for {self.gone_s:.2f} s")

    def halted(self) -> None:
        """The flag is kept, and a person has looked."""
        self.check(self.guarded.halts(), "the session is gone, and no halt is set")
        self.guarded.resume()

    def ended(self, process: subprocess.Popen[str], code: ExitCode) -> None:
        """The session ends by itself or was asked to."""
        errors = process.communicate(timeout=120)[1]
        self.check(
            process.returncode == code, f"exit code {process.returncode}: {errors.strip().splitlines()[-1:]}"
        )

    def start_again(self) -> None:
        """The next start takes over what is left: Ctrl+C balances for a few seconds only."""
        again = self.guarded.begin("--duration", "1s", function="idle")
        self.ended(again, ExitCode.DONE)

    def hedge_what_is_left(self) -> None:
        """A halt does not hedge while an order is in doubt: it says so, and the next start hedges."""
        log = (self.run / "log.txt").read_text()
        if "an order in doubt, or a leg that could not be traded back in time" in log:
            self.check(" in doubt: " in log, "a leg is left without the other, and nothing was in doubt")
            self.start_again()

    def compare(self) -> None:
        self.wrong += self.guarded.compared()


def killed(this: Round) -> None:
    with this.session("swinging") as process:
        this.gone(process.kill, _GUARD_S)
    this.halted()
    this.start_again()


def stopped(this: Round) -> None:
    with this.session("swinging") as process:
        this.gone(functools.partial(process.send_signal, signal.SIGSTOP), _GUARD_S)
    this.halted()
    this.start_again()


def stuck(this: Round) -> None:
    with this.session("stuck") as process:
        # Its first order is three quarters of a second before it is stuck, if none is refused.
        this.gone(lambda: time.sleep(0.75), 0.75 + _GUARD_S)
        this.ended(process, ExitCode.OUR_FAULT)
    this.halted()
    this.start_again()


def both_killed(this: Round) -> None:
    """As after a loss of power: the venues' own switches cancel."""
    switches = [f"account.{venue}={{switch='warn',switch_s={_SWITCH_S}}}" for venue in this.guarded.venues]
    with this.session("resting", *switches) as process:
        await_that(lambda: this.guarded.log().count(" switch: on:") == 2, "switches")
        guard = guard_process(process.pid)

        def kill() -> None:
            process.send_signal(signal.SIGSTOP)  # or it would start another guard
            os.kill(guard, signal.SIGKILL)
            process.kill()

        this.gone(kill, _SWITCH_S + 1.0)
    this.check(this.guarded.halts() == (), "a halt is set: the guard has acted")
    this.start_again()


def guard_killed(this: Round) -> None:
    with this.session("resting") as process:
        first = guard_process(process.pid)
        begun = time.monotonic()
        os.kill(first, signal.SIGKILL)
        await_that(lambda: guard_process(process.pid) not in (0, first), "another guard", look_s=0.01)
        this.check(time.monotonic() - begun <= 1.0, f"another guard after {time.monotonic() - begun:.2f} s")
        await_that(lambda: this.guarded.log().count("the guard is up after") == 2, "the guard to be up")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        this.ended(process, ExitCode.INTERRUPTED)
    this.check("the guard has ended (exit code -9)" in this.guarded.log(), "it is not reported")
    this.check(this.guarded.halts() == (), "a halt is set")
    this.start_again()


def halt(this: Round) -> None:
    with this.session("swinging") as process:
        if this.chance.random() < 0.5:  # of the next attempt one leg is executed
            venue = this.chance.choice(this.guarded.venues)
            this.guarded.fault(kind="lost_request", venue=venue, request="place")
            time.sleep(this.chance.uniform(0.0, 0.2))
        state = ("--state-directory", this.guarded.state)
        this.gone(lambda: arb("halt", *state), 60.0)
        this.ended(process, ExitCode.HALTED_BY_RISK)
    refused = this.guarded.begin("--duration", "1s", function="idle")
    this.check("halted since" in refused.communicate()[1], "the next start is not refused")
    this.halted()
    this.hedge_what_is_left()


def two_sessions(this: Round) -> None:
    with this.session("resting") as process:
        guarded, run = this.guarded, this.guarded.run
        second = guarded.begin("--duration", "1s", function="idle")
        errors = second.communicate(timeout=120)[1]
        this.check(
            second.returncode == ExitCode.USER_INPUT and "is in use by" in errors,
            f"the second session: exit code {second.returncode}, {errors.strip().splitlines()[-1:]}",
        )
        guarded.rounds -= 1
        this.check(guarded.run == run and process.poll() is None, "the first session has ended")
        await_that(lambda: bool(guarded.open_orders(is_ours=True)), "orders of the first session")
        process.send_signal(signal.SIGINT)
        this.ended(process, ExitCode.INTERRUPTED)
    this.start_again()


def stopped_for_a_while(this: Round) -> None:
    """The guard acts meanwhile: the session finds the flag."""
    with this.session("swinging") as process:
        begun = time.monotonic()
        this.gone(functools.partial(process.send_signal, signal.SIGSTOP), _GUARD_S)
        time.sleep(max(0.0, begun + _STOP_S - time.monotonic()))
        process.send_signal(signal.SIGCONT)
        this.ended(process, ExitCode.HALTED_BY_RISK)
    this.check(orders_after_pause(this) in ("reconciled", "none"), "orders before it has reconciled")
    this.halted()
    this.hedge_what_is_left()


def stopped_beside_a_patient_guard(this: Round) -> None:
    """Nothing but the gate keeps it from trading on."""
    with this.session("swinging", "guard.timeout_ms=30000") as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(_STOP_S)
        process.send_signal(signal.SIGCONT)
        time.sleep(3.0)
        process.send_signal(signal.SIGINT)
        this.ended(process, ExitCode.INTERRUPTED)
    found = orders_after_pause(this)
    this.check(found == "reconciled", f"orders after the pause: {found}")
    this.start_again()


def network_silent(this: Round) -> None:
    """Every connection of a venue, or of both, stays open and delivers nothing; new ones do, and the guard's own."""
    with this.session("resting") as process:
        own = this.guarded.venues
        venues = this.chance.choice([own[:1], own[1:], own])

        def counts(word: str) -> list[int]:
            return [this.guarded.log().count(f" {venue} {word}: ") for venue in venues]

        def are_up() -> bool:
            return all(up > away for up, away in zip(counts("up"), counts("away"), strict=True))

        def orders() -> list[tuple[str, str]]:
            return [one for one in this.guarded.open_orders(is_ours=True) if one[0] in venues]

        await_that(are_up, "the streams")
        await_that(orders, "orders there", look_s=0.01)
        away, begun = counts("away"), time.monotonic()
        for venue in venues:
            this.guarded.fault(kind="half_open", venue=venue, duration_s=0.0)
        await_that(lambda: not orders(), "no order there", look_s=0.01)
        this.gone_s = time.monotonic() - begun
        this.check(this.gone_s <= _GUARD_S, f"orders were open for {this.gone_s:.2f} s")
        await_that(lambda: counts("away") != away, "the loss of a stream", look_s=0.01)
        noticed_s = time.monotonic() - begun
        this.check(noticed_s <= _NOTICED_S, f"noticed after {noticed_s:.2f} s")
        this.check(not orders(), "orders were opened while it was silent")
        await_that(are_up, "other streams")
        process.send_signal(signal.SIGINT)
        this.ended(process, ExitCode.INTERRUPTED)
    this.check(this.guarded.halts() == (), "a halt is set")
    this.start_again()


def ended_by_hand(this: Round) -> None:
    """Ctrl+C or SIGTERM, at times in the middle of an attempt."""
    with this.session("swinging") as process:
        begun = time.monotonic()
        process.send_signal(this.chance.choice([signal.SIGINT, signal.SIGTERM]))
        this.ended(process, ExitCode.INTERRUPTED)
        this.gone_s = time.monotonic() - begun
    this.check(this.gone_s <= _END_S, f"it ended after {this.gone_s:.2f} s")
    this.check(not this.guarded.open_orders(is_ours=True), "orders are open")
    this.check(this.guarded.halts() == (), "a halt is set")
    named = [venue for venue in this.guarded.venues if f" position {venue}:" in this.guarded.log()]
    this.check(named == list(this.guarded.venues), f"positions are reported of {named}")
    run = this.run
    this.start_again()
    this.check(arb("verify", run, code=None).exit_code == ExitCode.DONE, "it is not proven")


def ended_in_doubt(this: Round) -> None:
    """Ctrl+C or SIGTERM while nobody knows what became of an order: the next start finds out, and hedges."""
    with this.session("swinging") as process:
        doubts, venue = this.guarded.log().count(" in doubt: "), this.chance.choice(this.guarded.venues)
        kind = this.chance.choice(["lost_request", "accepted_no_answer"])
        if kind == "accepted_no_answer":  # neither the stream nor a query says what became of it
            this.guarded.fault(kind="user_silent", venue=venue, duration_s=8.0)
            this.guarded.fault(kind="not_visible", venue=venue, delay_s=8.0)
        this.guarded.fault(kind=kind, venue=venue, request="place")
        await_that(lambda: this.guarded.log().count(" in doubt: ") > doubts, "a doubt", look_s=0.01)
        begun = time.monotonic()
        process.send_signal(this.chance.choice([signal.SIGINT, signal.SIGTERM]))
        this.ended(process, ExitCode.INTERRUPTED)
        this.gone_s = time.monotonic() - begun
    this.check(this.gone_s <= _END_S, f"it ended after {this.gone_s:.2f} s")
    this.check("may be open (stopped before" in this.guarded.log(), "the order is not named")
    this.check(this.guarded.halts() == (), "a halt is set")
    run = this.run
    this.start_again()
    this.check("may be open" not in this.guarded.log(), "the next start does not end the doubt")
    this.check(arb("verify", run, code=None).exit_code == ExitCode.DONE, "it is not proven")


def orders_after_pause(this: Round) -> str:
    """Whether orders were sent after the process was stopped, before or after open orders and executions were known."""
    found = "none"
    for venue in this.guarded.venues:
        lines = list(read_private(this.run, venue))
        known: set[str] = set()
        for line in after_pause(lines):
            words = line.text.split()
            if line.mark == "<" and line.where.startswith("r") and words[1] == "200":
                known.add(words[0].partition("-")[0])
            elif line.mark == "!" and words[0] == "sent" and words[1].endswith("-p"):
                if not {"openorders", "executions"} <= known:
                    return "before"
                found = "reconciled"
                break
    return found


def after_pause(lines: list[PrivateLine]) -> list[PrivateLine]:
    """The lines after the longest time in which nothing was written."""
    pauses = [after.ts - before.ts for before, after in itertools.pairwise(lines)]
    longest = max(pauses, default=0)
    assert longest > _PAUSE_NS, "no pause in the private log"
    return lines[pauses.index(longest) + 1 :]


#: By name.
CASES: dict[str, Callable[[Round], None]] = {
    "session killed": killed,
    "session stopped": stopped,
    "strategy stuck": stuck,
    "session and guard killed": both_killed,
    "guard killed": guard_killed,
    "halt": halt,
    "second session": two_sessions,
    "stopped for 5 s": stopped_for_a_while,
    "stopped for 5 s, patient guard": stopped_beside_a_patient_guard,
    "network silent": network_silent,
    "Ctrl+C or SIGTERM": ended_by_hand,
    "Ctrl+C or SIGTERM in doubt": ended_in_doubt,
}
_OWN = "session and guard killed"


def rounds_of(count: int, only: str, chance: Random) -> list[str]:
    """The cases of the rounds."""
    names = [only] if only else list(CASES)
    found = [names[number % len(names)] for number in range(count)]
    chance.shuffle(found)
    return found


def stop_all(count: int, seed: int, only: str = "") -> bool:
    """Whether every round was as it should be. Prints each that was not, and the table."""
    chance = Random(seed)
    cases = rounds_of(count, only, chance)
    parts = [
        (SPOT_LINEAR, [one for one in cases[::2] if one != _OWN]),
        (USDM_SPOT, [one for one in cases[1::2] if one != _OWN]),
        (_PERPETUALS, [one for one in cases if one == _OWN]),
    ]
    times: dict[str, list[float]] = {name: [] for name in CASES}
    failures: dict[str, int] = dict.fromkeys(CASES, 0)
    for venues, names in parts:
        if not names:
            continue
        with (
            tempfile.TemporaryDirectory(prefix="arb-processes-") as folder,
            Guarded(
                Path(folder), chance.randrange(1 << 30), venues, has_others=venues != _PERPETUALS
            ) as guarded,
        ):
            for number, name in enumerate(names):
                this = Round(guarded, chance)
                begun = time.monotonic()
                try:
                    CASES[name](this)
                    this.compare()
                except AssertionError as error:
                    this.wrong.append(str(error))
                failures[name] += bool(this.wrong)
                times[name] += [] if this.gone_s is None else [this.gone_s]
                gone = "" if this.gone_s is None else f", no order after {this.gone_s:.2f} s"
                print(
                    f"{'+'.join(venues)} {number + 1}/{len(names)} {name}: {this.wrong or 'well'}{gone}, "
                    f"{time.monotonic() - begun:.0f} s",
                    flush=True,
                )
                if this.wrong:
                    kept = Path(tempfile.mkdtemp(prefix="arb-processes-failed-"))
                    if this.run.exists():
                        shutil.copytree(this.run, kept / "run")
                    if guarded.run != this.run and guarded.run.exists():
                        shutil.copytree(guarded.run, kept / "next")
                    shutil.copy(guarded.ledger, kept)
                    print(f"    see {kept}", flush=True)
                    # The next round begins as if this one had been well.
                    guarded.resume()
                    guarded.begin("--duration", "1s", function="idle").communicate()
            print(f"{'+'.join(venues)}: {guarded.extent}")
    print(f"{'case':32}{'rounds':>8}{'failed':>8}{'p50 s':>8}{'max s':>8}")
    for name, taken in times.items():
        shown = f"{median(taken):8.2f}{max(taken):8.2f}" if taken else f"{'-':>8}{'-':>8}"
        print(f"{name:32}{cases.count(name):8}{failures[name]:8}{shown}")
    return not any(failures.values())


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=50)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--only", choices=list(CASES), default="")
    given = words.parse_args()
    return 0 if stop_all(given.rounds, given.seed, given.only) else 4


if __name__ == "__main__":
    sys.exit(main())

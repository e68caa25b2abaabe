"""What sends a guard's messages: a pause after a refusal, channels for themselves, and one guard at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from support.alert_receiver import ORIGIN, Receiver

from arb.alerts.message import ChannelAddress, Origin, Transition
from arb.alerts.sender import AlertSender

LATER = Origin("stest1-2", "run-2", "sandbox", ORIGIN.venues)


class Sending:
    """A sender, what it has kept, and what it warns of."""

    def __init__(
        self, folder: Path, *channels: ChannelAddress, origin: Origin = ORIGIN, every_s: float = 0.0
    ) -> None:
        self.kept: list[int] = []
        self.warned: list[str] = []
        self.sender = AlertSender(
            folder, origin, channels, kept=self.kept.append, warn=self.warned.append, every_s=every_s
        )

    def take(self, number: int, rule: str = "doubt", *, is_over: bool = False) -> None:
        self.sender.take(Transition(number, rule, "an order", 1, is_over))

    def until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20.0
        while not is_so():
            assert time.monotonic() < deadline, (self.kept, self.warned)
            time.sleep(0.01)

    def end(self) -> None:
        self.sender.close()
        self.until(lambda: not self.sender._keeper.is_alive())


def test_what_is_not_accepted_is_sent_again_after_a_pause_and_the_log_has_it_once(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.status, asked = 503, list[float]()
        receiver.on_message = lambda message: asked.append(time.monotonic())
        sending = Sending(tmp_path, receiver.channel)
        sending.take(1)
        sending.until(lambda: len(asked) == 2)
        assert not sending.sender.is_done
        receiver.status = 204
        sending.until(lambda: sending.sender.is_done)
        sending.end()
    assert receiver.texts == ["begin doubt"]
    assert asked[1] - asked[0] > 0.5
    assert asked[2] - asked[1] > 1.0
    assert sending.kept == [1]
    assert sending.warned == [
        "alerts: webhook: HTTP 503; trying again",
        "alerts: webhook: accepted again",
    ]


def test_an_address_that_cannot_be_used_is_named_before_there_is_a_message(tmp_path: Path) -> None:
    sending = Sending(tmp_path, ChannelAddress("webhook", "webhook", "canary"))
    sending.until(lambda: bool(sending.warned))
    sending.end()
    assert sending.warned[0].startswith("alerts: webhook: its variable holds no https:// address")


def test_a_later_guard_sends_what_the_one_before_could_not(tmp_path: Path) -> None:
    with Receiver() as receiver:
        first = Sending(tmp_path, ChannelAddress("webhook", "webhook", "http://127.0.0.1:9/"))
        first.take(1)
        first.until(lambda: bool(first.warned))
        later = Sending(tmp_path, receiver.channel, origin=LATER)
        later.take(1, "unhedged")
        receiver.await_texts("begin doubt", "begin unhedged")
        first.until(lambda: first.sender.is_done)
        later.end()
        assert first.sender._is_over.is_set()


def test_a_state_that_begins_again_soon_waits_and_is_sent_without_a_further_word_of_the_session(
    tmp_path: Path,
) -> None:
    with Receiver() as receiver:
        sending = Sending(tmp_path, receiver.channel, every_s=600.0)
        for number in range(1, 5):
            sending.take(number, is_over=number % 2 == 0)
        receiver.await_texts("begin doubt", "end doubt")
        sending.until(lambda: sending.kept == [1, 2, 3, 4])
        assert not sending.sender.is_done
        sending.end()
        later = Sending(tmp_path, receiver.channel, origin=LATER, every_s=0.0)
        receiver.await_texts("begin doubt", "end doubt", "begin doubt", "end doubt")
        later.until(lambda: later.sender.is_done)
        later.end()

"""The channels: what they send, what counts as accepted, and that no reason has an address."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.alert_receiver import Receiver

from arb.alerts.channels import channel_of, check_address
from arb.alerts.message import ChannelAddress
from arb.alerts.message import test_message as message_of_test
from arb.errors import InputError

MESSAGE = message_of_test(1_777_636_800_000_000_000)
SECRET = "canary-of-the-hook"


def webhook(address: str) -> ChannelAddress:
    return ChannelAddress("webhook", "webhook", address)


def test_a_message_is_posted_as_json_with_its_id() -> None:
    with Receiver() as receiver:
        assert channel_of(receiver.channel).send(MESSAGE) == ""
    assert [message for _, message in receiver.received] == [MESSAGE]
    assert receiver.headers["Idempotency-Key"] == MESSAGE["id"]
    assert receiver.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "reason"), [(500, "HTTP 500"), (302, "HTTP 302"), (0, "RemoteDisconnected")]
)
def test_another_answer_a_redirect_and_none_are_no_acceptance(status: int, reason: str) -> None:
    with Receiver() as receiver:
        receiver.status = status
        assert channel_of(receiver.channel).send(MESSAGE) == reason


def test_a_receiver_that_is_away() -> None:
    assert channel_of(webhook(f"http://127.0.0.1:9/{SECRET}")).send(MESSAGE) == "Connection refused"


@pytest.mark.parametrize(
    "address",
    ["", SECRET, f"http://example.com/{SECRET}", f"https://me:{SECRET}@example.com/", f"ftp://{SECRET}.com"],
)
def test_an_address_that_cannot_be_used_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(InputError) as refused:
        check_address(webhook(address))
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(webhook(address))


def test_what_apprise_has_is_named_by_its_extra_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InputError, match=r'pip install "hftarb\[alerts\]"'):
        channel_of(ChannelAddress("apprise", "apprise MAIL", f"mailto://{SECRET}"))


LIBRARY = """
class AppriseAsset:
    def __init__(self, **options):
        assert options == {"storage_mode": "memory"}

class Apprise:
    sent = []
    def __init__(self, asset):
        pass
    def add(self, address):
        self.address = address
        return address.startswith("json://")
    def notify(self, title, body, **options):
        if "raises" in self.address:
            raise ValueError(self.address)
        self.sent.append((title, body))
        return "refuses" not in self.address
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In place of Apprise, which is not installed with the tests."""
    (tmp_path / "apprise.py").write_text(LIBRARY)
    before = sys.modules.pop("apprise", None)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("apprise", None)
    if before is not None:
        sys.modules["apprise"] = before


def test_apprise_sends_a_title_and_lines(library: None) -> None:
    def send(address: str) -> str:
        return channel_of(ChannelAddress("apprise", "apprise MAIL", address)).send(MESSAGE)

    assert send("json://127.0.0.1") == ""
    title, body = sys.modules["apprise"].Apprise.sent[0]
    assert title == "arb: test"
    assert body.splitlines()[-1] == f"id {MESSAGE['id']}"
    assert send("json://refuses") == "it was not accepted"
    assert send(f"json://raises/{SECRET}") == "ValueError"
    with pytest.raises(InputError, match="no address that Apprise knows"):
        send(f"nothing://{SECRET}")

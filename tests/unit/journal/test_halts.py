"""Halts are there until a person clears them; locks as long as their session lives."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from arb.commands.journal import halt
from arb.errors import InputError
from arb.journal.halts import Halt, Halts, clear_halt, halt_path, set_halt
from arb.journal.locks import HeldLock, is_held, lock_account
from arb.journal.schema import Account

ALL = Halt("", 5, False, "arb halt")


def test_a_flag_is_seen_at_the_next_look(tmp_path: Path) -> None:
    halts = Halts(tmp_path)
    assert halts.read() == ()
    set_halt(tmp_path, ALL)
    assert halts.read() == (ALL,)
    assert Halts(tmp_path).read() == (ALL,)  # of the next session too
    assert clear_halt(tmp_path, "")
    assert halts.read() == ()
    assert not clear_halt(tmp_path, "")


def test_a_changed_flag_is_seen(tmp_path: Path) -> None:
    halts = Halts(tmp_path)
    set_halt(tmp_path, ALL)
    assert [one.is_flattening for one in halts.read()] == [False]
    set_halt(tmp_path, ALL._replace(is_flattening=True))
    assert [one.is_flattening for one in halts.read()] == [True]


def test_one_account_is_halted_alone(tmp_path: Path) -> None:
    set_halt(tmp_path, Halt("bybit", 5, True, "by hand"))
    assert Halts(tmp_path, ["binance"]).read() == ()
    assert [one.house for one in Halts(tmp_path, ["binance", "bybit"]).read()] == ["bybit"]


@pytest.mark.parametrize("content", ["", "{}", "[1", '{"since_ns": 1, "flatten": "no", "reason": ""}'])
def test_what_cannot_be_read_is_a_halt(tmp_path: Path, content: str) -> None:
    halt_path(tmp_path, "").write_text(content)
    (halt,) = Halts(tmp_path).read()
    assert not halt.is_flattening
    assert "cannot be read" in halt.reason


def test_a_flag_that_cannot_be_set_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r" is not halted: stop its sessions with Ctrl\+C"):
        set_halt(tmp_path / "file", ALL)


def test_an_account_has_one_session(tmp_path: Path) -> None:
    account = Account("binance", "sandbox", "7/../8")
    held = lock_account(tmp_path, account, "the session in /runs/one")
    path = tmp_path / "binance-7_.._8.lock"
    assert is_held(path)
    with pytest.raises(
        InputError, match=r"the binance account 7/\.\./8 is in use by the session in /runs/one: wait"
    ):
        lock_account(tmp_path, account, "another")
    other = lock_account(tmp_path, account._replace(account_id="9"), "another")
    held.close()
    assert not is_held(path)
    lock_account(tmp_path, account, "another").close()
    other.close()
    assert not is_held(tmp_path / "none.lock")


def test_a_lock_on_a_mount_that_cannot_be_written_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.lock"
    held = HeldLock(path, "it", "a session")
    opened = os.open

    def open_to_read(name: Path, flags: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(name, flags)

    monkeypatch.setattr(os, "open", open_to_read)
    assert is_held(path)
    held.close()
    assert not is_held(path)


def test_a_folder_that_cannot_be_written_does_not_keep_the_others_from_being_halted(tmp_path: Path) -> None:
    (tmp_path / "live").write_text("no folder")
    with pytest.raises(InputError, match=r"live is not halted: .*; halted: testnet, demo, sandbox$"):
        halt(tmp_path, None, is_flattening=True)
    assert [one.is_flattening for one in Halts(tmp_path / "sandbox").read()] == [True]

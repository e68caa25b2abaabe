"""The start of a session that trades: when its venues count as up, and which accounts it refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arb.errors import InputError
from arb.journal.halts import Halt
from arb.runtime import orders_start
from arb.runtime.guard_process import NoGuard
from arb.runtime.live_orders import LiveOrders
from arb.runtime.session_halts import SessionHalts


class Desk:
    """A desk whose socket for orders is up after a number of looks."""

    def __init__(self, looks: int, mode: str = "one-way") -> None:
        self.is_up = self.is_compared = True
        self.differences: list[str] = []
        self.facts = SimpleNamespace(mode=mode)
        self.orders = SimpleNamespace(open={})
        self.looks = looks

    @property
    def has_socket(self) -> bool:
        self.looks -= 1
        return self.looks < 0


class Session:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.now, self.is_over = 5, False
        self.failed: list[BaseException] = []

    def emit(self, event: str, text: str) -> None:
        self.lines.append((event, text))

    def fail(self, error: BaseException) -> None:
        self.failed.append(error)

    def write(self, event: str, text: str) -> None:
        self.lines.append((event, text))


def orders_of(**desks: Desk) -> Any:
    """Orders without connections."""
    orders: Any = object.__new__(LiveOrders)
    orders.gateway = SimpleNamespace(desks=desks, fault=None)
    orders._guard = NoGuard()
    orders._silence = SimpleNamespace(reasons=dict)
    orders._lines = {venue: SimpleNamespace(takes_sockets=True, reason="refused") for venue in desks}
    return orders


def up(orders: Any, session: Any) -> None:
    asyncio.run(orders_start.until_up(orders.gateway, orders._lines, session))


def test_the_first_order_of_a_session_finds_its_socket_up() -> None:
    desk, session = Desk(looks=3), Session()
    up(orders_of(binance_spot=desk), session)
    assert (desk.looks, session.lines) == (-1, [])


def test_without_a_socket_orders_go_by_rest_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders_start, "_SOCKET_S", 0.0)
    session = Session()
    up(orders_of(binance_spot=Desk(looks=1 << 40), bybit_spot=Desk(looks=0)), session)
    text = "binance_spot: no socket for orders (refused): they go by REST until it is up"
    assert session.lines == [("warning", text)]


def test_an_account_in_hedge_mode_is_refused() -> None:
    with pytest.raises(InputError, match=r"^binance_usdm: the account is in hedge mode, .*: switch it"):
        up(orders_of(binance_usdm=Desk(0, "hedge"), bybit_spot=Desk(0)), Session())


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "none of its orders is open"),
        (1, "1 open order may stay at the venues, where nothing cancels them: look there"),
        (2, "2 open orders may stay at the venues, where nothing cancels them: look there"),
    ],
)
def test_what_happens_to_the_orders_of_a_strategy_that_never_returns(count: int, text: str) -> None:
    desk = Desk(0)
    desk.orders.open.update(dict.fromkeys(range(count)))
    assert orders_of(binance_spot=desk).hung_text() == text


def test_nothing_is_opened_at_a_silent_venue() -> None:
    orders = orders_of(binance_spot=Desk(0))
    orders._lines, orders._broken, orders._halts = {}, None, None
    orders._journal = SimpleNamespace(shortage=None)
    orders._silence = SimpleNamespace(reasons=lambda: {"binance_spot": "nothing was received"})
    assert orders._reasons() == {"binance_spot": "nothing was received"}


def with_journal(state: Path, **errors: InputError) -> Any:
    """Orders of a session whose journal has these errors; flags are in `state`."""
    orders = orders_of()
    orders._lines, orders._session, orders._is_flagged, orders._broken = {}, Session(), False, None
    orders._halts = SessionHalts(state, {"binance_spot": "binance"})
    orders._journal = SimpleNamespace(**{"shortage": None, "fault": None, **errors})
    orders._guard = SimpleNamespace(reason=lambda: "")
    orders._now = lambda: 7
    orders._look_for_fault()
    return orders


def test_a_journal_that_lives_from_its_reserve_halts_and_flags_but_goes_on(tmp_path: Path) -> None:
    short = InputError("journal.db: cannot be written: full; make room, then arb resume")
    orders = with_journal(tmp_path, shortage=short)
    (flag,) = orders._halts.flags()
    assert flag == Halt("", 7, False, "journal.db: cannot be written: full")
    assert orders.halted() == (str(short), False)
    assert orders._reasons() == {"": flag.reason}
    assert (orders.broken, orders._session.failed) == (short, [])
    orders._look_for_fault()
    assert orders._session.lines == [("journal", f"{short}: nothing is opened, the session is halted")]


def test_a_journal_that_takes_nothing_ends_the_session_with_a_flag(tmp_path: Path) -> None:
    fault = InputError("journal.db: cannot be written: Input/output error")
    orders = with_journal(tmp_path, fault=fault)
    assert [flag.reason for flag in orders._halts.flags()] == [str(fault)]
    assert orders._session.failed == [fault]


def test_files_that_cannot_be_written_halt_without_a_flag(tmp_path: Path) -> None:
    orders = with_journal(tmp_path)
    assert (orders.halted(), orders._reasons()) == (None, {})
    error = InputError("private: cannot be written: full")
    assert orders.break_off(error)
    assert orders.halted() == (str(error), False)
    assert orders._reasons() == {"": str(error)}
    assert orders._halts.flags() == ()


def test_a_flag_that_cannot_be_written_halts_the_session_all_the_same(tmp_path: Path) -> None:
    state = tmp_path / "file"
    state.write_text("")
    orders = with_journal(state, fault=InputError("journal.db: cannot be written"))
    assert "halt.json: cannot be written" in orders.halted()[0]

"""Compiling and running a strategy: what is said when it cannot, how it ends, how it is stopped."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, LOCAL_EVENT, SELL_EVENT, event_dtype
from support.recording_files import clean_imports, make_leg

from arb.backtest.assets import LegData, backtest_bot
from arb.backtest.runner import Ended, compile_for, run
from arb.bot.bot import Bot
from arb.errors import ExitCode, InputError, StrategyError
from arb.strategies.loader import LoadedStrategy, load_strategy

pytestmark = pytest.mark.slow

LEG = make_leg("a")
S = 1_000_000_000


@pytest.fixture
def bot() -> Iterator[Bot]:
    """One leg, one book, ten seconds."""
    rows = np.zeros(20, event_dtype)
    for n in range(10):
        for k, (side, px) in enumerate(((BUY_EVENT, 99.9), (SELL_EVENT, 100.1))):
            row = rows[2 * n + k]
            row["ev"] = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT | side
            row["exch_ts"] = row["local_ts"] = (n + 1) * S
            row["px"], row["qty"] = px, 5.0
    with backtest_bot([LegData(LEG, [rows])], None, keep_trades=False) as made:
        yield made


@pytest.fixture
def strategy(tmp_path: Path) -> Iterator[Callable[[str], LoadedStrategy]]:
    def load(text: str) -> LoadedStrategy:
        path = tmp_path / "mine.py"
        path.write_text(text)
        return load_strategy(f"{path}:run")

    with clean_imports(tmp_path):
        yield load


def ended(loaded: LoadedStrategy, bot: Bot) -> Ended:
    return run(compile_for(loaded, (bot,)), (bot,), bot, loaded.code)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("def run(hbt):\n    x = 1\n    return hbt.nope(0)", "line 3: Unknown attribute 'nope' of type"),
        ("def run(hbt):\n    return hbt.depth()", "line 2: Invalid use of"),
        ("def run(hbt):\n    return missing(hbt)", "line 1: NameError: name 'missing' is not defined"),
        ("D = {}\ndef run(hbt):\n    return D['a']", "line 3: Untyped global name 'D'"),
        ("def run(hbt):\n    return f'{1.0:.2f}'", "line 2: "),
        ("def run(hbt):\n    with open('x') as f:\n        return f", "line "),
        ("def run(hbt):\n    import os\n    return os.getpid()", "line 2: "),
        ("def run(hbt):\n    class A: pass\n    return A()", "line 2: "),
        ("def run(hbt):\n    a, *b = 1, 2, 3\n    return b", "line 2: "),
        ("def run(hbt):\n    x = 'a' if hbt.elapse(1) else 1\n    return x", "line 2: Cannot unify"),
        ("def run(hbt):\n    return sum([hbt, 1])", "line 2: No implementation of function"),
        (
            "def run(hbt):\n    try:\n        hbt.elapse(1)\n    except ValueError as e:\n        return 2",
            "line 4: ",
        ),
        (
            "from numba import njit\n@njit\ndef h(b):\n    return b.zzz\ndef run(hbt):\n    return h(hbt)",
            "line 6: Unknown attribute 'zzz'",
        ),
    ],
)
def test_what_does_not_compile_is_reported_in_one_line(
    strategy: Callable[[str], LoadedStrategy], bot: Bot, text: str, reported: str
) -> None:
    loaded = strategy(text)
    with pytest.raises(InputError) as caught:
        compile_for(loaded, (bot,))
    message = str(caught.value)
    assert caught.value.exit_code == ExitCode.USER_INPUT
    assert message.startswith(f"{loaded.spec}: does not compile: {reported}")
    assert message.splitlines() == [message]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("def run(hbt):\n    raise ValueError('too late')", "ValueError: too late"),
        ("def run(hbt):\n    assert hbt.elapse(1) == 7, 'boom'", "AssertionError: boom"),
        ("def run(hbt):\n    return 1 // (hbt.elapse(1) * 0)", "ZeroDivisionError: integer division by zero"),
    ],
)
def test_a_strategy_that_raises_is_reported(
    strategy: Callable[[str], LoadedStrategy], bot: Bot, text: str, reported: str
) -> None:
    with pytest.raises(StrategyError, match=reported) as caught:
        ended(strategy(text), bot)
    assert caught.value.exit_code == ExitCode.OUR_FAULT


def test_what_it_returns_is_handed_on(strategy: Callable[[str], LoadedStrategy], bot: Bot) -> None:
    loaded = strategy("def run(hbt):\n    while hbt.elapse(1_000_000_000) == 0:\n        pass\n    return 42")
    assert ended(loaded, bot) == Ended(42, is_interrupted=False, is_lost=False)


def test_a_plain_njit_strategy_is_compiled_again(strategy: Callable[[str], LoadedStrategy], bot: Bot) -> None:
    loaded = strategy("from numba import njit\n@njit\ndef run(hbt):\n    return hbt.num_assets\n")
    assert ended(loaded, bot).value == 1


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl+C shortly after the strategy has begun."""
    is_over = threading.Event()

    def press() -> None:
        while not any(thread.name == "strategy" for thread in threading.enumerate()):
            if is_over.wait(0.01):
                return
        if not is_over.wait(0.1):
            os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    yield
    is_over.set()
    presser.join()


def test_ctrl_c_stops_it(strategy: Callable[[str], LoadedStrategy], bot: Bot, ctrl_c: None) -> None:
    # A nanosecond a step: hours, if nobody stopped it.
    loaded = strategy("def run(hbt):\n    n = 0\n    while hbt.elapse(1) == 0:\n        n += 1\n    return n")
    result: Any = ended(loaded, bot)
    assert result.is_interrupted
    assert not result.is_lost
    assert result.value > 0


def test_what_it_raises_when_it_is_stopped_is_no_fault(
    strategy: Callable[[str], LoadedStrategy], bot: Bot, ctrl_c: None
) -> None:
    loaded = strategy(
        "def run(hbt):\n    while True:\n        if hbt.elapse(1) != 0:\n            raise ValueError('stopped')"
    )
    assert ended(loaded, bot) == Ended(None, is_interrupted=True, is_lost=False)

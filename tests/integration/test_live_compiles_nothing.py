"""A session with a gateway runs the machine code of a dry-run: nothing is compiled for it, nor read from the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba.core.caching import Cache
from numba.core.event import Listener, install_listener
from parity.strategies import quote_touches
from support.dry_market import MS, dry_legs
from support.hand_session import LEGS, HandSession

from arb.bot.compilation import compile_strategy
from arb.runtime.live_files import RESPONSE
from arb.runtime.replay import replay
from arb.runtime.warm import warm_session
from arb.simulation.bot import DryRunBot

pytestmark = pytest.mark.slow


class Compilations(Listener):  # type: ignore[misc]
    """Counts them."""

    count = 0

    def on_start(self, event: Any) -> None:
        self.count += 1

    def on_end(self, event: Any) -> None:
        """Counted at their start."""


def test_nothing_is_compiled_after_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    warm_session(LEGS[0], [])
    legs = dry_legs(3, 200)
    bot, out = DryRunBot(LEGS), np.zeros(400_000)
    strategy = compile_strategy(quote_touches)
    task = replay(bot, [one.arrays for one in legs], strategy, (bot, out, 0.004, 37 * MS))
    assert task.error is None
    bot.collect_fills()
    bot.close()

    loads: list[Any] = []
    load = Cache.load_overload

    def counted(cache: Any, *arguments: Any) -> Any:
        loads.append(cache)
        return load(cache, *arguments)

    monkeypatch.setattr(Cache, "load_overload", counted)
    listener = Compilations()
    with install_listener("numba:compile", listener):
        session = HandSession(1, quote_touches, (0.004, 37 * MS))
        found = session.replayed(np.array(session.responses, RESPONSE))
    assert len(session.ended.fills) > 20
    assert found.parts == session.ended.parts
    assert (listener.count, loads) == (0, [])

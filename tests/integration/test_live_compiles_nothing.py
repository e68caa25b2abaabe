"""A session with a gateway runs the machine code of a dry-run: nothing is compiled for it.

Only the strategy is read from the disk, since every session loads its own.
"""

from __future__ import annotations

import numpy as np
import pytest
from parity.strategies import quote_touches
from support.compilations import Compilations
from support.dry_market import MS, dry_legs
from support.hand_session import LEGS, HandSession

from arb.bot.compilation import compile_strategy
from arb.execution.ids import SessionIds
from arb.runtime.live_files import EXECUTION, REQUEST, RESPONSE, STATE, OrderRecords
from arb.runtime.replay import replay
from arb.runtime.warm import warm_session
from arb.simulation.bot import DryRunBot
from arb.verify.simulated_orders import simulated_orders

pytestmark = pytest.mark.slow


def test_nothing_is_compiled_after_a_dry_run() -> None:
    warm_session(LEGS[0], [])
    legs = dry_legs(3, 200)
    bot, out = DryRunBot(LEGS), np.zeros(400_000)
    strategy = compile_strategy(quote_touches)
    task = replay(bot, [one.arrays for one in legs], strategy, (bot, out, 0.004, 37 * MS))
    assert task.error is None
    bot.collect_fills()
    bot.close()

    with Compilations() as compilations:
        session = HandSession(1, quote_touches, (0.004, 37 * MS))
        found = session.replayed(np.array(session.responses, RESPONSE))
        records = OrderRecords(
            np.array(session.requests, REQUEST),
            np.array(session.responses, RESPONSE),
            np.zeros(0, EXECUTION),
            np.zeros(0, STATE),
            {},
            {},
        )
        ids = SessionIds("tests1", 1, 1)
        compared = simulated_orders(LEGS, ids, records, [one.arrays for one in legs], session.end_ts)
    assert len(compared) > 20
    assert len(session.ended.fills) > 20
    assert found.parts == session.ended.parts
    assert (compilations.compiled, compilations.loaded) == (0, 1)

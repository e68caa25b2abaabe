"""What the simulated exchanges answer to requests that are all known beforehand. No bot: nothing depends on an answer.

Runs the function that a dry-run has at its port, through its queues (`arb.engine.mailbox`): nothing else is compiled.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from arb.bot.codes import OK
from arb.engine.mailbox import Mailbox
from arb.engine.world import NEVER, set_fields
from arb.errors import InvariantError
from arb.leg import Leg
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import Latency
from connectors.model import Rows

_SERVE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


class ExchangeAnswer(NamedTuple):
    """A response. row: of ORDER; received_ts: when a bot would have it."""

    leg: int
    received_ts: int
    row: Any


def answers_of(
    legs: Sequence[Leg],
    latencies: Sequence[Latency],
    rows: Sequence[Iterable[Rows]],
    requests: Iterable[tuple[int, Any]],
) -> list[ExchangeAnswer]:
    """All responses, in the order in which the exchanges made them.

    rows: of each leg, with EXCH_EVENT, by venue time. requests: (leg, row of ORDER), of each leg by `local_timestamp`,
    when it is sent. Raises InvariantError if an exchange refuses one as malformed.
    """
    found: list[ExchangeAnswer] = []
    # The bot frees the memory; no strategy uses it.
    bot = DryRunBot(legs, latencies=latencies)
    with bot:
        world = bot.world
        set_fields(world.record, is_started=1)
        for stream, arrays in zip(bot.exchanges.streams, rows, strict=True):
            for array in arrays:
                stream.append(array)
        mailbox = Mailbox(world)
        for leg, row in requests:
            mailbox.put_request(leg, row, int(row["local_timestamp"]))
        bot.exchanges.set_horizon(NEVER)
        set_fields(world.port, until_ts=NEVER, until_asset=0)
        serve = _SERVE(int(world.port["serve"][0]))
        while True:
            code = serve(world.address)
            if code != OK or world.lost:
                raise InvariantError(
                    f"the simulated exchange failed with code {code}, and lost {world.lost} answers"
                )
            answers = mailbox.take_answers()
            if not answers:
                return found
            found += [ExchangeAnswer(*answer) for answer in answers]

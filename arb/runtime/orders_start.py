"""How a session that trades waits for its order connections: until accounts are known, and sockets are up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from arb.errors import InputError
from arb.execution.gateway import Gateway
from arb.runtime.order_lines import OrderLines
from arb.runtime.session import Session

#: How long the connections may take to be up at the start.
_OPEN_S = 30.0
#: How long the session waits for a connection for orders when everything else is up.
_SOCKET_S = 5.0
#: How often it is looked whether all is up.
_LOOK_S = 0.02


async def until_up(gateway: Gateway, lines: Mapping[str, OrderLines], session: Session) -> None:
    """Returns when all venues are up. Raises InputError after a while, and for an account in hedge mode."""
    deadline = time.monotonic() + _OPEN_S
    desks = gateway.desks
    while away := [venue for venue, desk in desks.items() if not (desk.is_up and desk.is_compared)]:
        if gateway.fault is not None:
            raise gateway.fault
        if time.monotonic() > deadline:
            why = (f"{venue} ({lines[venue].reason or 'no answer'})" for venue in away)
            raise InputError(f"no order connection within {_OPEN_S:g} s: {', '.join(why)}")
        await asyncio.sleep(_LOOK_S)
    for venue, desk in gateway.desks.items():
        if desk.facts.mode == "hedge":
            raise InputError(
                f"{venue}: the account is in hedge mode, and orders are made for one-way mode: switch it, or "
                "choose another account"
            )
        if differs := ", ".join(desk.differences):
            raise InputError(
                f"{venue}: the account's position is not the session's ({differs}): close it, take it over with "
                "--adopt, or choose another account"
            )
    await _until_sockets(gateway, lines, session)


async def _until_sockets(gateway: Gateway, lines: Mapping[str, OrderLines], session: Session) -> None:
    """Returns when all venues have a socket for orders; after a while also without, as orders can go by REST."""
    deadline = time.monotonic() + _SOCKET_S
    desks = {venue: desk for venue, desk in gateway.desks.items() if lines[venue].takes_sockets}
    for venue in gateway.desks.keys() - desks.keys():
        session.write("start", f"{venue}: there is no socket for orders: they go by REST")
    while away := [venue for venue, desk in desks.items() if not desk.has_socket]:
        if gateway.fault is not None:
            raise gateway.fault
        if time.monotonic() > deadline:
            for venue in away:
                why = lines[venue].reason or "no answer"
                session.write(
                    "warning", f"{venue}: no socket for orders ({why}): they go by REST until it is up"
                )
            return
        await asyncio.sleep(_LOOK_S)

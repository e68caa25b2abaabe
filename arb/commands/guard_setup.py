"""The guard of a session: what it is given about the session's orders, and the environment of its process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from arb.alerts.message import ChannelAddress, Origin
from arb.config import Config
from arb.config.account_keys import house_of
from arb.config.secrets import environment_without
from arb.errors import InvariantError
from arb.results.evidence import GUARD_LOG
from arb.runtime.guard_plan import GuardAlerts, GuardKey, GuardLeg, GuardPlan, GuardVenue
from arb.runtime.guard_process import GuardProcess
from arb.runtime.order_setup import OrderSetup
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer


def guard_of(
    config: Config,
    setup: OrderSetup,
    state: Path,
    folder: Path,
    own: Mapping[str, Signer] | None,
    channels: Sequence[ChannelAddress],
) -> GuardProcess | None:
    """The guard of a session. state: folder of the environment; folder: of the session; own: what signs for the guard
    alone, by house; None: the venues end with the session, and only alerts are sent, if there are channels."""
    if own is None and not channels:
        return None
    ids = setup.ids
    alerts = config.alerts
    origin = Origin(f"{ids.tag}-{ids.run}", folder.name, setup.options.environment, tuple(setup.venues))
    plan = GuardPlan(
        str(state.absolute()),
        str((folder / GUARD_LOG).absolute()),
        setup.ids.tag,
        setup.ids.run,
        config.guard.timeout_ms,
        setup.recv_window_ms,
        ()
        if own is None
        else tuple(_venue(setup, venue, own.get(house_of(venue))) for venue in setup.venues),
        alerts=GuardAlerts(origin, tuple(channels), "lost" in alerts.states, alerts.every_s)
        if channels
        else None,
    )
    return GuardProcess(plan, environment_without(venue.auth for venue in config.venues.values()))


def _venue(setup: OrderSetup, venue: str, own: Signer | None) -> GuardVenue:
    legs = tuple(
        GuardLeg(one.symbol, leg.tick_size_text, leg.lot_size_text, one.base, one.quote, one.is_spot)
        for leg, one in zip(setup.legs, setup.instruments, strict=True)
        if leg.venue == venue
    )
    return GuardVenue(venue, "", _key(venue, own or setup.signers[venue]), legs)


def _key(venue: str, signer: Signer) -> GuardKey:
    if not isinstance(signer, HmacSigner | Ed25519Signer):
        raise InvariantError(f"{venue}: a signer without a key")
    kind = "ed25519" if isinstance(signer, Ed25519Signer) else "hmac"
    return GuardKey(house_of(venue), kind, signer.key_id, signer.private())

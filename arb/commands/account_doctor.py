"""`arb doctor --live`: what `arb live` would find at its accounts. Changes nothing, and sends no order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from arb.accounts.ccxt_client import load_ccxt
from arb.accounts.checks import Level as Found
from arb.accounts.clients import account_clients
from arb.accounts.examine import Finding, examine_accounts
from arb.accounts.start import StartSetup
from arb.commands.account_state import refuse_halted
from arb.commands.alerts import alert_checks
from arb.commands.checks import Check, Level
from arb.commands.live import refuse_unlimited
from arb.commands.sandbox_account import running_keys, trading_sandbox
from arb.commands.sandbox_choice import SandboxChoice
from arb.config import Config
from arb.config.account_keys import account_signers, house_of
from arb.config.environment import Environment, EnvironmentName, environment_of, state_directory
from arb.errors import InputError, InvariantError
from arb.runtime.host import Host
from arb.runtime.listings import listed, mid_of
from arb.runtime.process_guard import no_core_files
from arb.runtime.sandbox_venues import sandbox_urls
from arb.runtime.trade_protocols import signer_of
from arb.sandbox.serve.sandbox import Sandbox
from arb.sandbox.serve.urls import VenueUrls
from connectors.orders.signing import Signer

_LEVELS: dict[Found, Level] = {"ok": Level.OK, "warning": Level.WARN, "refused": Level.FAIL}


def examine_live(
    config: Config, environment: EnvironmentName, timeout_s: float, sandbox: SandboxChoice | None
) -> list[Check]:
    """The checks of the configured legs' accounts. Raises InputError for keys and addresses that are not usable."""
    checks = alert_checks(config)
    market: Environment | Sandbox | dict[str, VenueUrls]
    if sandbox is None:
        checks.append(
            _passed("configuration", "limits and capital are written", lambda: refuse_unlimited(config))
        )
        market = environment_of(environment, config.venues)
        no_core_files()
        signers: Mapping[str, Signer] = account_signers(config.venues)
    elif sandbox.port_base is None:
        market, keys = trading_sandbox(config, sandbox.seed)
        signers = {key.house: signer_of(key) for key in keys}
    else:
        market = sandbox_urls(sandbox.port_base)
        signers = {key.house: signer_of(key) for key in running_keys(market, config.legs)}
    state = state_directory(config.live) / environment
    checks.append(_passed("halt", f"none is set in {state}", lambda: refuse_halted(state)))
    for house in dict.fromkeys(map(house_of, config.venues)):
        load_ccxt(house)
    with Host(dict(config.venues), market) as host:
        work = _examined(config, host, environment, signers, timeout_s)
        found = host.run(lambda: host.until_over(work))
    if found is None:
        raise KeyboardInterrupt
    for topic, check in found:
        checks.append(Check(f"{check.name} {topic}", _LEVELS[check.level], check.line, check.step))
    return checks


def _passed(name: str, text: str, check: Callable[[], None]) -> Check:
    """A check that raises InputError if it fails. text: else."""
    try:
        check()
    except InputError as error:
        return Check(name, Level.FAIL, str(error))
    return Check(name, Level.OK, text)


async def _examined(
    config: Config, host: Host, environment: EnvironmentName, signers: Mapping[str, Signer], timeout_s: float
) -> list[Finding]:
    host.start_feeds()  # there are none
    if host.hosts is None:
        raise InvariantError("accounts need a list of the hosts that may be connected to")
    setup = StartSetup(host.venues, config.legs, config.account, environment, host.hosts)
    by_venue = {name: signers[house_of(name)] for name in host.venues}
    clients = account_clients(host.urls, by_venue, host.hosts, None)
    try:
        listings, mids = await asyncio.gather(
            asyncio.gather(
                *(
                    listed(venue, setup.symbols(name), timeout_s, host.hosts)
                    for name, venue in host.venues.items()
                )
            ),
            asyncio.gather(
                *(mid_of(host.venues[leg.venue], leg.symbol, timeout_s, host.hosts) for leg in config.legs)
            ),
        )
        return await examine_accounts(
            setup,
            clients,
            dict(zip(host.venues, listings, strict=True)),
            {leg.name: mid for leg, mid in zip(config.legs, mids, strict=True)},
            time.time_ns(),
        )
    finally:
        for client in clients.values():
            await client.close()

"""The start of a session whose orders venues answer: its accounts are checked and prepared, each step a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from arb.accounts.ccxt_client import load_ccxt
from arb.accounts.checks import StartCheck, Step
from arb.accounts.clients import account_clients
from arb.accounts.start import AccountFacts, StartSetup, check_accounts, check_guard_keys
from arb.config import Config
from arb.config.account_keys import house_of
from arb.config.environment import EnvironmentName
from arb.errors import InvariantError
from arb.leg import Leg
from arb.runtime.host import Host
from connectors.orders.signing import Signer


class AccountStart:
    """See `Preflight`."""

    def __init__(
        self,
        config: Config,
        legs: Sequence[Leg],
        signers: Mapping[str, Signer],
        environment: EnvironmentName,
        folder: Path,
        guards: Mapping[str, Signer] = MappingProxyType({}),
    ) -> None:
        """signers: by venue. folder: of the session. guards: by house, of keys that the guard alone uses. Imports ccxt,
        so that it takes no time in the event loop."""
        self._guards = guards
        self._environment = environment
        self._config = config
        self._legs = legs
        self._signers = signers
        self._folder = folder
        #: What the venues said; None until then.
        self.facts: AccountFacts | None = None
        for house in dict.fromkeys(map(house_of, signers)):
            load_ccxt(house)

    async def run(
        self,
        host: Host,
        write: Callable[[str, str], None],
        claim: Callable[[Mapping[str, str]], bool] = lambda _: False,
    ) -> None:
        """See `Preflight`; after `Host.compare_grids`. claim: see `check_accounts`."""
        if host.hosts is None:
            raise InvariantError("accounts need a list of the hosts that may be connected to")
        venues = {name: host.venues[name] for name in self._signers}
        setup = StartSetup(venues, self._legs, self._config.account, self._environment, host.hosts)

        def report(step: Step, checks: Sequence[StartCheck]) -> None:
            for level, event in (("ok", "start"), ("warning", "warning")):
                if own := [check.text for check in checks if check.level == level]:
                    write(event, f"{step}: {'; '.join(own)}")

        clients = account_clients(
            host.urls,
            self._signers,
            host.hosts,
            self._folder,
        )
        try:
            self.facts = await check_accounts(setup, clients, host.listings, report, claim)
        finally:
            for client in clients.values():
                await client.close()
        own = {venue: self._guards[house_of(venue)] for venue in venues if house_of(venue) in self._guards}
        clients = account_clients(host.urls, own, host.hosts, None)
        try:
            await check_guard_keys(setup, clients, self.facts, report)
        finally:
            for client in clients.values():
                await client.close()

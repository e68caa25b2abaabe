"""The start of a session on accounts: every check in its order, reported in one line each, before anything may trade.

What needs no order among the questions is asked at once, at all houses; findings are judged in the order of the steps.
Settings are changed only after everything before them is well. Event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from arb.accounts.checks import (
    Need,
    StartCheck,
    Step,
    balance_checks,
    clock_check,
    failed_check,
    fee_checks,
    filter_checks,
    is_key_refused,
    key_checks,
    mode_changes,
    refused_change,
    settings_check,
)
from arb.accounts.clock import sample_clock
from arb.accounts.facts import (
    AccountClient,
    AccountError,
    Balance,
    ClockFact,
    FeeRates,
    Modes,
    Rights,
)
from arb.config import VenueConfig
from arb.config.account_keys import house_of
from arb.config.assets import assets_of
from arb.config.environment import EnvironmentName
from arb.config.live_keys import Account
from arb.errors import InputError
from arb.leg import Leg
from connectors.model import Listing
from connectors.net.hosts import AllowedHosts

_T = TypeVar("_T")
_PLACES = Decimal("0.00000001")
#: The wallet of a venue; the others share their house's.
_WALLETS = {"binance_spot": "binance_spot", "binance_usdm": "binance_usdm"}

#: Receives a step and its findings, as soon as they are known.
Report = Callable[[Step, Sequence[StartCheck]], None]


class StartSetup(NamedTuple):
    """What is to be traded. venues: with the environment's addresses. wishes: `[account.<venue>]`."""

    venues: Mapping[str, VenueConfig]
    legs: Sequence[Leg]
    wishes: Mapping[str, Account]
    environment: EnvironmentName
    hosts: AllowedHosts

    def symbols(self, venue: str) -> list[str]:
        return list(dict.fromkeys(leg.symbol for leg in self.legs if leg.venue == venue))

    def wish(self, venue: str) -> Account:
        return self.wishes.get(venue, Account())

    def kinds(self, house: str) -> list[str]:
        """Of the house's venues: "spot", "linear"."""
        return list(dict.fromkeys(one.kind for name, one in self.venues.items() if house_of(name) == house))

    @property
    def perpetuals(self) -> list[str]:
        return [name for name, venue in self.venues.items() if not venue.is_spot]

    @property
    def wallets(self) -> dict[str, str]:
        """A venue of each wallet, by its name."""
        return {wallet_of(venue): venue for venue in self.venues}


class AccountFacts(NamedTuple):
    """What the start found out. account_ids: by house; balances: by wallet (`wallet_of`); others by venue."""

    account_ids: dict[str, str]
    clocks: dict[str, ClockFact]
    rights: dict[str, Rights | None]
    modes: dict[str, Modes]
    fees: dict[str, dict[str, FeeRates]]
    balances: dict[str, dict[str, Balance]]


async def check_accounts(
    setup: StartSetup,
    clients: Mapping[str, AccountClient],
    listings: Mapping[str, Mapping[str, Listing] | str],
    report: Report,
    claim: Callable[[Mapping[str, str]], bool] = lambda _: False,
) -> AccountFacts:
    """All checks. clients: by house. listings: by venue. claim: called with the account ids before anything is changed;
    whether there are positions already.

    Raises InputError with the first refusals in the order of the steps; nothing was changed unless they are of the
    settings or later ones.
    """
    asked = Questions(setup, clients)
    try:
        clocks = await _clocks(setup, clients, report)
        ids, _ = await _answered(asked.ids, setup)
        rights, unasked = await _answered(asked.rights, setup, is_optional=True)
        for house, own in rights.items():
            unasked += key_checks(house, own, setup.kinds(house), setup.environment)
        _judge(report, "key", unasked)
        filters: list[StartCheck] = []
        for name, venue in setup.venues.items():
            filters += filter_checks(venue, setup.symbols(name), listings[name])
        _judge(report, "filters", filters)
        is_held = claim(ids)
        found, settings = await _answered(asked.modes, setup)
        fees, rates = await _answered(asked.fees, setup)
        balances, money = await _answered(asked.balances, setup)
    finally:
        await asked.close()
    prepared = await _prepared(setup, clients, found)
    _judge(report, "settings", [*settings, *(check for _, check in prepared.values())])
    is_sandbox = setup.environment == "sandbox"
    for name, own_rates in fees.items():
        rates += fee_checks(setup.venues[name], setup.wish(name), own_rates, is_sandbox=is_sandbox)
    _judge(report, "fees", rates)
    needs = account_needs(setup.legs)
    for wallet, amounts in balances.items():
        lines = balance_checks(wallet, needs[wallet], amounts)
        # What is missing may be in the positions, which have to be hedged and closed all the same.
        if is_held:
            lines = [one._replace(level="warning") if one.level == "refused" else one for one in lines]
        money += lines
    _judge(report, "balances", money)
    modes = {name: after for name, (after, _) in prepared.items()}
    return AccountFacts(ids, clocks, rights, modes, fees, balances)


async def check_guard_keys(
    setup: StartSetup, clients: Mapping[str, AccountClient], facts: AccountFacts, report: Report
) -> None:
    """Checks keys that the session's guard alone uses. clients: by house; facts: of the session's accounts.

    Raises InputError for one that is refused, of another account, or with rights that it must not have or lacks.
    """
    for name, clock in facts.clocks.items():
        if house_of(name) in clients:
            clients[house_of(name)].set_clock(clock.offset_ns)
    ids, _ = await answers_of({house: one.account_id() for house, one in clients.items()}, setup)
    rights, found = await _answered(
        {house: _task(one.rights()) for house, one in clients.items()}, setup, is_optional=True
    )
    for house, own in rights.items():
        found += key_checks(house, own, setup.kinds(house), setup.environment)
        if ids.get(house) != facts.account_ids[house]:
            found.append(
                StartCheck(
                    house, "refused", "guard_api_key is a key of another account", "make one of this account"
                )
            )
    _judge(report, "guard's key", found)


def wallet_of(venue: str) -> str:
    """The name of the wallet that a venue's orders are paid from."""
    return _WALLETS.get(venue, house_of(venue))


def account_needs(legs: Sequence[Leg]) -> dict[str, dict[str, Need]]:
    """What the legs count on, by wallet and asset. Raises InputError for a leg whose assets are unknown."""
    needs: dict[str, dict[str, Need]] = defaultdict(dict)
    counted: set[tuple[str, ...]] = set()

    def add(wallet: str, asset: str, amount: float, least: float) -> None:
        own = needs[wallet].get(asset, Need(Decimal(0), Decimal(0)))
        needs[wallet][asset] = Need(own.amount + _amount(amount), max(own.least, _amount(min(least, amount))))

    for leg in legs:
        wallet = wallet_of(leg.venue)
        assets = assets_of(leg.symbol)
        if assets is None:
            raise InputError(
                f"{leg.name}: its base and quote asset are not known by its name; its account needs them: choose "
                "another leg"
            )
        if leg.is_spot:
            add(wallet, assets.base, leg.base, leg.min_qty)
        # Legs with the same funds share them, and those of a venue its fee asset.
        shares = {(*leg.funds, assets.quote): (assets.quote, leg.quote, leg.min_notional)}
        if leg.has_named_fee_asset:
            shares[leg.venue,] = (leg.fee_asset, leg.fee_units, 0.0)
        for funds, share in shares.items():
            if funds not in counted:
                counted.add(funds)
                add(wallet, *share)
    return dict(needs)


class Questions:
    """Everything that is asked at once, as tasks by house, venue or wallet.

    Also the clocks are read meanwhile: a clock with which a venue takes no questions is refused in any case.
    """

    def __init__(self, setup: StartSetup, clients: Mapping[str, AccountClient]) -> None:
        def of(venue: str) -> AccountClient:
            return clients[house_of(venue)]

        self.ids = {house: _task(client.account_id()) for house, client in clients.items()}
        self.rights = {house: _task(client.rights()) for house, client in clients.items()}
        self.modes = {name: _task(of(name).modes(setup.symbols(name))) for name in setup.perpetuals}
        self.fees = {name: _task(of(name).fees(name, setup.symbols(name))) for name in setup.venues}
        self.balances = {wallet: _task(of(venue).balances(venue)) for wallet, venue in setup.wallets.items()}

    async def close(self) -> None:
        """Cancels what nobody waits for any more."""
        groups: Sequence[Mapping[str, asyncio.Task[Any]]] = (
            self.ids, self.rights, self.modes, self.fees, self.balances,
        )  # fmt: skip
        tasks = [task for group in groups for task in group.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _task(question: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    return asyncio.create_task(question)


async def answers_of(
    asked: Mapping[str, Awaitable[_T]], setup: StartSetup, *, is_optional: bool = False
) -> tuple[dict[str, _T], list[StartCheck]]:
    """The answers by name, and what was refused or not answered; a testnet may lack a request, with a warning.

    is_optional: a testnet may refuse it in any way, but for the key.
    """
    found = await asyncio.gather(*asked.values(), return_exceptions=True)
    answers, failures = {}, []
    for name, one in zip(asked, found, strict=True):
        if isinstance(one, AccountError):
            file = next(venue.file for venue in setup.venues.values() if venue.name.startswith(name))
            failed = failed_check(name, file, one)
            is_lacking = one.is_unserved or (is_optional and not is_key_refused(one))
            if is_lacking and setup.environment in ("testnet", "demo"):
                failed = StartCheck(name, "warning", f"{failed.line}: it cannot be asked here")
            failures.append(failed)
        elif isinstance(one, BaseException):
            raise one
        else:
            answers[name] = one
    return answers, failures


async def _answered(
    asked: Mapping[str, asyncio.Task[_T]], setup: StartSetup, *, is_optional: bool = False
) -> tuple[dict[str, _T], list[StartCheck]]:
    """The answers by name, and warnings about others. Raises InputError with what was refused or not answered."""
    answers, failures = await answers_of(asked, setup, is_optional=is_optional)
    _refuse(failures)
    return answers, failures


async def _clocks(
    setup: StartSetup, clients: Mapping[str, AccountClient], report: Report
) -> dict[str, ClockFact]:
    clocks, failures = await answers_of(
        {name: sample_clock(venue, setup.hosts) for name, venue in setup.venues.items()}, setup
    )
    _refuse(failures)
    _judge(report, "clock", [clock_check(name, clock) for name, clock in clocks.items()])
    for name, clock in clocks.items():
        clients[house_of(name)].set_clock(clock.offset_ns)
    return clocks


async def _prepared(
    setup: StartSetup, clients: Mapping[str, AccountClient], modes: Mapping[str, Modes]
) -> dict[str, tuple[Modes, StartCheck]]:
    """The settings after the preparation, by venue. Raises InputError if one cannot be read again."""

    async def one(name: str) -> tuple[Modes, StartCheck]:
        client, symbols, wish = clients[house_of(name)], setup.symbols(name), setup.wish(name)
        changes = mode_changes(modes[name], wish, symbols)
        for change in changes:
            try:
                await client.change(change)
            except AccountError as error:
                return modes[name], refused_change(name, change, error)
        after = await client.modes(symbols) if changes else modes[name]
        return after, settings_check(name, wish, modes[name], after)

    found, failures = await answers_of({name: one(name) for name in modes}, setup)
    _refuse(failures)
    return found


def _judge(report: Report, step: Step, checks: Sequence[StartCheck]) -> None:
    """Reports a step that found something. Raises InputError if something is refused."""
    _refuse(checks)
    if checks:
        report(step, checks)


def _refuse(checks: Sequence[StartCheck]) -> None:
    if refused := [check.text for check in checks if check.level == "refused"]:
        raise InputError("; ".join(refused))


def _amount(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(_PLACES)

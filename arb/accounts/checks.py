"""What a session accepts of an account: facts against the venue's file and the configuration. Pure.

Each function returns the findings of one step about one venue or house: what is well, what a person should look at, and
what ends the start, with the next step in the same line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from arb.accounts.facts import (
    AccountError,
    Balance,
    ClockFact,
    FeeRates,
    ModeChange,
    Modes,
    Rights,
)
from arb.config import VenueConfig
from arb.config.environment import EnvironmentName
from arb.config.live_keys import Account
from arb.leg import IN_QUOTE, IN_RECEIVED
from connectors.model import Listing
from connectors.units import MILLISECOND, SECOND

#: Steps of the start, in their order.
Step = Literal["clock", "key", "filters", "settings", "fees", "balances", "guard's key"]
STEPS: tuple[Step, ...] = ("clock", "key", "filters", "settings", "fees", "balances")

Level = Literal["ok", "warning", "refused"]

#: A clock that is further off is refused: Binance takes no request from more than a second ahead.
CLOCK_MAX_NS = SECOND
_CLOCK_WARN_NS = 250 * MILLISECOND
_CLOCK_STEP = "let NTP set the clock (timedatectl set-ntp true, or chrony)"
#: Codes of refused keys, signatures and addresses, of missing rights, of requests with a wrong time, of too many.
_KEY_CODES = ("-1002", "-1022", "-2008", "-2014", "-2015", "10003", "10004", "10007", "33004", "401")
_ADDRESS_CODES = ("10010",)
_RIGHT_CODES = ("10005",)
_TIME_CODES = ("-1021", "10002")
_BUSY_CODES = ("418", "429", "-1003", "10006", "403", "10018")
_AGAIN = "try again, arb doctor looks for the cause"
_KINDS = {"spot": "spot", "linear": "perpetuals"}


class StartCheck(NamedTuple):
    """One finding. name: a venue, a house, or `venue:SYMBOL`. step: what a person does next; "" for nothing."""

    name: str
    level: Level
    line: str
    step: str = ""

    @property
    def text(self) -> str:
        return f"{self.name}: {self.line}" + (f": {self.step}" if self.step else "")


class Need(NamedTuple):
    """Of one asset: what `[capital]` counts on, and what the smallest order takes."""

    amount: Decimal
    least: Decimal


def clock_check(venue: str, fact: ClockFact) -> StartCheck:
    """How far our clock is off by the venue's; half the round trip is the largest error of the estimate."""
    side = "behind" if fact.offset_ns > 0 else "ahead of"
    off_ms, trip_ms = abs(fact.offset_ns) / MILLISECOND, fact.round_trip_ns / MILLISECOND
    line = f"{off_ms:,.1f} ms {side} the venue's clock, round trip {trip_ms:,.1f} ms"
    sure_ns = abs(fact.offset_ns) - fact.round_trip_ns // 2
    if sure_ns > CLOCK_MAX_NS:
        return _refused(venue, f"this machine's clock is {line}: more than 1 s is refused", _CLOCK_STEP)
    if sure_ns > _CLOCK_WARN_NS:
        return StartCheck(venue, "warning", line, _CLOCK_STEP)
    return StartCheck(venue, "ok", line)


def key_checks(
    house: str, rights: Rights | None, kinds: Sequence[str], environment: EnvironmentName
) -> list[StartCheck]:
    """kinds: of the session's venues: "spot", "linear". Keys of a sandbox need no addresses."""
    if rights is None:
        line = "what the key may do cannot be asked here: a right to withdraw would not be found"
        if environment == "live":
            return [_refused(house, line, "write [connection] wallet_url in the file of binance_usdm")]
        return [StartCheck(house, "ok" if environment == "sandbox" else "warning", line)]
    found = []
    if rights.may_withdraw or rights.may_transfer:
        moves = (("withdraw", rights.may_withdraw), ("transfer", rights.may_transfer))
        what = " and ".join(name for name, may in moves if may)
        step = f"take this right from it at {house}, or make another key"
        found.append(_refused(house, f"the key may {what}", step))
    if missing := [_KINDS[kind] for kind in kinds if kind not in rights.trades]:
        step = f"give it this right at {house}, or choose other legs"
        found.append(_refused(house, f"the key may not trade {' and '.join(missing)}", step))
    if not rights.has_ip_list and environment != "sandbox":
        ends = f"; it expires {rights.expires}" if rights.expires else ""
        step = f"bind it to this machine's address at {house}"
        found.append(StartCheck(house, "warning", f"the key may be used from every address{ends}", step))
    may = " and ".join(_KINDS[kind] for kind in sorted(rights.trades, reverse=True)) or "nothing"
    return found or [StartCheck(house, "ok", f"the key trades {may}, and moves no money")]


def filter_checks(
    venue: VenueConfig, symbols: Sequence[str], listings: Mapping[str, Listing] | str
) -> list[StartCheck]:
    """Trading and minima by the venue's listing; ticks and lots are compared before. listings: why not, if a text."""
    if isinstance(listings, str):
        return [_refused(venue.name, f"its filters are not known: {listings}", _AGAIN)]
    found = []
    for symbol in symbols:
        name, listing, own = f"{venue.name}:{symbol}", listings.get(symbol), venue.symbols[symbol]
        if listing is None:
            found.append(_refused(name, "the venue does not list it", "choose another leg"))
            continue
        if not listing.is_trading:
            found.append(_refused(name, "the venue does not trade it now", "choose another leg, or wait"))
        min_qty = own.lot_size if own.min_qty is None else repr(own.min_qty)
        for key, ours, theirs in (
            ("min_qty", min_qty, listing.min_qty),
            ("min_notional", repr(own.min_notional), listing.min_notional),
        ):
            if theirs and Decimal(ours) < Decimal(theirs):
                line = f"{key} is {shown(ours)}, the venue refuses orders below {shown(theirs)}"
                step = f"write {key} = {shown(theirs)} in [symbols.{symbol}] of {venue.file}"
                found.append(_refused(name, line, step))
    return found or [StartCheck(venue.name, "ok", f"{', '.join(symbols)} as in {venue.file}")]


def mode_changes(modes: Modes, wish: Account, symbols: Sequence[str]) -> list[ModeChange]:
    """What to set so that the account is as wished; the account's own settings first."""
    changes: list[ModeChange] = []
    if modes.is_hedge:
        changes.append(ModeChange("one_way"))
    if modes.is_multi_assets:
        changes.append(ModeChange("single_asset"))
    for symbol in symbols:
        change = ModeChange("margin_mode", "" if modes.has_one_margin else symbol, wish.margin_mode)
        if modes.symbols[symbol].margin_mode != wish.margin_mode and change not in changes:
            changes.append(change)
        if modes.symbols[symbol].leverage != Decimal(repr(wish.leverage)):
            changes.append(ModeChange("leverage", symbol, shown(repr(wish.leverage))))
    return changes


def settings_check(venue: str, wish: Account, before: Modes, after: Modes) -> StartCheck:
    """The settings after the preparation. before: as they were found."""
    if left := mode_changes(after, wish, list(after.symbols)):
        what = " and ".join(change_text(change) for change in left)
        return _refused(venue, f"{what} did not last", "look at the account's settings")
    made = mode_changes(before, wish, list(before.symbols))
    line = f"one-way mode, {wish.margin_mode} margin, leverage {shown(repr(wish.leverage))}"
    if made:
        line += f" (set now: {', '.join(change_text(change) for change in made)})"
    return StartCheck(venue, "ok", line)


def change_text(change: ModeChange) -> str:
    """A setting as messages name it."""
    of = f" of {change.symbol}" if change.symbol else ""
    return {
        "one_way": "one-way mode",
        "single_asset": "single-asset mode",
        "margin_mode": f"{change.value} margin{of}",
        "leverage": f"leverage {change.value}{of}",
    }[change.key]


def refused_change(venue: str, change: ModeChange, error: AccountError) -> StartCheck:
    """A setting that the venue refuses, mostly because of open orders or positions."""
    line = f"{change_text(change)} cannot be set ({error.code} {error.text})"
    return _refused(venue, line, "close what is open there, or set it by hand")


def fee_checks(
    venue: VenueConfig, wish: Account, rates: Mapping[str, FeeRates], *, is_sandbox: bool
) -> list[StartCheck]:
    """Rates, and what fees are paid in, against `[fees]`. is_sandbox: it may take fees in any asset unasked.

    The file has the rates of a venue. Where symbols differ, it states those of the dearest: another may be cheaper.
    """
    found = []
    fees = venue.fees
    ours = {"maker": Decimal(repr(fees.maker)), "taker": Decimal(repr(fees.taker))}
    by_symbol = {symbol: {"maker": one.maker, "taker": one.taker} for symbol, one in rates.items()}
    dearest = {key: max((own[key] for own in by_symbol.values()), key=max) for key in ours if rates}
    for symbol, one in rates.items():
        name, theirs = f"{venue.name}:{symbol}", by_symbol[symbol]
        wrong = [key for key, rate in ours.items() if rate not in theirs[key]]
        what = " and ".join(
            f"{key} is {shown(ours[key])}, the account pays {shown(theirs[key][0])}" for key in wrong
        )
        if wrong and all(ours[key] in dearest[key] for key in wrong):
            found.append(StartCheck(name, "warning", f"{what}: it is counted with too high fees"))
        elif wrong:
            lines = ", ".join(f"{key} = {shown(dearest[key][0])}" for key in wrong)
            found.append(_refused(name, what, f"write {lines} in [fees] of {venue.file}"))
        is_named = one.paid_in not in (IN_QUOTE, IN_RECEIVED)
        if wish.fee_asset not in (None, one.paid_in):
            line = f'the account pays fees in "{one.paid_in}", [account.{venue.name}] fee_asset is "{wish.fee_asset}"'
            found.append(_refused(name, line, "change it there, or at the venue"))
        elif one.paid_in != fees.asset and (is_named or not is_sandbox):
            line = f'[fees] asset is "{fees.asset}", the account pays fees in "{one.paid_in}"'
            price = f", with the price of {one.paid_in}" if is_named else ""
            step = (
                f'write asset = "{one.paid_in}"{price} in [fees] of {venue.file}, or change it at the venue'
            )
            found.append(_refused(name, line, step))
    line = f"maker {shown(repr(fees.maker))}, taker {shown(repr(fees.taker))}, paid in {fees.asset}"
    return found or [StartCheck(venue.name, "ok", line)]


def balance_checks(
    wallet: str, needs: Mapping[str, Need], balances: Mapping[str, Balance]
) -> list[StartCheck]:
    """What `[capital]` counts on against what is free. wallet: what the money is in: a venue or a house."""
    found, have = [], []
    for asset, need in needs.items():
        free = balances[asset].free if asset in balances else Decimal(0)
        have.append(f"{shown(free)} {asset}")
        if free >= need.amount:
            continue
        line = f"{shown(free)} {asset} are free, [capital] counts on {shown(need.amount)}"
        if free < need.least:
            line += f", and the least order needs {shown(need.least)}"
            found.append(_refused(wallet, line, f"transfer {asset}, or choose other legs"))
        else:
            found.append(StartCheck(wallet, "warning", f"{line}: a session uses what is free"))
    return found or [StartCheck(wallet, "ok", f"{', '.join(have) or 'nothing'} free")]


def is_key_refused(error: AccountError) -> bool:
    """Whether the key, its signature or its address is refused, whatever was asked."""
    return error.code in _KEY_CODES or error.code in _ADDRESS_CODES


def failed_check(name: str, file: str, error: AccountError, step: str = _AGAIN) -> StartCheck:
    """A question that was refused or not answered. file: names the key. step: for causes that are not known here."""
    what = f"{error.code} {error.text}".strip() or "no answer"
    if error.code in _KEY_CODES:
        step = f"look at [auth] of {file}: key, secret, environment, and the key's addresses must belong together"
    elif error.code in _ADDRESS_CODES:
        step = "add this machine's address to the key's"
    elif error.code in _RIGHT_CODES:
        step = "give the key the rights to read and to trade at the venue"
    elif error.code in _TIME_CODES:
        step = _CLOCK_STEP
    elif error.code in _BUSY_CODES:
        step = "wait ten minutes, and run fewer clients from this address"
    return _refused(name, f"{error.request.rpartition('://')[2]}: {what}", step)


def _refused(name: str, line: str, step: str) -> StartCheck:
    return StartCheck(name, "refused", line, step)


def shown(number: Decimal | str) -> str:
    """A decimal without trailing zeros and exponent."""
    text = f"{Decimal(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""What a desk learns of its account beside the orders. Every value is derived from the private frames."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from arb.execution.doubt import Doubt
from connectors.orders.model import (
    AccountView,
    Act,
    Execution,
    OrderRequest,
    OrderUpdate,
    PositionRisk,
    Setting,
    Transfer,
    VenueAnswer,
    Verdict,
)

DOUBTS_MAX = 10_000
#: Kinds of refusals that are counted apart.
_REFUSALS_MAX = 100
_TRANSFERS_MAX = 1000


@dataclass(slots=True)
class EndedDoubt:
    """A doubt, and how it ended."""

    leg: int
    request_no: int
    act: Act
    cause: str
    outcome: str
    lasted_ns: int


@dataclass(slots=True)
class DeskFacts:
    """Facts of one venue's account. Amounts are the venue's decimals."""

    #: The venue's clock minus the session's, at the last query of it; None before.
    clock_offset_ms: int | None = None
    #: "one-way" or "hedge"; "" where there are no modes.
    mode: str = ""
    #: Fee rates as the venue writes them, by leg.
    commission: dict[int, str] = field(default_factory=dict)
    #: The first and the last complete view.
    balances_start: dict[str, Decimal] = field(default_factory=dict)
    balances_end: dict[str, Decimal] = field(default_factory=dict)
    positions_start: dict[str, Decimal] = field(default_factory=dict)
    positions_end: dict[str, Decimal] = field(default_factory=dict)
    #: Client ids of the open orders at the start and at the end, ours or not.
    open_start: list[str] = field(default_factory=list)
    open_end: list[str] = field(default_factory=list)
    #: The venue's own list of the session's executions, asked for at the end; by symbol, id and order: both orders of
    #: a trade with oneself have its id.
    executions: OrderedDict[tuple[str, str, str], Execution] = field(default_factory=OrderedDict)
    doubts: list[EndedDoubt] = field(default_factory=list)
    foreign: int = 0
    late_executions: int = 0
    change_overs: int = 0
    catch_ups: int = 0
    #: Number of events for the log by kind; of refusals by their code and text.
    events: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    #: Requests that the gate refused, by its reason without figures.
    gate: Counter[str] = field(default_factory=Counter)
    #: Number of views of balances or positions so far, the latest balances, and what is tied up of them.
    views: int = 0
    balances: dict[str, Decimal] = field(default_factory=dict)
    tied: dict[str, Decimal] = field(default_factory=dict)
    #: When the latest balances arrived, and how long the latest answer about the venue's clock took; 0: none. Since
    #: when such an answer has been missing, over queries that were given up; 0: it is not.
    balances_ns: int = 0
    round_trip_ns: int = 0
    clock_asked_ns: int = 0
    #: Of the latest views, see `AccountView`: balances without those that are not said any more; risks of positions.
    reported: dict[str, Decimal] = field(default_factory=dict)
    unrealized: dict[str, Decimal] = field(default_factory=dict)
    margins: dict[str, Decimal] = field(default_factory=dict)
    margin_ratio: Decimal | None = None
    risks: dict[str, PositionRisk] = field(default_factory=dict)
    #: Deposits and withdrawals since the session's start, by their ids; the latest ones.
    transfers: OrderedDict[str, Transfer] = field(default_factory=OrderedDict)

    #: The first values of the account's settings by name, and how those that are not as they were have changed.
    settings: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)

    def gated(self, kind: str) -> bool:
        """The gate refused a request; returns whether it is the first one of its kind."""
        self.gate[kind] += 1
        return self.gate[kind] == 1

    def refused(self, answer: VenueAnswer) -> None:
        """A request was refused, its outcome left open, or nothing found."""
        kind = f"{answer.code} {answer.text}".rstrip() if answer.code else answer.text
        if answer.verdict is Verdict.NOT_FOUND and not answer.code:
            kind = "nothing found"  # Bybit's empty list is no error
        self.refusals[kind if kind in self.refusals or len(self.refusals) < _REFUSALS_MAX else "others"] += 1

    def set(self, setting: Setting) -> bool:
        """A setting of the account. The first value of a name is as it was prepared, unless an event reports it: that
        is a change. Returns whether it differs now and did not before."""
        first = self.settings.setdefault(setting.name, setting.value)
        was_changed = setting.name in self.changed
        if first == setting.value:
            self.changed.pop(setting.name, None)
        else:
            self.changed[setting.name] = f"{setting.name} was {first}, is {setting.value}"
        return not was_changed and setting.name in self.changed

    def transferred(self, transfer: Transfer) -> bool:
        """A deposit or withdrawal; returns whether it is the first report of it."""
        if transfer.transfer_id in self.transfers:
            return False
        self.transfers[transfer.transfer_id] = transfer
        if len(self.transfers) > _TRANSFERS_MAX:
            self.transfers.popitem(last=False)
        return True

    def view(self, view: AccountView, now: int, *, is_end: bool) -> None:
        """A response to a query of balances or positions."""
        balances, positions = (
            (self.balances_end, self.positions_end) if is_end else (self.balances_start, self.positions_start)
        )
        balances.update(view.balances)
        positions.update(view.positions)
        self.view_again(view, now)

    def view_again(self, view: AccountView, now: int) -> None:
        """A response in between, which belongs neither to the start nor to the end."""
        self.balances.update(view.balances)
        self.tied.update({asset: view.tied.get(asset, Decimal(0)) for asset in view.balances})
        self.views += 1
        for symbol in view.positions:
            self.risks.pop(symbol, None)
        self.risks.update(view.risks)
        if view.balances:
            self.balances_ns = now
            self.reported, self.unrealized = view.balances, view.unrealized
            self.margins, self.margin_ratio = view.margins, view.margin_ratio

    def end(
        self, question: OrderRequest, updates: Iterable[OrderUpdate], executions: Iterable[Execution]
    ) -> None:
        """An answer to a question at the session's end."""
        if question.act is Act.OPEN_ORDERS:
            self.open_end += sorted(u.client_id for u in updates)
        for x in executions:
            self.executions[x.symbol, x.execution_id, x.venue_order_id] = x

    def ended(self, doubt: Doubt, leg: int, outcome: str, now: int) -> None:
        """A doubt has ended."""
        if len(self.doubts) < DOUBTS_MAX:
            self.doubts.append(
                EndedDoubt(
                    leg, doubt.request_no, doubt.act, doubt.cause.value, outcome, now - doubt.opened_ns
                )
            )

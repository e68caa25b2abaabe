"""The strategy of a configuration on a scripted bot: files, facts, arguments, then its plain functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from arb.commands.run_files import limits_of
from arb.commands.strategy_facts import facts_of
from arb.config import Config, load
from arb.risk.limits import check_order
from arb.strategies.arguments import Arguments
from arb.strategies.loader import load_strategy
from arb.strategies.spread.decisions import Decision, Missed, Purpose
from support.fake_bot import FakeBot, FakeRecorder, Fate, Touch, fates, plain

S = 1_000_000_000
MS = 1_000_000
SILENCE_NS = 10 * S

#: Books at two venues round 100, and money enough: what a test's own settings stand on.
PLENTY = (
    "strategy.max_position_size=1.0", "risk.position_limit=50.0", "execution.slippage_tolerance=0.0",
    "execution.order_timeout_ms=100", "risk.max_failures=0", "strategy.inventory_skew_bps=0.0",
    "strategy.rebalance_threshold=1.0", "risk.stop_loss_bps=10000.0",
    *(f"{venue}.fees.taker=0.0" for venue in ("binance_spot", "bybit_spot")),
    *(f"capital.{venue}={{base=100.0, quote=100000.0}}" for venue in ("binance_spot", "bybit_spot")),
)  # fmt: skip


class Traded(NamedTuple):
    """What came of a run."""

    outcome: int
    #: (ms, leg, side, price, quantity) of the orders that were sent, and codes of those that were refused.
    orders: list[tuple[float, int, int, float, float]]
    refused: list[int]
    decisions: list[Any]
    records: int

    @property
    def purposes(self) -> list[Purpose]:
        return [Purpose(d.order_id) for d in self.decisions if d.code == Decision.ATTEMPT]

    @property
    def missed(self) -> list[Missed]:
        """What stood in the way of the opportunities that ended."""
        return [Missed(d.order_id) for d in self.decisions if d.code == Decision.OPPORTUNITY_END]

    @property
    def halts(self) -> list[Missed]:
        return [Missed(d.order_id) for d in self.decisions if d.code == Decision.RISK_HALTED]


def configured(folder: Path, settings: Sequence[str]) -> Config:
    """The configuration in `folder`, with the plenty that tests begin with and settings of their own."""
    legs = [text for text in settings if text.startswith("strategy.legs=")]
    venues = ("binance_spot", "bybit_spot")
    # A setting for a venue that no leg names is an error.
    idle = tuple(f"{venue}." for venue in venues if legs and venue not in legs[-1])
    plenty = [text for text in PLENTY if not text.startswith(idle)]
    return load(folder / "arbitrage.toml", [*plenty, *settings])


def trade(
    config: Config,
    touches: Iterable[Touch],
    script: Iterable[Fate] = (),
    then: Fate | None = None,
    last_feed: dict[int, int] | None = None,
) -> Traded:
    """Runs the configured strategy; touches of legs that it has not are left out."""
    strategy = load_strategy(config.strategy.function)
    legs = len(config.legs)
    arguments = Arguments(strategy, facts_of(config), config.strategy.params, legs=legs)
    own = [touch for touch in touches if touch.leg_no < legs]
    bot = LimitedBot(
        own, fates(script, then), own[-1].ts + SILENCE_NS,
        tuple(leg.tick_size for leg in config.legs), tuple(leg.lot_size for leg in config.legs),
    )  # fmt: skip
    bot.limits = limits_of(config)
    bot.contract_sizes = [leg.contract_size for leg in config.legs]
    bot.last_feed.update(last_feed or {})
    recorder = FakeRecorder()
    outcome = plain(strategy.function)(bot, SimpleNamespace(**arguments.params), recorder)
    orders = [(o.sent_ts / MS, o.leg_no, o.side, round(o.price, 9), round(o.qty, 9)) for o in bot.sent]
    return Traded(int(outcome), orders, bot.refusals, recorder.decisions, recorder.records)


class LimitedBot(FakeBot):
    """Checks every order against the order-level limits, as the bot of every world does, and counts contracts."""

    limits: Any = None
    contract_sizes: Sequence[float] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refusals: list[int] = []

    def _submit(
        self, side: int, leg_no: int, order_id: int, px: float, qty: float, tif: int, kind: int, wait: bool
    ) -> int:
        limits = self.limits
        seen = self._last[leg_no]
        is_allowed = check_order.py_func(
            limits._header, limits._limits, limits._refusals, limits._ring, leg_no, side, px, qty, kind,
            seen.ask if side > 0 else seen.bid, self._values[leg_no].position, 0.0, True, self.current_timestamp,
        )  # fmt: skip
        if not is_allowed:
            self.refusals.append(20)
            return 20
        return super()._submit(side, leg_no, order_id, px, qty, tif, kind, wait)

    def _execute(self, order: Any, qty: float) -> None:
        super()._execute(order, qty)
        extra = self.contract_sizes[order.leg_no] - 1.0
        self._values[order.leg_no].balance -= order.side * qty * order.price * extra

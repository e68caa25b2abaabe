"""Random requests of several accounts, near and far from the book, most of them valid."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum

from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.matching.orders import Force
from arb.sandbox.trading.requests import Amend, Cancel, OrderKind, Place, Replace
from support.reference_exchange import ReferenceExchange
from support.reference_matcher import BUY
from support.reference_records import Record


@dataclass(frozen=True)
class CancelAll:
    """Cancels what is open, of one symbol or of all."""

    account: str
    symbol: str | None


@dataclass(frozen=True)
class Request:
    """A request at one venue."""

    venue: str
    body: Place | Amend | Cancel | Replace | CancelAll

    @property
    def brief(self) -> str:
        """The fields that are set, on one line."""
        return f"{type(self.body).__name__} {_brief(self.body)}"


class RequestMaker:
    """Makes requests that fit to the state of the reference."""

    def __init__(self, chance: random.Random, exchanges: Mapping[str, ReferenceExchange]) -> None:
        self._chance = chance
        self._exchanges = exchanges
        self._count = 0
        self._ids: list[str] = ["never-sent"]

    def make(self, now_ns: int) -> Request:
        venue = self._chance.choice(list(self._exchanges))
        exchange = self._exchanges[venue]
        account = self._chance.choice(list(exchange.accounts))
        symbol = self._chance.choice(list(exchange.rules))
        kind = self._chance.choices(
            [self._place, self._cancel, self._amend, self._cancel_all, self._replace], [60, 16, 16, 1.5, 6.5]
        )[0]
        return Request(venue, kind(exchange, account, symbol) or self._place(exchange, account, symbol))

    # kinds

    def _place(self, exchange: ReferenceExchange, account: str, symbol: str) -> Place:
        rules, chance = exchange.rules[symbol], self._chance
        side = chance.randint(0, 1)
        is_market = chance.random() < 0.15
        force = Force.IOC if is_market else chance.choices(list(Force), [6, 2, 1, 2])[0]
        price = None if is_market else self._price(exchange, symbol, side)
        quantity: Decimal | None = self._quantity(exchange, symbol)
        if chance.random() < 0.2:
            side, price, quantity = self._meeting(exchange, symbol) or (side, price, quantity)
            is_market = price is None
        value = None
        if is_market and rules.is_spot and chance.random() < 0.4:
            value, quantity = Decimal(chance.randint(700, 400_000)) / 100, None
        preventions = sorted(rules.preventions)
        is_hedge = exchange.accounts[account].is_hedge and not rules.is_spot
        return Place(
            account,
            symbol,
            side,
            OrderKind.MARKET if is_market else OrderKind.LIMIT,
            force,
            price,
            quantity,
            value,
            client_id=self._client_id(),
            reduce_only=not rules.is_spot and not is_hedge and chance.random() < 0.2,
            position_side=chance.choice([PositionSide.LONG, PositionSide.SHORT])
            if is_hedge
            else PositionSide.BOTH,
            prevention=chance.choice([None, *preventions]),
        )

    def _cancel(self, exchange: ReferenceExchange, account: str, symbol: str) -> Cancel | None:
        if self._chance.random() < 0.05:
            return Cancel(account, symbol, client_id=self._chance.choice(self._ids))
        record = self._open(exchange, account)
        return None if record is None else Cancel(account, record.symbol, client_id=record.client_id)

    def _amend(self, exchange: ReferenceExchange, account: str, symbol: str) -> Amend | None:
        record, chance = self._open(exchange, account), self._chance
        if record is None:
            return None
        rules, order = exchange.rules[record.symbol], record.resting
        left = int(order.left / rules.lot)
        # Bybit's layer refuses a quantity that is already filled, before the desk.
        most = max(1, left) if exchange.venue.startswith("binance") else left - 1
        smaller = order.quantity - chance.randint(0, most) * rules.lot
        if exchange.venue == "binance_spot":
            new_id = chance.choice([record.client_id, self._client_id()])
            return Amend(
                order.account,
                record.symbol,
                client_id=record.client_id,
                quantity=smaller,
                keeps_place=True,
                new_client_id=new_id,
            )
        quantity = chance.choice(
            [order.quantity, smaller, order.quantity + chance.randint(1, 20) * rules.lot]
        )
        price = chance.choice([order.price, self._price(exchange, record.symbol, order.side)])
        return Amend(order.account, record.symbol, client_id=record.client_id, price=price, quantity=quantity)

    def _cancel_all(self, exchange: ReferenceExchange, account: str, symbol: str) -> CancelAll:
        return CancelAll(account, self._chance.choice([None, symbol]))

    def _replace(self, exchange: ReferenceExchange, account: str, symbol: str) -> Replace | None:
        cancel = self._cancel(exchange, account, symbol)
        if cancel is None or exchange.venue != "binance_spot":
            return None
        place = self._place(exchange, account, cancel.symbol)
        return Replace(cancel, place, stops_on_failure=self._chance.random() < 0.5)

    # figures

    def _open(self, exchange: ReferenceExchange, account: str) -> Record | None:
        records = exchange.open_orders(account)
        return self._chance.choice(records) if records else None

    def _client_id(self) -> str:
        if self._chance.random() < 0.03:
            return self._chance.choice(self._ids)
        self._count += 1
        self._ids.append(f"c{self._count}")
        return self._ids[-1]

    def _price(self, exchange: ReferenceExchange, symbol: str, side: int) -> Decimal:
        rules, chance = exchange.rules[symbol], self._chance
        bid, ask = exchange.matchers[symbol].touch()
        own, other = (bid, ask) if side == BUY else (ask, bid)
        base = own or other or Decimal(1000)
        sign = 1 if side == BUY else -1
        kind = chance.random()
        if kind < 0.35:
            return (other or base) + sign * chance.randint(0, 40) * rules.tick
        if kind < 0.75:
            return base + chance.randint(-6, 6) * rules.tick
        if kind < 0.93:
            return _stepped(base * Decimal(chance.uniform(0.9985, 1.0015)), rules.tick)
        if kind < 0.97:
            return _stepped(base * Decimal(chance.choice([0.3, 0.75, 0.97, 1.03, 1.3, 6])), rules.tick)
        return base + chance.choice([rules.tick / 2, -base, 10 * rules.max_price])

    def _meeting(self, exchange: ReferenceExchange, symbol: str) -> tuple[int, Decimal, Decimal] | None:
        """Side, price and quantity of an order that reaches a resting one, if the market is not too far from it."""
        resting = exchange.matchers[symbol].orders
        if not resting:
            return None
        other = self._chance.choice(resting)
        assert other.price is not None
        side, lot = 1 - other.side, exchange.rules[symbol].lot
        before = sum(
            (quantity for _, quantity in exchange.matchers[symbol].walk(side, other.price)), -other.left
        )
        wanted = before + _stepped(other.left * Decimal(self._chance.uniform(0.2, 1.6)), lot)
        return (side, other.price, max(lot, wanted)) if wanted * other.price < 400_000 else None

    def _quantity(self, exchange: ReferenceExchange, symbol: str) -> Decimal:
        rules, chance = exchange.rules[symbol], self._chance
        touch = [price for price in exchange.matchers[symbol].touch() if price is not None]
        price = touch[0] if touch else Decimal(1000)
        is_large = chance.random() < 0.15
        value = Decimal(10 ** (chance.uniform(4.8, 5.5) if is_large else chance.uniform(1.0, 4.6)))
        quantity = max(rules.lot, _stepped(value / price, rules.lot))
        if chance.random() < 0.02:
            return self._wrong_quantity(rules, quantity)
        return quantity

    def _wrong_quantity(self, rules: InstrumentRules, quantity: Decimal) -> Decimal:
        return self._chance.choice(
            [quantity + rules.lot / 2, rules.lot, Decimal(0), rules.max_qty + rules.lot]
        )


def _brief(body: object) -> str:
    parts = []
    for field in fields(body):  # type: ignore[arg-type]  # requests are dataclasses
        value = getattr(body, field.name)
        if isinstance(value, Place | Cancel):
            parts.append(f"[{_brief(value)}]")
        elif value not in (None, False, PositionSide.BOTH, {}) or field.name == "side":
            parts.append(f"{field.name}={value.name if isinstance(value, Enum) else value}")
    return " ".join(parts)


def _stepped(value: Decimal, step: Decimal) -> Decimal:
    return value // step * step

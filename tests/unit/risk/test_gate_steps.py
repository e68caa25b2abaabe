"""Random steps against a plain model: nothing passes that breaks a limit, and what reduces is stopped by little."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from support.gates import LIMITS, PERP, SPOT, START_NS, TEN_S, cancel, executed, gate, request

from arb.risk.exposure import OpenOrder
from arb.risk.gate import Gate, GateRequest
from arb.risk.refusals import Part
from connectors.orders.model import Act
from connectors.units import MILLISECOND, SECOND

#: Orders of a venue in ten seconds.
MOST = 24
#: What may refuse an order that reduces: its own form, or the venue's refusals.
OF_REDUCING = (
    "beyond the band", "touch is not known", "venue's minimum", "limits requests", "was stopped", "closed for",
    "no room", "another leg", "no whole number",
)  # fmt: skip
UNIT = SPOT.tick_size * SPOT.lot_size


class Model:
    """What the gate is expected, kept as plain lists."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.gate = gate(
            LIMITS, most=MOST, legs=(SPOT, PERP, PERP._replace(venue="binance_usdm", wallet="usdm"))
        )
        self.gate.exposure.set_balances("usdm", {"USDT": 3_000.0})
        self.now = START_NS
        self.no = 0
        self.sent: list[tuple[int, str]] = []
        self.banned_until = dict.fromkeys(self.gate.venues, 0)
        self.passed: Counter[str] = Counter()

    # -- plain sums

    def open_lots(self, leg: int, side: int) -> int:
        return sum(max(one.lots, one.asked_lots) for one in self.orders(leg) if one.side == side)

    def open_value(self, leg: int, side: int) -> float:
        values = (
            max(one.lots * one.tick, one.asked_lots * one.asked_tick)
            for one in self.orders(leg)
            if one.side == side
        )
        return sum(values) * UNIT

    def orders(self, leg: int) -> list[OpenOrder]:
        return list(self.gate.exposure.states[leg].orders.values())

    def position(self, leg: int) -> int:
        return self.gate.exposure.states[leg].position

    def closes(self, one: GateRequest) -> bool:
        rest = abs(self.position(one.leg)) - self.open_lots(one.leg, one.side)
        return one.side * self.position(one.leg) < 0 < one.lots <= rest

    def hedges(self, one: GateRequest) -> bool:
        imbalance = sum(self.position(leg) for leg in range(3))
        working = sum(self.open_lots(leg, one.side) for leg in range(3))
        return one.side * imbalance < 0 < one.lots <= abs(imbalance) - working

    def margin(self, leg: int, price: int) -> float:
        """The dearest of: the position alone, all purchases filled, all sales filled."""
        found = abs(self.position(leg)) * price * UNIT
        for side in (1, -1):
            position, lots = side * self.position(leg), self.open_lots(leg, side)
            value = self.open_value(leg, side)
            if position >= 0:
                found = max(found, position * price * UNIT + value)
            elif lots > -position:
                found = max(found, value * (lots + position) / lots)
        return found / PERP.leverage

    # -- what happens

    def event(self) -> None:
        chance, made = self.chance, self.gate
        self.now += chance.choice([0, MILLISECOND, 300 * MILLISECOND, 2 * SECOND])
        leg = chance.randrange(3)
        venue = made.legs[leg].venue
        orders = made.exposure.states[leg].orders
        kind = chance.random()
        if kind < 0.5 and orders:
            order_id = chance.choice(list(orders))
            executed(made, leg, order_id, self.now, chance.randint(1, orders[order_id].lots))
        elif kind < 0.7 and orders:
            made.exposure.remove(leg, chance.choice(list(orders)))
        elif kind < 0.75:
            made.venues[venue].halted = chance.choice(["", "", "by hand"])
        elif kind < 0.8:
            made.venues[venue].is_synced = chance.random() < 0.8
        elif kind < 0.85:
            made.venues[venue].doubts = chance.choice([0, 0, 1])
        elif kind < 0.87:
            made.budgets[venue].ban(self.now + SECOND)
            self.banned_until[venue] = self.now + SECOND
        elif kind < 0.9:
            made.closed.refused(leg, chance.choice(list(Part)), "-2010", self.now)
        elif kind < 0.95:
            made.closed.accepted(leg, chance.choice(list(Part)))
        elif kind < 0.96:
            self.now += 6 * SECOND
        else:
            made.reconciled(self.now)

    def step(self) -> list[GateRequest]:
        chance = self.chance
        found = []
        for leg in chance.sample(range(3), chance.choice([1, 2, 2, 3])):
            self.no += 1
            orders = self.gate.exposure.states[leg].orders
            if orders and chance.random() < 0.2:
                found.append(cancel(leg, self.no, chance.choice(list(orders))))
                continue
            side = chance.choice([1, -1])
            touch = (
                {}
                if chance.random() < 0.9
                else {"bid": 0, "ask": 0, "reference_tick": chance.choice([0, 10_000])}
            )
            tick = 10_000 + side * chance.choice([-300, -5, 0, 30, 49, 60, 2_000])
            lots = chance.choice([-1, 1, 10, 200, 200, 600, 1_000, 2_100])
            made = request(leg, side, tick, lots, self.no, **touch)
            if orders and chance.random() < 0.2:
                order_id, order = chance.choice(list(orders.items()))
                made = made._replace(act=Act.AMEND, order_id=order_id, side=order.side)
            found.append(made)
        return found

    # -- what must hold

    def decide(self) -> None:
        step = self.step()
        places = [one for one in step if one.act is Act.PLACE]
        joint = [one for one in places if not self.hedges(one)]
        #: With a single order nothing before it changes what it reduces.
        reduces = len(step) == 1 and bool(places) and (self.closes(step[0]) or self.hedges(step[0]))
        opens = [
            one for one in places if not self.closes(one) and not self.hedges(one)
        ]  # also with all others of the step passed
        reasons = dict(zip(map(id, step), self.gate.decide(step, self.now), strict=True))
        for one in step:
            reason = reasons[id(one)]
            self.passed[f"{one.act.name} {'refused' if reason else 'passed'}"] += 1
            venue = self.gate.legs[one.leg].venue
            is_banned = self.now < self.banned_until[venue]
            if one.act is Act.CANCEL:
                assert not is_banned or reason == "the venue limits requests"
                assert is_banned or not reason or reason.startswith("closed for a while"), reason
            elif not reason:
                assert not is_banned
                self.sent.append((self.now, venue)) if one.act is Act.PLACE else None
                self.within(one)
            elif reduces:
                self.passed["reducing refused"] += 1
                assert any(why in reason for why in OF_REDUCING), reason
        if len(joint) > 1:
            assert len({bool(reasons[id(one)]) for one in joint}) == 1
        opened = [one for one in opens if not reasons[id(one)]]
        for one in opened:
            self.opened(one)
        if opened:
            self.affordable()
        self.sums()

    def within(self, one: GateRequest) -> None:
        """What holds for every order that passes."""
        assert one.lots >= self.gate.legs[one.leg].lots_min
        assert one.lots * one.tick * UNIT >= self.gate.legs[one.leg].notional_min
        reference = (one.ask if one.side > 0 else one.bid) or one.reference_tick or 10_000
        assert (one.tick / reference - 1.0) * one.side <= 0.005 + 1e-9
        venue = self.gate.legs[one.leg].venue
        recent = sum(self.now - TEN_S < at <= self.now and name == venue for at, name in self.sent)
        assert recent <= 0.9 * MOST

    def opened(self, one: GateRequest) -> None:
        """What holds for an order that opens, also beside the others of its step."""
        leg, venue = self.gate.legs[one.leg], self.gate.venues[self.gate.legs[one.leg].venue]
        assert venue.is_synced
        assert not venue.doubts
        assert not venue.halted
        assert one.lots * one.tick * UNIT <= LIMITS.max_notional * (1 + 1e-9)
        lots = one.side * self.position(one.leg) + self.open_lots(one.leg, one.side)
        assert not leg.position_max or lots * leg.lot_size <= leg.position_max * (1 + 1e-9)
        recent = sum(self.now - TEN_S < at <= self.now and name == leg.venue for at, name in self.sent)
        assert recent <= 0.5 * MOST

    def affordable(self) -> None:
        exposure = self.gate.exposure
        total = sum(self.open_value(leg, side) for leg in range(3) for side in (1, -1))
        assert exposure.traded(self.now) + total <= LIMITS.max_daily_notional * (1 + 1e-9)

    def sums(self) -> None:
        """The gate's sums are those of its orders."""
        exposure = self.gate.exposure
        for leg in range(3):
            state = exposure.states[leg]
            assert (state.buy_lots, state.sell_lots) == (self.open_lots(leg, 1), self.open_lots(leg, -1))
            assert state.buy_value * UNIT == pytest.approx(self.open_value(leg, 1))
            assert state.sell_value * UNIT == pytest.approx(self.open_value(leg, -1))
        spot = exposure.balances["binance_spot"]
        cost = self.open_value(0, 1) * (1 + SPOT.fee)
        assert exposure.free("binance_spot", "USDT") == pytest.approx(spot["USDT"] - cost)
        base = self.open_lots(0, -1) * SPOT.lot_size
        assert exposure.free("binance_spot", "BTC") == pytest.approx(spot["BTC"] - base)
        for leg, wallet in ((1, "bybit"), (2, "usdm")):
            fees = (self.open_value(leg, 1) + self.open_value(leg, -1)) * PERP.fee
            free = (
                exposure.balances[wallet]["USDT"] - self.margin(leg, exposure.states[leg].price_tick) - fees
            )
            assert exposure.free(wallet, "USDT") == pytest.approx(free, abs=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_no_step_passes_that_breaks_a_limit(seed: int) -> None:
    model = Model(seed)
    for _ in range(400):
        for _ in range(model.chance.randint(0, 3)):
            model.event()
        model.decide()
    assert model.passed["PLACE passed"] > 20
    assert model.passed["PLACE refused"] > 100
    assert model.passed["CANCEL passed"] > 10


def test_funds_hold_at_every_step() -> None:
    """What is open can be paid at once, whatever was opened."""
    for seed in range(25):
        model = Model(100 + seed)
        made: Gate = model.gate
        for _ in range(200):
            step = [one for one in model.step() if one.act is not Act.CANCEL and one.leg == 0]
            is_reducing = [model.closes(one) or model.hedges(one) for one in step]
            reasons = made.decide(step, model.now)
            model.now += 100 * MILLISECOND
            if any(not why and not reduces for why, reduces in zip(reasons, is_reducing, strict=True)):
                side = next(one.side for one in step)
                assert made.exposure.free("binance_spot", "USDT" if side > 0 else "BTC") >= -1e-6

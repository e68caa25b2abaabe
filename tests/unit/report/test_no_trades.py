"""Why a run has no fill: the cause that an explanation names first, and how terminal and page show it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.finished_runs import NOON, S, decision, decisions, small_run
from support.screens import drawn
from support.untraded import CONFIG, edges, params, untraded_run

from arb.report.charts import charts_of
from arb.report.html import page
from arb.report.terminal import summary_view
from arb.results.result import RunResult
from arb.strategies.spread.decisions import Decision, Missed


def why(run: RunResult) -> Any:
    return run.summary["no_trades"]


def missed(reason: int, count: int = 3, leg: int = 0) -> Any:
    """A log of opportunities that were missed for a reason."""
    return decisions(
        *(
            line
            for n in range(count)
            for line in (
                decision(n, Decision.OPPORTUNITY, 0, leg, 0, 12.0),
                decision(n + 0.5, Decision.OPPORTUNITY_END, 0, leg, reason, 13.0),
            )
        )
    )


def config(**changes: Any) -> Any:
    return copy.deepcopy(CONFIG) | changes


def test_a_run_with_a_fill_and_a_failed_one_need_no_explanation() -> None:
    assert why(small_run(config=CONFIG, params=params())) is None
    assert why(untraded_run(outcome="failed")) is None
    assert why(untraded_run(outcome="killed"))["reason"]


def test_a_threshold_above_the_edges() -> None:
    found = why(untraded_run())

    assert found["reason"] == (
        "The edge never exceeded strategy.min_spread_bps = 10: its maximum was 3.2 bps: 23.2 bps gross, "
        "less 20 bps of fees (venue_a.fees.taker = 0.001 and venue_b.fees.taker = 0.001)."
    )
    assert found["keys"] == ["strategy.min_spread_bps", "venue_a.fees.taker", "venue_b.fees.taker"]
    assert found["details"] == [
        "The largest edge was that of buying venue_a:BTCUSDT and selling venue_b:BTCUSDT at 2024-08-08 12:00:07.",
        "About 10 attempts would have begun with strategy.min_spread_bps = 1.23, "
        "fewer while moved inventory raises it (strategy.inventory_skew_bps = 5).",
    ]
    assert (found["threshold_bps"], found["threshold_for_10_bps"]) == (10.0, 1.23)


def test_fees_above_the_spread_and_a_threshold_that_would_lose() -> None:
    low = edges([(-8.0, -8.5, -9.0, -12.0), (-9.0, -9.5, -9.9, -20.0)], rises=[(-8.1234,) * 10, ()])
    found = why(untraded_run(measured=low))

    assert found["reason"].startswith("Fees were larger than the spread, so no edge exceeded")
    assert "12 bps gross, less 20 bps of fees" in found["reason"]
    assert found["keys"][0] == "venue_a.fees.taker"
    assert found["threshold_for_10_bps"] == -8.13
    assert "edges rose 10 times only above -8.13 bps, a loss" in found["details"][1]


def test_prices_that_never_cross() -> None:
    found = why(untraded_run(measured=edges([(-24.0,) * 4, (-30.0,) * 4])))

    assert found["reason"].startswith("The prices of the venues never crossed")


def test_a_basis_and_the_cost_of_leaving_take_the_edge() -> None:
    slow = params(basis_halflife_ns=60 * 10**9)
    found = why(untraded_run(measured=edges(basis_bps=8.0), params=slow))
    assert "over the average cross spread (strategy.basis_halflife_s = 60)" in found["reason"]
    assert "strategy.basis_halflife_s" in found["keys"]

    held = params(is_convergence=True)
    found = why(untraded_run(measured=edges(leave_bps=25.0), params=held))
    assert "(strategy.mode = convergence)" in found["reason"]
    assert "strategy.mode" in found["keys"]


def test_books_that_are_not_known() -> None:
    never = edges([(), ()], quoted_s=(60.0, 0.0), both_s=0.0, rises=[(), ()])
    assert why(untraded_run(measured=never))["reason"] == (
        "venue_b:BTCUSDT never had a book with a bid below its ask."
    )
    seldom = why(untraded_run(measured=edges(quoted_s=(60.0, 3.0), both_s=3.0)))
    assert seldom["reason"].startswith("Both books were known together for 5 % of the time")
    assert seldom["keys"] == ["execution.stale_after_ms"]
    assert seldom["details"][-1] == (
        "venue_b:BTCUSDT had a book for 5 % of the time; its data lacked one for 0.0 s, and were silent for longer "
        "than execution.stale_after_ms, or over, for 57.0 s."
    )
    warming = edges([(), ()], warm_up_s=60.0, rises=[(), ()])
    found = why(untraded_run(measured=warming, params=params(basis_halflife_ns=3600 * 10**9)))
    assert found["reason"].startswith("No edge was ever known")
    assert found["keys"] == ["strategy.basis_halflife_s"]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"max_position_size": (0.01, 0.01)}, ["strategy.max_position_size"]),
        ({"position_limit": (9.0, 0.01)}, ["risk.position_limit"]),
        ({"touch_share": 0.001}, ["execution.touch_share"]),
        ({"max_order_qty": 0.01}, ["risk.max_order_qty"]),
        ({"max_order_notional": 1.0}, ["risk.max_order_notional"]),
        ({"quote": (1.0, 9.0)}, ["capital.venue_a.quote"]),
        ({"base": (9.0, 0.01)}, ["capital.venue_b.base"]),
        ({"fee_account": (0, -1), "fee_units": (1e-6, 0.0), "fee_price": (600.0, 0.0)},
         ["capital.venue_a.assets.BNB"]),
        ({"capital_allocation": 1e-4, "base": (99.0, 99.0)}, ["risk.capital_allocation"]),
        ({"is_spot": (False, True), "max_leverage": 1e-4}, ["risk.max_leverage"]),
        ({"is_spot": (True, False), "quote": (1e4, 1.0)}, ["capital.venue_b.quote"]),
        ({"max_position_size": (0.01, 0.01), "max_order_qty": 0.02},
         ["strategy.max_position_size", "risk.max_order_qty"]),
    ],
)  # fmt: skip
def test_a_quantity_that_is_too_small(changes: dict[str, Any], keys: list[str]) -> None:
    found = why(untraded_run(missed(Missed.TOO_SMALL), params=params(**changes)))

    assert found["reason"].startswith(
        "All 3 opportunities were missed because the quantity was too small: the least order of both venues is 0.05 "
    )
    assert found["keys"] == [*keys, "venue_a.symbols.BTCUSDT.min_notional"]
    assert found["details"] == [
        "About 10 attempts would have begun with strategy.min_spread_bps = 1.23, "
        "fewer while moved inventory raises it (strategy.inventory_skew_bps = 5).",
        "Edges above the threshold: 3, by the last reason: 3 too small.",
    ]
    many = why(untraded_run(missed(Missed.TOO_SMALL, 10), params=params(**changes)))
    assert many["details"] == ["Edges above the threshold: 10, by the last reason: 10 too small."]


def test_no_higher_threshold_is_proposed_for_more_attempts() -> None:
    found = why(
        untraded_run(
            missed(Missed.TOO_SMALL), params=params(max_position_size=(0.01, 0.01), min_spread_bps=1.0)
        )
    )

    assert found["details"] == ["Edges above the threshold: 3, by the last reason: 3 too small."]


def test_a_held_spread_lets_no_second_attempt_begin() -> None:
    found = why(untraded_run(params=params(is_convergence=True)))

    assert "strategy.min_spread_bps = 1.23, fewer while a spread is held." in found["details"][-1]


def test_a_quantity_of_the_symbol_itself_and_capital_of_its_own() -> None:
    own = config(symbols={"BTCUSDT": {"max_position_size": 0.01}})
    own["capital"]["venue_a"]["quote_of"] = {"BTCUSDT": 1.0}
    changed = params(max_position_size=(0.01, 0.01), quote=(1.0, 9.0))

    found = why(untraded_run(missed(Missed.TOO_SMALL), config=own, params=changed))

    named = {"symbols.BTCUSDT.max_position_size", "capital.venue_a.quote_of.BTCUSDT"}
    assert set(found["keys"][:2]) == named


def test_a_least_order_above_most_limits_is_what_the_sentence_names() -> None:
    unusual = config()
    unusual["venues"]["venue_b"]["symbols"]["BTCUSDT"]["min_notional"] = 1e9
    changed = params(min_notional=(5.0, 1e9))

    found = why(untraded_run(missed(Missed.TOO_SMALL), params=changed, config=unusual))

    assert "(venue_b.symbols.BTCUSDT.min_notional = 1000000000), and " in found["reason"]
    assert (
        "strategy.max_position_size = 1 allows 1; 4 further limits are too small as well." in found["reason"]
    )
    assert found["keys"][-1] == "venue_b.symbols.BTCUSDT.min_notional"


def test_touches_that_show_too_little() -> None:
    found = why(untraded_run(missed(Missed.TOO_SMALL), edges(shown=0.004)))

    assert "the quantity that both touches showed allows 0.004" in found["reason"]


def test_data_that_are_late() -> None:
    late = edges(late_s=(0.0, 50.0), lag_ms=60_010.0)
    found = why(untraded_run(missed(Missed.STALE), late))
    assert (
        "later than execution.stale_after_ms = 2000 allows: venue_b:BTCUSDT at least 60,010 ms"
        in found["reason"]
    )
    assert found["keys"] == ["execution.stale_after_ms"]

    clock = config(clock={"offset_ms": 60_000.0})
    found = why(untraded_run(missed(Missed.STALE), late, config=clock))
    assert found["keys"] == ["execution.stale_after_ms", "clock.offset_ms"]

    assumed = config()
    assumed["venues"]["venue_b"]["latency"]["feed_ms"] = 60_000.0
    found = why(untraded_run(missed(Missed.STALE), late, config=assumed))
    assert found["keys"] == ["execution.stale_after_ms", "venue_b.latency.feed_ms"]


def test_edges_that_are_not_believed_and_the_most_frequent_reason() -> None:
    found = why(untraded_run(missed(Missed.DISTRUSTED)))
    assert "above strategy.max_edge_bps = 200" in found["reason"]
    assert "the largest was 13 bps" in found["reason"]

    both = decisions(*missed(Missed.DISTRUSTED, 2).tolist(), *missed(Missed.STALE, 5, leg=1).tolist())
    found = why(untraded_run(both))
    assert found["reason"].startswith("5 of 7 opportunities were missed because a book was older than")


@pytest.mark.parametrize(
    ("lines", "words", "key"),
    [
        ([(Decision.REFUSED, 20)], "the limits refused every order", ""),
        (
            [(Decision.OPEN, 0), (Decision.EXPIRED, 0)],
            "the prices were worse than",
            "execution.slippage_tolerance",
        ),
        (
            [(Decision.OPEN, 0), (Decision.HALTED, 0)],
            "no response arrived within live.in_doubt_max_s = 60",
            "live.in_doubt_max_s",
        ),
        ([(Decision.OPEN, 0)], "which were not answered before the run ended", "venue_a.latency.entry_ms"),
    ],
)
def test_attempts_without_a_fill(lines: list[tuple[int, int]], words: str, key: str) -> None:
    log = [decision(1.0, Decision.ATTEMPT, 1, 0, 1, 12.0)]
    log += [decision(1.1, code, 1, 0, 1, value) for code, value in lines]

    found = why(untraded_run(decisions(*log)))

    assert words in found["reason"]
    assert found["reason"].startswith("1 attempt ")
    assert not key or key in found["keys"]


def test_the_rule_that_refused_most_is_named() -> None:
    log = decisions(
        decision(1.0, Decision.ATTEMPT, 1, 0, 1, 12.0), decision(1.0, Decision.REFUSED, 1, 0, 1, 20.0)
    )
    refused = {"venue_a:BTCUSDT": {"notional": 4, "rate": 0}, "venue_b:BTCUSDT": {"notional": 0, "rate": 1}}

    found = why(untraded_run(log, refusals=refused))

    assert "4 by the rule notional (risk.max_order_notional)" in found["reason"]
    assert "venue_a:BTCUSDT: orders refused by the limits of risk: 4 by notional." in found["details"]


def test_another_strategy_is_explained_by_what_the_bot_did() -> None:
    other = untraded_run(params={}, pairs=[])
    assert why(other)["reason"].startswith("No order was filled, and the limits refused none")
    refused = untraded_run(params={}, pairs=[], refusals={"venue_a:BTCUSDT": {"funds": 2, "rate": 0}})
    assert why(refused)["reason"] == "The limits refused 2 orders (capital), and no other order was filled."
    assert why(refused)["threshold_bps"] is None
    sent = decisions(decision(1.0, Decision.OPEN, 1, 0, 1, 100.0))
    assert why(untraded_run(sent, params={}))["reason"].startswith("The strategy sent 1 order, by its log")
    silent = why(untraded_run(missed(Missed.BUSY), params={}))
    assert silent["reason"].startswith("The strategy sent no order, by its log")
    assert silent["details"] == ["Edges above the threshold: 3, by the last reason: 3 busy."]


def test_without_measured_edges_the_log_explains() -> None:
    plain = untraded_run(edges=None)
    assert (
        why(plain)["reason"] == "No edge exceeded strategy.min_spread_bps = 10 while both books were known."
    )
    assert why(plain)["details"] == ["The edges of this run were not measured."]
    assert plain.summary["net_edges"] == []
    small = untraded_run(missed(Missed.INVENTORY), edges=None)
    assert "see capital, risk.position_limit" in why(small)["reason"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(NOON, NOON + 60 * S),
            st.one_of(st.sampled_from([int(code) for code in Decision]), st.integers(-3, 40)),
            st.integers(-1, 3),
            st.integers(-2, 4),
            st.one_of(st.integers(0, 15), st.just((1 << 64) - 1)),
            st.floats(-30.0, 300.0),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_any_log_is_explained(lines: list[Any], is_measured: bool) -> None:
    log = decisions(*sorted(lines, key=lambda line: line[0]))

    with np.errstate(all="ignore"):
        run = untraded_run(log, edges()) if is_measured else untraded_run(log, edges=None)
        found = why(run)

    assert found["reason"].endswith(".")
    assert drawn(summary_view(run.summary), 80)


def test_the_distribution_is_that_of_the_second_pass() -> None:
    first, second = untraded_run().summary["net_edges"]

    assert (first["buy"], first["sell"]) == ("venue_a:BTCUSDT", "venue_b:BTCUSDT")
    assert (second["buy"], second["sell"]) == ("venue_b:BTCUSDT", "venue_a:BTCUSDT")
    assert first["max"] == {
        "net_bps": 3.2, "gross_bps": 23.2, "fees_bps": 20.0, "basis_bps": 0.0, "leave_bps": 0.0,
        "time": "2024-08-08T12:00:07.000000000Z",
    }  # fmt: skip
    assert first["p99_9"]["net_bps"] == 2.0
    assert [first[f"above_{level}_bps_s"] for level in (0, 1, 2, 5)] == [9.0, 8.0, 7.0, 6.0]
    assert first["above_threshold_s"] == 5.0


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_every_figure_is_on_the_screen(width: int) -> None:
    text = drawn(summary_view(untraded_run().summary), width)

    for word in ("Why nothing was traded", "+3.200", "+23.200", "+20.000", "-14.000", "9 s", "p", "99.9 %"):
        assert word in text
    assert max(map(len, text.splitlines())) <= width


def test_the_page_has_the_explanation_with_its_keys() -> None:
    run = untraded_run()
    text = page(run, charts_of(run))

    assert 'data-key="no_trades.reason"' in text
    assert 'data-key="net_edges.0.max.net_bps"' in text
    assert "Why nothing was traded" not in page(small_run(), charts_of(small_run()))

"""The judgement of a sweep as figures by name, lines of the terminal, and a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from support.sweep_results import FIGURES, head, period, result, sweep

from arb.commands.sweep_best import best_toml
from arb.errors import InputError
from arb.sweep.columns import Columns, columns_of
from arb.sweep.judgement import is_high_good, judge
from arb.sweep.page import sweep_page
from arb.sweep.page_data import SETS_MAX, drawn_places, page_data
from arb.sweep.summary import further_lines, luck_lines, sweep_summary
from arb.sweep.table import FAILED, TEST, TRAIN, Key, SetResult


def columns(*arguments: Any, **options: Any) -> Columns:
    return columns_of(*sweep(*arguments, **options), FIGURES)


def summary_of(found: Columns) -> dict[str, Any]:
    return sweep_summary(found, judge(found, "pnl_quote"))


# Columns and the judgement.


def test_failed_and_unfinished_sets_are_left_out_and_counted() -> None:
    whole, results = sweep(periods=(period(TRAIN, 1), period(TEST, 1)))
    failed = SetResult(0, 1, results[1].values, FAILED, "raised")
    found = columns_of(whole, [results[0], failed, *results[2:-1]], FIGURES)
    assert (found.set_nos, found.failed, found.unfinished) == (list(range(1, 11)), 1, 1)
    assert found.values["strategy.min_spread_bps"][0] == 0.0
    assert found.figures["round_trips.closed"].tolist() == [[4.0 + n for n in range(10)]] * 2


def test_a_walk_is_judged_on_its_tests() -> None:
    periods = (period(TRAIN, 1, 96), period(TEST, 1), period(TRAIN, 2, 96), period(TEST, 2))
    found = columns(periods=periods)
    pnl = found.figures["pnl_quote"]
    assert found.figure("pnl_quote") == pytest.approx((pnl[1] + pnl[3]) / 2)
    judged = summary_of(found)
    assert judged["luck"]["returns"] == 96
    assert [step["set_no"] for step in judged["walk"]["steps"]] == pnl[[0, 2]].argmax(axis=1).tolist()
    assert [step["after"] for step in judged["walk"]["steps"]] == [
        pytest.approx(pnl[1 + 2 * n, step["set_no"]]) for n, step in enumerate(judged["walk"]["steps"])
    ]


def test_the_best_set_is_named_with_its_neighbours() -> None:
    found = columns()
    judged = summary_of(found)
    place = int(np.argmax(found.figure("pnl_quote")))
    assert judged["best"]["set_no"] == place
    assert judged["best"]["values"]["strategy.min_spread_bps"] == 1.0
    assert judged["best"]["neighbours"] in (6, 9)
    assert judged["best"]["plateau"] < judged["best"]["figures"]["pnl_quote"]
    assert judged["best"]["figures"]["equity.sharpe"] is None
    assert place in judged["front"]["sets"]


def test_low_drawdowns_are_the_good_ones() -> None:
    low = ("equity.drawdown_quote_max", "fee_quote", "unhedged.duration_s_sum", "legs.0.fee_quote")
    high = ("pnl_quote", "equity.return_over_drawdown", "equity.sharpe", "round_trips.closed")
    assert [is_high_good(name) for name in (*low, *high)] == [False] * 4 + [True] * 4


def test_sharpe_ratios_are_annual_from_a_day_on() -> None:
    day, hours = (summary_of(columns(periods=(period(returns=n),)))["luck"] for n in (24, 23))
    assert day["is_sharpe_annual"] is True
    assert (hours["is_sharpe_annual"], hours["sharpe"]) == (False, None)
    assert hours["overfitting_unknown"] == "23 returns: at least 24 are needed"


def test_the_lines_say_how_much_is_luck_before_anything_else() -> None:
    lines = luck_lines(summary_of(columns()))
    assert lines[0].startswith("LUCK: ")
    assert re.search(r"probability of overfitting [\d.]+ %: .* of 924 splits", lines[1])
    assert re.search(r"deflated Sharpe ratio [\d.]+ %: .* best of 12 sets", lines[2])
    unknown = luck_lines(summary_of(columns(1, 1)))
    assert unknown[0] == "LUCK: how much of the best set is luck is not known."
    assert unknown[1].endswith("not known: fewer than two sets: nothing was chosen")


def test_the_lines_after_the_table_have_walk_plateau_and_front() -> None:
    found = summary_of(
        columns(periods=(period(TRAIN, 1, 96), period(TEST, 1), period(TRAIN, 2, 96), period(TEST, 2)))
    )
    walk, plateau, front = further_lines(found)
    assert re.match(r"walk-forward: pnl_quote [+−-][\d.]+ after the choice, .* of 2 steps$", walk)
    best = found["best_plateau"]
    assert plateau.startswith(
        f"plateau: set {best['set_no']} and its {best['neighbours'] - 1} neighbours have"
    )
    assert front.startswith("front of pnl_quote and equity.drawdown_quote_max: sets ")
    assert front.split("sets ")[1].split(", ")[0] == str(found["front"]["sets"][0])
    assert not list(further_lines({**found, "walk": None, "best_plateau": None, "front": {"sets": []}}))


@pytest.mark.parametrize(
    ("edge", "verdict"), [(0.0, "luck alone explains"), (0.7, "is better than luck explains")]
)
def test_the_verdict_follows_both_figures(edge: float, verdict: str) -> None:
    whole, _ = sweep()
    generator = np.random.default_rng(7)
    keys = {"strategy.min_spread_bps": 1.0, "execution.order_timeout_ms": 100}
    returns = [generator.normal(edge if n < 3 else 0.0, 1.0, 480) for n in range(12)]
    whole = head(whole.keys, [period(returns=480)], 12)
    found = columns_of(whole, [result(n, 0, keys, one) for n, one in enumerate(returns)], FIGURES)
    assert verdict in luck_lines(summary_of(found))[0]


def test_listed_sets_have_a_curve_for_each_key() -> None:
    whole, results = sweep(3, 3)
    listed = [results[n] for n in (0, 3, 6, 1, 2)]
    listed = [msgspec.structs.replace(one, set_no=n) for n, one in enumerate(listed)]
    found = columns_of(msgspec.structs.replace(whole, source="points", sets=5), listed, FIGURES)
    curves = summary_of(found)["curves"]
    assert [(one["key"].rpartition(".")[2], one["value"], one["added"]) for one in curves] == [
        *(("min_spread_bps", 0.5 * n, 0.5 * n) for n in range(3)),
        *(("order_timeout_ms", 100.0 * n, 100.0 * (n - 1)) for n in (1, 2, 3)),
    ]
    profits = [results[n].figures["pnl_quote"] for n in (0, 3, 6)]
    assert [one["pnl_quote"] for one in curves[:3]] == profits
    assert curves[2]["marginal"] == (profits[2] - profits[1]) / 0.5  # type: ignore[operator]
    assert curves[3]["marginal"] is None
    assert 'data-key="curves.5.pnl_quote"' in sweep_page(found, judge(found, "pnl_quote")).decode()
    assert summary_of(columns())["curves"] == []


# The page.


class Reader(HTMLParser):
    """Texts by the `data-key` of their element, and the texts outside of those."""

    def __init__(self) -> None:
        super().__init__()
        self.keyed: dict[str, str] = {}
        self.plain: list[str] = []
        self._stack: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "wbr", "link", "br"):
            self._stack.append((tag, dict(attrs).get("data-key") or ""))

    def handle_endtag(self, tag: str) -> None:
        if self._stack and self._stack[-1][0] == tag:
            self._stack.pop()

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._stack]
        key = next((key for _, key in reversed(self._stack) if key), "")
        if key:
            self.keyed.setdefault(key, data)
        elif not {"script", "style", "title"} & set(tags):
            self.plain.append(data)


def page_of(found: Columns) -> tuple[str, Reader]:
    text = sweep_page(found, judge(found, "pnl_quote")).decode()
    reader = Reader()
    reader.feed(text)
    return text, reader


def paths(tree: Any, at: str = "") -> Iterator[str]:
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            yield from paths(value, f"{at}.{name}" if at else name)
    elif isinstance(tree, list):
        for n, value in enumerate(tree):
            yield from paths(value, f"{at}.{n}")
    else:
        yield at


def test_every_number_has_its_key() -> None:
    found = columns(periods=(period(TRAIN, 1), period(TEST, 1)))
    _, reader = page_of(found)
    known = set(paths(summary_of(found)))
    cells = {*found.values, *found.figures, "plateau", "set_no"}
    assert reader.keyed.keys() <= known | cells
    assert [text for text in reader.plain if re.search(r"\d", text)] == []
    assert (reader.keyed["sets"], reader.keyed["luck.splits"]) == ("12", "924")


def test_figures_that_no_set_has_are_left_out() -> None:
    _, reader = page_of(columns())
    assert "best.figures.round_trips.closed" in reader.keyed
    assert "best.figures.equity.sharpe" not in reader.keyed


def test_luck_is_above_the_best_set() -> None:
    text, _ = page_of(columns())
    assert 0 < text.index('data-key="luck.overfitting_share"') < text.index('data-key="best.set_no"')
    assert text.index('data-key="luck.deflated_sharpe"') < text.index('data-key="best.set_no"')


def test_the_page_loads_nothing() -> None:
    text, _ = page_of(columns())
    body = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", body) == [
        "sweep.json",
        "results.jsonl",
        "sweep.csv",
    ]
    assert text.count("<script") == text.count("</script>") == 4


def test_the_same_results_give_the_same_page() -> None:
    assert page_of(columns())[0] == page_of(columns())[0]


@pytest.mark.parametrize(("spreads", "timeouts"), [(1, 1), (5, 2), (1, 2)])
def test_small_sweeps_have_a_page(spreads: int, timeouts: int) -> None:
    text, reader = page_of(columns(spreads, timeouts))
    assert reader.keyed["sets"] == str(spreads * timeouts)
    assert "NaN" not in re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1)  # type: ignore[union-attr]


def test_a_sweep_without_a_result_has_a_page() -> None:
    whole, results = sweep(1, 1)
    for given in ([], [SetResult(0, 0, results[0].values, FAILED, "raised")]):
        _, reader = page_of(columns_of(whole, given, FIGURES))
        assert reader.keyed["sets"] == "0"


def test_names_and_values_are_text() -> None:
    attack = "</script><img src=x onerror=alert(1)>"
    whole, results = sweep()
    key = Key("strategy.name", [attack])
    results = [
        SetResult(one.set_no, 0, {"strategy.name": attack}, "ended", None, one.figures, one.profits)
        for one in results
    ]
    text, _ = page_of(columns_of(head([key], whole.periods, 12), results, FIGURES))
    assert attack not in text
    assert "<img" not in text


def test_many_sets_are_drawn_in_part() -> None:
    count = SETS_MAX + 500
    keys = [Key("strategy.min_spread_bps", list(range(count)))]
    returns = np.random.default_rng(2).normal(size=(count, 1))
    results = [result(n, 0, {keys[0].name: n}, one) for n, one in enumerate(returns)]
    found = columns_of(head(keys, [period(returns=1)], count), results, FIGURES)
    judged = judge(found, "pnl_quote")
    places = drawn_places(found, judged)
    assert len(set(places)) == len(places) == SETS_MAX
    assert {judged.best, judged.best_plateau, *judged.front} <= set(places)
    drawn = page_data(found, judged)
    assert drawn["setNos"][drawn["best"]] == judged.best
    assert len(json.dumps(drawn)) < 1_000_000


def test_the_best_set_of_a_walk_is_that_of_the_means_over_tests(tmp_path: Path) -> None:
    whole, results = sweep(
        periods=(period(TRAIN, 1, 96), period(TEST, 1), period(TRAIN, 2, 96), period(TEST, 2))
    )
    (tmp_path / "sweep.json").write_bytes(msgspec.json.encode(whole))
    (tmp_path / "results.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in results))
    means = columns_of(whole, results, FIGURES).figure("pnl_quote")
    assert next(best_toml(tmp_path, None, [], [])).startswith(f"# Set {int(np.argmax(means))} of ")
    below = f"pnl_quote={float(np.sort(means)[-2])!r}"
    assert next(best_toml(tmp_path, None, [], [below])).startswith(f"# Set {int(np.argsort(means)[-2])} of ")
    with pytest.raises(InputError, match="within"):
        next(best_toml(tmp_path, None, ["pnl_quote=1e9"], []))

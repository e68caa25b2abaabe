"""`/metrics`: what it says of sessions, that it stays bounded, and that its page, panels and rules name what exists."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.paths import ROOT
from support.watched_folders import BEGAN_NS, LEGS, WatchedFolder, event

from arb.alerts.store import Alarm
from arb.watch.metrics import (
    DECISION,
    DECLARED,
    LAG,
    LATENCY,
    RUNS,
    SESSIONS_MAX,
    TO_ORDER,
    UP,
    VALUES_MAX,
    Metrics,
)
from arb.watch.payloads import runs_of
from arb.watch.sessions import Sessions
from connectors.units import SECOND

SECRET = "sk-planted-7d20c6e1"
EXPRESSIONS = [
    panel_target["expr"]
    for panel in json.loads((ROOT / "deploy" / "grafana" / "arb.json").read_text())["panels"]
    for panel_target in panel["targets"]
]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
SCRAPE = yaml.safe_load((ROOT / "deploy" / "prometheus" / "scrape.yml").read_text())
#: Name, kind and labels of every metric, and what it is.
ALL = [
    RUNS, UP, *((one.name, one.kind, ("session", *one.labels), one.text) for one in DECLARED),
    LAG, LATENCY, DECISION, TO_ORDER
]  # fmt: skip


class Watched:
    """The runs in a folder, one of which is at hand, and their metrics. Its clock is read with each status."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.folder = WatchedFolder(runs / "a")
        self.sessions = Sessions([runs])
        self.now_ns = BEGAN_NS
        self.metrics = Metrics(self.sessions, lambda: self.now_ns)

    def scrape(self, later_s: int = 0) -> dict[tuple[str, ...], float]:
        """Reads what is new, by a clock that is so far ahead. The samples, by name and the values of their labels."""
        while self.sessions.poll(time.time_ns() + later_s * SECOND):
            pass
        return samples(self.metrics.text().decode())


#: The text has labels by the alphabet.
FIRST = ("session", "buy", "sell", "leg", "venue")


def place(label: str) -> tuple[int, str]:
    return (FIRST.index(label) if label in FIRST else len(FIRST)), label


def samples(text: str) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels, those of FIRST in front; each is there once."""
    found = [
        ((one.name, *(one.labels[name] for name in sorted(one.labels, key=place))), one.value)
        for family in text_string_to_metric_families(text)
        for one in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    with contextlib.closing(watched.folder):
        yield watched


def test_a_session_has_every_metric_in_its_unit(watched: Watched) -> None:
    status = watched.folder.write_status(halted="arb halt", events={"disconnect": 4})
    watched.now_ns = status.time_ns + 2 * SECOND
    watched.folder.write_events(
        event(1, "opportunity", reason="busy"), event(2, "opportunity", reason="taken"),
        event(3, "opportunity", reason="busy"), event(4, "order", leg=LEGS[1]), event(5, "chase", leg=LEGS[1]),
        event(6, "halted", reason="a rule"), event(7, "rejected", leg=LEGS[0], order_id=3),
    )  # fmt: skip
    watched.sessions.poll()
    (session,) = watched.sessions
    session.alarms = {"lag": Alarm("lag", 5, "late", is_over=True, begun=3)}
    found = watched.scrape()
    first, second = ((leg, leg.partition(":")[0]) for leg in LEGS)
    expected: dict[tuple[str, ...], float] = {
        ("arb_runs", "running"): 1,
        ("arb_up", "a", "dry-run"): 1,
        ("arb_status_age_seconds", "a"): 2.0,
        ("arb_heartbeat_age_seconds", "a"): 2.003,
        ("arb_feed_up", "a", *second): 1,
        ("arb_bid_price", "a", *first): 64_000.1,
        ("arb_frames_total", "a", *first): 12_345,
        ("arb_gaps_total", "a", *second): 2,
        ("arb_position_base", "a", *second): -0.0125,
        ("arb_edge_bps", "a", *LEGS): 1.2345,
        ("arb_edge_largest_bps", "a", *LEGS[::-1]): -3.25,
        ("arb_fills_total", "a"): 1_234,
        ("arb_attempt_outcomes_total", "a", "hedged"): 610,
        ("arb_attempt_outcomes_total", "a", "halted"): 1,
        ("arb_opportunities_total", "a", "busy"): 2,
        ("arb_opportunities_total", "a", "taken"): 1,
        ("arb_orders_total", "a", *second, "order"): 1,
        ("arb_rejected_orders_total", "a", *first): 1,
        ("arb_alarms_total", "a", "lag"): 3,
        ("arb_orders_total", "a", *second, "chase"): 1,
        ("arb_refusals_total", "a", "max_order_quote"): 3,
        ("arb_reconnects_total", "a"): 4,
        ("arb_events_total", "a", "opportunity"): 3,
        ("arb_profit_quote", "a"): -0.123456,
        ("arb_halted", "a"): 1,
        ("arb_rule_holds", "a", "data"): 1,
        ("arb_processor_ratio", "a"): 0.125,
        ("arb_memory_bytes", "a"): 0.41e9,
        ("arb_feed_lag_seconds_bucket", "a", *first, "0.01"): 0,
        ("arb_feed_lag_seconds_bucket", "a", *first, "0.025"): 1,
        ("arb_feed_lag_seconds_bucket", "a", *first, "+Inf"): 1,
        ("arb_feed_lag_seconds_sum", "a", *first): 0.01234,
        ("arb_order_latency_seconds_bucket", "a", *first, "0.01"): 0,
        ("arb_order_latency_seconds_bucket", "a", *first, "0.025"): 9,
        ("arb_order_latency_seconds_bucket", "a", *first, "0.1"): 17,
        ("arb_order_latency_seconds_sum", "a", *first): 0.4255,
        ("arb_order_latency_seconds_count", "a", *first): 17,
        ("arb_decision_seconds_bucket", "a", *first, "0.0001"): 5,
        ("arb_decision_seconds_count", "a", *first): 9,
        ("arb_socket_to_order_seconds_bucket", "a", *first, "0.00025"): 9,
        ("arb_socket_to_order_seconds_sum", "a", *first): 0.0035,
    }
    assert {key: found.get(key) for key in expected} == pytest.approx(expected)
    # What is not known is left out.
    assert ("arb_ask_price", "a", *second) not in found
    assert ("arb_feed_lag_seconds_sum", "a", *second) not in found
    assert {name for name, *_ in found} >= {name for name, kind, *_ in ALL if kind in ("gauge", "counter")}


def test_counters_go_on_over_files_of_events_and_never_fall(watched: Watched) -> None:
    watched.folder.write_status()
    watched.scrape()
    watched.folder.write_events(*(event(number, "fill") for number in range(1, 6)))
    before = watched.scrape()
    assert before["arb_feed_lag_seconds_count", "a", LEGS[0], "binance_spot"] == 1
    watched.folder.write_events(*(event(number, "fill") for number in range(6, 9)), file_no=2)
    watched.folder.write_status(fills=1_235, elapsed_s=126.5)
    after = watched.scrape()
    assert after["arb_events_total", "a", "fill"] == 8
    assert after["arb_feed_lag_seconds_count", "a", LEGS[0], "binance_spot"] == 2
    falling = ("_total", "_bucket", "_count", "_sum")
    assert {
        key: value for key, value in before.items() if key[0].endswith(falling) and after[key] < value
    } == {}


def test_another_session_in_the_same_folder_begins_at_nothing(watched: Watched) -> None:
    watched.folder.write_status()
    watched.folder.write_events(*(event(number, "fill") for number in range(1, 6)))
    watched.scrape()
    (watched.folder.path / "events.jsonl").unlink()
    watched.folder.write_status(began_ns=BEGAN_NS + SECOND)
    watched.folder.write_events(event(1, "feed"))
    found = watched.scrape()
    assert found["arb_events_total", "a", "feed"] == 1
    assert ("arb_events_total", "a", "fill") not in found
    assert found["arb_feed_lag_seconds_count", "a", LEGS[0], "binance_spot"] == 1


def test_another_session_without_events_begins_at_nothing_too(watched: Watched) -> None:
    for began_ns in (BEGAN_NS, BEGAN_NS + SECOND):
        watched.folder.write_status(began_ns=began_ns)
        assert watched.scrape()["arb_feed_lag_seconds_count", "a", LEGS[0], "binance_spot"] == 1


def test_a_session_whose_folder_is_gone_is_forgotten(watched: Watched) -> None:
    watched.folder.write_status()
    assert watched.scrape()["arb_up", "a", "dry-run"] == 1
    shutil.rmtree(watched.folder.path)
    assert ("arb_up", "a", "dry-run") not in watched.scrape(later_s=60)
    assert watched.metrics._tallies == {}


def test_no_age_is_negative(watched: Watched) -> None:
    watched.now_ns = watched.folder.write_status().time_ns - SECOND
    assert watched.scrape()["arb_status_age_seconds", "a"] == 0.0


@pytest.mark.parametrize(
    ("state", "up"), [("running", 1), ("silent", 0), ("killed", 0), ("ended", None), ("verified", None)]
)
def test_a_session_is_up_or_down_and_one_that_has_ended_has_no_metrics(
    watched: Watched, state: str, up: int | None
) -> None:
    later_s = 60
    sign = 1 if state == "running" else -1
    watched.folder.write_status(time_ns=time.time_ns() + sign * later_s * SECOND)
    if state == "killed":
        watched.folder.kill()
    elif state in ("ended", "verified"):  # a killed one, too, is finished by `arb verify`
        watched.folder.end({"fills": 3, "pnl_quote": 1.0}, "ended" if state == "ended" else "killed")
    found = watched.scrape(later_s)
    assert found["arb_runs", "killed" if state == "verified" else state] == 1
    assert sum(value for (name, *_), value in found.items() if name == "arb_runs") == 1
    assert found.get(("arb_up", "a", "dry-run")) == up
    assert found.get(("arb_fills_total", "a")) == (None if up is None else 1_234)


def test_the_page_has_the_same_numbers(watched: Watched) -> None:
    watched.folder.write_status(fills=77, pnl_quote=-12.625)
    found = watched.scrape()
    (run,) = runs_of(watched.sessions)["runs"]
    assert run["fills"][-1] == found["arb_fills_total", "a"] == 77
    assert run["profit"][-1] == found["arb_profit_quote", "a"] == -12.625


def test_the_number_of_samples_is_bounded(watched: Watched) -> None:
    kinds = [f"kind_{number}" for number in range(3 * VALUES_MAX)]
    watched.folder.write_status(refusals=dict.fromkeys(kinds, 2))
    watched.folder.write_events(*(event(number, kind) for number, kind in enumerate(kinds, 1)))
    with contextlib.ExitStack() as held:
        for number in range(SESSIONS_MAX):
            other = held.enter_context(contextlib.closing(WatchedFolder(watched.runs / f"b{number:03}")))
            other.write_status(began_ns=BEGAN_NS - SECOND)
        found = watched.scrape()
    assert sum(name == "arb_up" for name, *_ in found) == SESSIONS_MAX
    for metric, total in (("arb_refusals_total", 6 * VALUES_MAX), ("arb_events_total", 3 * VALUES_MAX)):
        of_it = {key: value for key, value in found.items() if key[:2] == (metric, "a")}
        assert len(of_it) == VALUES_MAX + 1
        assert sum(of_it.values()) == total
    assert max(len(tally.kinds) for tally in watched.metrics._tallies.values()) == VALUES_MAX + 1


def test_texts_of_a_session_are_not_in_its_metrics(watched: Watched) -> None:
    watched.folder.write_status(halted=SECRET)
    watched.folder.write_events(event(1, "order", SECRET, leg=LEGS[0], why=SECRET), event(2, "feed", SECRET))
    assert watched.scrape()["arb_orders_total", "a", LEGS[0], "binance_spot", "order"] == 1
    assert SECRET not in watched.metrics.text().decode()


def test_the_page_has_every_metric_and_no_other() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(arb_\w+)` \| (\w+) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    listed = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), what) for name, kind, labels, what in rows]
    assert listed == [(name, kind, labels, text) for name, kind, labels, text in ALL]


def names(expression: str) -> set[str]:
    """The metrics that an expression names, and the labels by which it groups or which it selects."""
    return set(re.findall(r"\barb_\w+", expression))


#: Names of all samples that can be scraped.
HISTOGRAMS = {name for name, kind, *_ in ALL if kind == "histogram"}
SAMPLES = {name for name, *_ in ALL} - HISTOGRAMS
SAMPLES |= {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "count", "sum")}
LABELS = {label for *_, labels, _ in ALL for label in labels} | {"le", "job", "instance"}


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *(rule["expr"] for rule in RULES)])
def test_what_panels_and_rules_name_exists(expression: str) -> None:
    assert names(expression) <= SAMPLES
    assert names(expression) or expression.startswith("up{")
    for group in re.findall(r"\bby ?\(([^)]*)\)", expression):
        assert set(re.split(r", *", group)) <= LABELS
    assert set(re.findall(r"(\w+)=~?\"", expression)) <= LABELS
    assert [expression.count(one) for one in "({["] == [expression.count(one) for one in ")}]"]
    # The rate of a gauge has no meaning, and what only grows is not to be shown as it is.
    counters = {name for name, kind, *_ in ALL if kind == "counter"} | {
        f"{name}_bucket" for name in HISTOGRAMS
    }
    rated = set(re.findall(r"\b(?:rate|increase)\((arb_\w+)", expression))
    assert rated == names(expression) & counters


def test_panels_and_rules_are_whole() -> None:
    sources = yaml.safe_load((ROOT / "deploy" / "grafana" / "datasources.yml").read_text())["datasources"]
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "arb.json").read_text())
    chosen = {one["name"]: one.get("current", {}).get("value") for one in dashboard["templating"]["list"]}
    assert chosen["source"] == sources[0]["uid"]
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"$source"}
    panels: list[dict[str, Any]] = json.loads((ROOT / "deploy" / "grafana" / "arb.json").read_text())[
        "panels"
    ]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 12
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 10
    assert all(rule["labels"]["severity"] in ("warning", "critical") for rule in RULES)
    assert all(rule["annotations"]["summary"] for rule in RULES)
    (job,) = SCRAPE["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8080"]}]
    assert SCRAPE["rule_files"] == ["rules.yml"]

"""Whether page, `/metrics`, `arb runs` and files agree: `PYTHONPATH=tests python -m tests.soak.watch_pages`.

Two sessions in the sandbox, one after the other, under one `arb watch`, and a browser. Of the first, which has ended,
and of the second, while it goes on and after its end, every number of the page is compared with `summary.json` or
`status.json`, the list with `arb runs`, and what has a metric with `/metrics`; a number is rounded here, not by the
code of the page. Then the times from a fill at the venue to a page, without those of the seconds in which the session
was held. Exit code 1 if something differs; it needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from support.browser import Browser, browser

#: From a fill at the venue to a page, p99.
FILL_MS = 1_500.0
#: In `/metrics` by the place in the session's files; the second: what one of its units is there.
METRICS = {
    "fills": ("arb_fills_total", 1.0),
    "pnl_quote": ("arb_profit_quote", 1.0),
    "fee_quote": ("arb_fees_quote", 1.0),
    "equity.capital_quote": ("arb_capital_quote", 1.0),
    "attempts.count": ("arb_attempts_total", 1.0),
    "status.drawdown_quote": ("arb_drawdown_quote", 1.0),
    "status.day_loss_quote": ("arb_day_loss_quote", 1.0),
    "status.working": ("arb_working_orders", 1.0),
    "status.threshold_bps": ("arb_threshold_bps", 1.0),
    "status.memory_gb": ("arb_memory_bytes", 1e9),
    "status.processor_pct": ("arb_processor_ratio", 0.01),
    "status.open_files": ("arb_open_files", 1.0),
    "status.doubts": ("arb_doubts", 1.0),
}
LEG_METRICS = {
    "bid": "arb_bid_price",
    "ask": "arb_ask_price",
    "frames": "arb_frames_total",
    "gaps": "arb_gaps_total",
}
#: Every session has an alarm; nobody receives its message.
ALARM = ("--set", "alerts.webhook='${PAGES_HOOK}'", "--set", "alerts.rules.always.when='memory_gb > 0'")
_NUMBER = re.compile(r"([+-]?)([\d,]+(?:\.\d+)?) ?(.*)")
#: How many of a number's unit one of the text's are.
_UNITS = {"%": 0.01, "ms": 1e-3, "min": 60.0, "h": 3_600.0, "days": 86_400.0}


def is_shown(text: str, value: Any, key: str) -> bool:
    """Whether a text is a value to its last digit. Keys say what is a share, a time in s or in percent."""
    if value is None:
        return text == "-"
    if isinstance(value, str):
        return text in (value, f"{value[:10]} {value[11:19]}")
    found = _NUMBER.fullmatch(text)
    if found is None:
        return False
    sign, digits, unit = found.groups()
    digits = digits.replace(",", "")
    scale = _UNITS.get(unit, 1.0)
    if key.endswith(("_pct", "_ms")):
        scale = 1.0
    step = 10.0 ** -len(digits.partition(".")[2])
    number = float(digits) * (-1.0 if sign == "-" else 1.0)
    is_signed = not (sign == "+" and value < 0.0)
    return is_signed and abs(number * scale - value) <= 0.5 * step * scale * (1.0 + 1e-9) + 1e-12


def value_at(files: Mapping[str, Any], key: str) -> Any:
    """A number of the files by its data-key."""
    found: Any = files
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, list) else found.get(part) if found else None
    return found


def files_of(folder: Path) -> dict[str, Any]:
    """What the page's keys point into; of a session that goes on what a summary would have, from its status."""
    status = json.loads((folder / "status.json").read_bytes())
    if (folder / "manifest.json").exists():
        summary = json.loads((folder / "summary.json").read_bytes())
        outcome = json.loads((folder / "manifest.json").read_bytes())["outcome"]
        return {**summary, "status": status, "outcome": outcome}
    capital, profit = status["capital_quote"], status["pnl_quote"]
    reasons: dict[str, int] = {}
    for line in (folder / "events.jsonl").read_text().splitlines():
        one = json.loads(line)
        if one["event"] == "opportunity" and one["data"]["reason"] != "taken":
            reasons[one["data"]["reason"]] = reasons.get(one["data"]["reason"], 0) + 1
    return {
        "status": status,
        "outcome": "running",
        "fills": status["fills"],
        "fee_quote": status["fee_quote"],
        "pnl_quote": profit,
        "equity": {"capital_quote": capital, "end_quote": None if None in (capital, profit) else capital + profit},
        "attempts": {
            "count": status["attempts"], **{name: status[name] for name in ("hedged", "missed", "reversed")}
        },
        "opportunities": {
            "seen": status["opportunities"],
            "taken": status["opportunities_taken"],
            "missed": sum(reasons.values()),
            "missed_by_reason": reasons,
        },
        "legs": [{"position_base": leg["position"]} for leg in status["legs"]],
    }  # fmt: skip


def fetched(address: str) -> str:
    with urllib.request.urlopen(address) as answer:
        return str(answer.read().decode())


def metrics_of(address: str, session: str) -> dict[tuple[str, str], float]:
    """Values of one session by the metric and the leg, "" without one."""
    return {
        (one.name, one.labels.get("leg", "")): one.value
        for family in text_string_to_metric_families(fetched(f"{address}/metrics"))
        for one in family.samples
        if one.labels.get("session") == session
    }


def wrong_numbers(texts: Mapping[str, Any], files: Mapping[str, Any]) -> Iterator[str]:
    """Numbers of the page that are not those of the files."""
    for key, shown in texts.items():
        value = value_at(files, key)
        for text, exact in shown:
            is_exact = exact is None or value is None or float(exact) == value
            if not is_shown(text, value, key) or not is_exact:
                yield f"{key}: the page has {text!r}, the files {value!r}"


def wrong_metrics(found: Mapping[tuple[str, str], float], files: Mapping[str, Any]) -> Iterator[str]:
    """Metrics of a session that goes on that are not what its files say."""
    expected = {(name, ""): (value_at(files, key), unit) for key, (name, unit) in METRICS.items()}
    for leg in files["status"]["legs"]:
        expected |= {(name, leg["name"]): (leg[key], 1.0) for key, name in LEG_METRICS.items()}
    for place, (value, unit) in expected.items():
        wanted = None if value is None else value * unit
        given = found.get(place)
        if (given is None) != (wanted is None) or (
            given is not None and abs(given - wanted) > 1e-9 * abs(wanted)
        ):
            yield f"{place}: /metrics has {given}, the files {wanted}"


def wrong_list(rows: Mapping[str, Any], root: Path) -> Iterator[str]:
    """Rows of the page's list that are not what `arb runs` says. rows: by name, fills, profit and alarm as shown."""
    lines = subprocess.run(
        [sys.executable, "-m", "arb", "runs", str(root), *state_of(root)],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "400"},
    ).stdout.splitlines()  # fmt: skip
    for name, shown in rows.items():
        line = next((one for one in lines if one.split()[:1] == [name]), "")
        if re.split(r"\s{2,}", line.strip())[-3:] != shown:
            yield f"{name}: the page has {shown}, arb runs {line.strip()!r}"


def state_of(root: Path) -> list[str]:
    """Words of commands that use the state directory."""
    return ["--set", f'live.state_directory="{root / "state"}"']


async def compared(page: Browser, address: str, folder: Path) -> tuple[int, list[str]]:
    """How many numbers there are, and what differs."""
    files = files_of(folder)
    texts = await page.texts("#session")
    rows = await page.value(
        "Object.fromEntries([...document.querySelectorAll('a.run')].map(row => [row.dataset.name, "
        "[...['fills', 'pnl_quote'].map(key => row.querySelector(`[data-key=${key}]`).textContent), "
        "row.querySelector('small.bad, small.warn').textContent.replace('alarm ', '')]]))"
    )
    rows = {folder.name: rows[folder.name]}  # others may go on meanwhile
    wrong = [*wrong_numbers(texts, files), *wrong_list(rows, folder.parent)]
    if files["outcome"] == "running":
        wrong += wrong_metrics(metrics_of(address, folder.name), files)
    return sum(map(len, texts.values())) + 3 * len(rows), wrong


async def fills_ms(
    address: str, session: str, seconds: float, held: list[tuple[float, float]]
) -> list[float]:
    """From each fill at the venue until a page has it. held: spans of time in s, whose fills are left out."""
    found: list[float] = []
    is_first = True
    timeout = aiohttp.ClientTimeout(total=None)
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 24) as client,
            client.get(f"{address}/events", params={"session": session}) as answer,
        ):
            async for line in answer.content:
                if not line.startswith(b"data:"):
                    continue
                now_s, news = time.time(), json.loads(line[5:])
                events = [] if is_first else news.get("events", ())
                is_first = False
                if not any(since <= now_s <= until for since, until in held):
                    found += [1e3 * now_s - one[1] for one in events if one[2] == "fill"]
    return found


def session_of(root: Path, name: str, seconds: float, words: list[str]) -> subprocess.Popen[bytes]:
    """A session in the sandbox."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "arb", "dry-run", "--sandbox", "--duration", f"{seconds:g}s"),
            *("--out", str(root / name), "--no-report", *words),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def status_of(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "status.json").read_bytes()))
    except FileNotFoundError:
        return {}


async def until(what: Any, within_s: float = 300.0) -> None:
    async with asyncio.timeout(within_s):
        while not what():
            await asyncio.sleep(0.2)


async def compare_held(
    page: Browser,
    address: str,
    session: subprocess.Popen[bytes],
    folder: Path,
    held: list[tuple[float, float]],
) -> tuple[int, list[str]]:
    """As `compared`, of a session that goes on: it is held for some seconds, so that no file changes meanwhile."""
    began_s = time.time()
    held.append((began_s, math.inf))
    os.kill(session.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(1.8)
        return await compared(page, address, folder)
    finally:
        os.kill(session.pid, signal.SIGCONT)
        held[-1] = began_s, time.time() + 2.0  # what it had to do is done by then


async def look_at_all(root: Path, address: str, chosen: argparse.Namespace) -> list[str]:
    words = chosen.words
    held: list[tuple[float, float]] = []
    first = session_of(root, "first", 20.0, words)
    await asyncio.to_thread(first.wait)
    wrong: list[str] = []

    def note(what: str, count: int, found: list[str]) -> None:
        print(f"{what}: {count} numbers, {len(found)} differ")
        wrong.extend(found)

    second = session_of(root, "second", chosen.seconds, words)
    try:
        async with browser() as page:
            await page.open(f"{address}/#first", 'performance.getEntriesByName("charts").length')
            note("a session that has ended", *await compared(page, address, root / "first"))
            await until(lambda: status_of(root / "second").get("fills", 0) > 3)
            await page.open(f"{address}/#second", "document.querySelector('#tables [data-key]')")
            delays = asyncio.create_task(fills_ms(address, "second", chosen.seconds - 15.0, held))
            for _ in range(3):
                await asyncio.sleep(4.0)
                note("one that goes on", *await compare_held(page, address, second, root / "second", held))
            ordered = sorted(await delays)
            await asyncio.to_thread(second.wait)
            await page.until("document.querySelector('#session [data-key=outcome]').textContent === 'ended'")
            await asyncio.sleep(2.0)
            note(
                "the same after its end, without a new page", *await compared(page, address, root / "second")
            )
            wrong += [
                f"request elsewhere: {one}" for one in page.requests if not one.startswith((address, "data:"))
            ]
            wrong += [f"error in the page: {one}" for one in page.faults]
    finally:
        if second.poll() is None:
            second.terminate()
            second.wait()
    if not ordered:
        return [*wrong, "no fill came to a page"]
    p50, p99 = (ordered[min(len(ordered) - 1, round(share * len(ordered)))] for share in (0.5, 0.99))
    print(
        f"{len(ordered)} fills, ms from the venue to a page: p50 {p50:.0f}, p99 {p99:.0f}, at most {ordered[-1]:.0f}"
    )
    return wrong if p99 <= FILL_MS else [*wrong, f"fills take {p99:.0f} ms to a page, limit {FILL_MS:.0f}"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="of the second session")
    parser.add_argument(
        "words", nargs="*", help="of arb dry-run, after --: -- --set strategy.min_spread_bps=3"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        watcher = subprocess.Popen(
            [sys.executable, "-m", "arb", "watch", str(root), "--port", "0", *state_of(root), *ALARM],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PAGES_HOOK": "http://127.0.0.1:9/nobody"},
        )
        try:
            assert watcher.stdout is not None
            address = watcher.stdout.readline().split()[-1]
            wrong = asyncio.run(look_at_all(root, address, chosen))
        finally:
            watcher.terminate()
            watcher.wait()
    print(*wrong, sep="\n")
    print(f"differences: {len(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

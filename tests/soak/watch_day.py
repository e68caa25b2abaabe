"""A day of four sessions under `arb watch`: `PYTHONPATH=tests python -m tests.soak.watch_day [--hours 24]`.

A generator writes the day at speed and then goes on in real time, while the watcher's memory and processor are read.
Then Chromium opens the page cold: its first paint, the time until the day is drawn, and every number on it, which must
be the server's. Exit code 1 if a bound is missed; it needs Chromium (`--no-browser` leaves that part out).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
from support.browser import browser
from support.watched_folders import LEGS, WatchedFolder, event, rows_of

from connectors.units import SECOND

SESSIONS = 4
#: An event so often, in seconds, and rows of a series a second.
EVENT_S, ROWS_S = 2, 4
#: Bounds. The day is first shown as a sketch, which the charts replace.
MEMORY_MB, PROCESSOR_PCT, DAY_MS, PAINT_MS, EVENT_MS = 150.0, 2.0, 500.0, 600.0, 1_000.0
_KINDS = ("attempt", "fill", "fill", "hedged", "opportunity")


def trading_event(number: int, row: Any) -> Any:
    """An event at a row of a series."""
    kind, side = _KINDS[number % len(_KINDS)], "buy" if number % 2 else "sell"
    text = f"{LEGS[number % 2]} {side} 0.0125 at {row['bid'][0, 1]:.1f}, fee 0.5600, attempt {number // len(_KINDS)}"
    data: dict[str, Any] = {
        "reason": "busy",
        "leg": LEGS[number % 2],
        "side": side,
        "price": float(row["bid"][0, 1]),
        "edge_bps": float(row["edge_bps"][0, 1]),
    }
    return event(number, kind, text, int(row["time_ns"]), **data)


class Writer:
    """The four sessions."""

    def __init__(self, root: Path, hours: float) -> None:
        self._folders = [
            WatchedFolder(root / f"2026010{n}T000000.000000Z-dry-run") for n in range(1, SESSIONS + 1)
        ]
        count = round(hours * 3600 * ROWS_S)
        self._began_ns = time.time_ns() - count * SECOND // ROWS_S
        self._events = count // (ROWS_S * EVENT_S)
        for n, folder in enumerate(self._folders):
            rows = rows_of(count, self._began_ns, seed=n)
            folder.write_rows(rows)
            every = ROWS_S * EVENT_S
            folder.write_events(*(trading_event(k + 1, rows[k * every]) for k in range(self._events)))
            folder.write_status(began_ns=self._began_ns)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _go_on(self) -> None:
        step = 0
        while not self._stopped.wait(1.0 / ROWS_S):
            step += 1
            for n, folder in enumerate(self._folders):
                rows = rows_of(1, time.time_ns(), seed=step * SESSIONS + n)
                folder.write_rows(rows)
                if step % ROWS_S == 0:
                    folder.write_status(
                        began_ns=self._began_ns, fills=1_000 + step, pnl_quote=step / 100.0 - n
                    )
                if step % (ROWS_S * EVENT_S) == 0:
                    folder.write_events(trading_event(self._events + step // (ROWS_S * EVENT_S), rows[0]))

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        for folder in self._folders:
            folder.close()


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024.0 for line in lines if line.startswith(f"{field}:"))


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def fetched(address: str) -> Any:
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)


async def look(address: str, name: str, picture: Path | None) -> dict[str, Any]:
    """Opens the page cold, and reads every number on it."""
    async with browser() as page:
        await page.open(f"{address}/#{name}", 'performance.getEntriesByName("charts").length')
        marks = json.loads(
            await page.value(
                "JSON.stringify(Object.fromEntries([...performance.getEntriesByType('paint'), "
                "...performance.getEntriesByType('mark')].map(e => [e.name, e.startTime])))"
            )
        )
        numbers = json.loads(
            await page.value(
                "JSON.stringify([...document.querySelectorAll('#session [data-key]')]"
                ".map(e => [e.dataset.key, e.textContent]))"
            )
        )
        if picture is not None:
            await page.picture(picture)
        elsewhere = [one for one in page.requests if not one.startswith((address, "data:"))]
        return {"marks": marks, "numbers": numbers, "elsewhere": elsewhere, "faults": page.faults}


async def delays_ms(address: str, name: str, seconds: float) -> list[float]:
    """From an event's writing until a page's stream has it."""
    found: list[float] = []
    async with aiohttp.ClientSession() as client, client.get(f"{address}/events?session={name}") as answer:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for line in answer.content:
                    news = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
                    found += [1e3 * time.time() - one[1] for one in news.get("events", ())]
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long processor and memory are read")
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--picture", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        writer = Writer(Path(root), chosen.hours)
        watcher = subprocess.Popen(
            [sys.executable, "-m", "arb", "watch", root, "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        try:
            return measure(watcher, chosen)
        finally:
            watcher.terminate()
            watcher.wait()
            writer.close()


def measure(watcher: subprocess.Popen[str], chosen: argparse.Namespace) -> int:
    assert watcher.stdout is not None
    address = watcher.stdout.readline().split()[-1]
    time.sleep(5.0)
    name = fetched(f"{address}/data/runs.json")["runs"][0]["name"]
    began_s, used_s, before_mb = time.monotonic(), processor_s(watcher.pid), memory_mb(watcher.pid)
    time.sleep(chosen.seconds)
    share = 100.0 * (processor_s(watcher.pid) - used_s) / (time.monotonic() - began_s)
    times_ms = []
    for _ in range(20):
        at_s = time.monotonic()
        fetched(f"{address}/data/{name}.json")
        times_ms.append(1e3 * (time.monotonic() - at_s))
    missed = []
    delays = sorted(asyncio.run(delays_ms(address, name, chosen.seconds)))
    print(
        f"{len(delays)} events, ms from file to page: p50 {delays[len(delays) // 2]:.0f}, at most {delays[-1]:.0f}"
    )
    missed += ["events"] if delays[-1] > EVENT_MS else []
    print(f"processor: {share:.2f} % of a core without a page, over {chosen.seconds:g} s")
    print(
        f"memory: {before_mb:.1f} MB, then {memory_mb(watcher.pid):.1f}, at most {memory_mb(watcher.pid, 'VmHWM'):.1f}"
    )
    print(f"a session's data: {statistics.median(times_ms):.1f} ms, at most {max(times_ms):.1f}")
    missed += ["memory"] if memory_mb(watcher.pid, "VmHWM") > MEMORY_MB else []
    missed += ["processor"] if share > PROCESSOR_PCT else []
    if not chosen.no_browser:
        seen = asyncio.run(look(address, name, chosen.picture))
        marks = seen["marks"]
        print(
            "page, ms from a cold start: " + ", ".join(f"{key} {value:.0f}" for key, value in marks.items())
        )
        numbers = fetched(f"{address}/data/{name}.json")["sheet"]["numbers"]
        # These change every second.
        moving = {
            "fills",
            "pnl_quote",
            "equity.end_quote",
            "opportunities.missed",
            "opportunities.missed_by_reason.busy",
        }
        wrong = [
            one
            for one in seen["numbers"]
            if one[0] not in moving | {"outcome"} and one[1] != numbers[one[0]][0]
        ]
        print(f"{len(seen['numbers'])} numbers, {len(wrong)} differ from the server's {wrong[:3]}")
        print(f"requests elsewhere: {seen['elsewhere']}; errors: {seen['faults']}")
        missed += ["first paint"] if marks["first-contentful-paint"] > PAINT_MS else []
        missed += ["day"] if marks["day"] > DAY_MS else []
        missed += ["numbers"] if wrong or not seen["numbers"] else []
        missed += ["requests"] if seen["elsewhere"] or seen["faults"] else []
    print(f"missed: {', '.join(missed) or 'nothing'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

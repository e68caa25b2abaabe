"""Time and memory of longer runs: `arb backtest` over 1, 2, 5 and 10 simulated days, without and with cached rows.

Each day is a recording of the first minutes of a UTC day, of both legs, with the same seed, so that every day is the
same work. Peak memory is sampled from /proc while the command runs: `private` is anonymous memory; the rest of the
resident memory is mapped files, mostly rows, which the system may drop at any time. Private memory grows with the
records, one a second; the last column is the same run with one record an hour. On a loaded machine compare processor
seconds, not wall time. Linux only.

    python benchmarks/growth.py [MINUTES A DAY]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from alternate import show_machine

from connectors.jit.compilation import cache_folder

DAYS = (1, 2, 5, 10)
VENUES = ("binance_usdm", "bybit_linear")
ROOT = Path(__file__).parents[1]
_SAMPLE_S = 0.02


class Cost(NamedTuple):
    """Of one command: seconds, those of the processor, and the largest memory in MB."""

    seconds: float
    processor: float
    resident: float
    private: float


def measured(words: list[str], environment: dict[str, str]) -> Cost:
    """Runs `arb` to its end. Ends the benchmark where it fails."""
    begin = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "arb", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    resident = private = 0
    while True:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        now = memory(child.pid)
        resident, private = max(resident, now[0]), max(private, now[1])
        time.sleep(_SAMPLE_S)
    seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"arb {' '.join(words)} failed: {child.stderr.read().decode() if child.stderr else ''}")
    return Cost(seconds, used.ru_utime + used.ru_stime, resident / 1024, private / 1024)


def memory(pid: int) -> tuple[int, int]:
    """Resident and anonymous memory of a process in kB; zeros where it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    fields = {line.split(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
    return int(fields.get("Rss", 0)), int(fields.get("Anonymous", 0))


def record_days(folder: Path, minutes: float, environment: dict[str, str]) -> None:
    """The recordings of as many days as are asked for at most."""
    for day in range(1, max(DAYS) + 1):
        words = ["--duration", f"{minutes}m", "--start", f"2024-01-{day:02d}", "--venues", ",".join(VENUES)]
        subprocess.run(
            [sys.executable, "-m", "arb", "sandbox", "record", "--out", str(folder), *words],
            env=environment, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


HOURLY = ("--set", "strategy.params.record_interval_ns=3600000000000")


def words_of(folder: Path, days: int, out: Path) -> list[str]:
    """The backtest of so many days."""
    return [
        "backtest", "-c", str(ROOT / "examples" / "usdm_bybit" / "arbitrage.toml"), "--data", str(folder),
        "--start", "2024-01-01", "--end", f"2024-01-{days:02d}", "--out", str(out),
    ]  # fmt: skip


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    show_machine()
    print(f"{' and '.join(VENUES)}, {minutes:g} minutes a day\n")
    names = "days | rows | cold s | of the processor | warm s | of the processor | cold private MB | warm private MB"
    print(f"| {names} | warm resident MB | warm private MB, a record an hour |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(place / "cache")}
        compiled = place / "cache" / "arb" / "compiled"
        compiled.parent.mkdir(parents=True)
        cache_folder().parent.mkdir(parents=True, exist_ok=True)
        compiled.symlink_to(cache_folder().parent)
        record_days(place / "data", minutes, environment)
        measured(words_of(place / "data", 1, place / "first"), environment)  # compiles what is not yet
        for days in DAYS:
            for path in (place / "cache" / "arb" / "rows").iterdir():
                path.unlink()
            runs = [place / f"{days}-{kind}" for kind in ("cold", "warm")]
            cold, warm = (measured(words_of(place / "data", days, run), environment) for run in runs)
            hourly = measured(
                [*words_of(place / "data", days, place / f"{days}-hourly"), *HOURLY], environment
            )
            rows = json.loads((runs[1] / "summary.json").read_bytes())["rows"]
            print(
                f"| {days} | {rows:,} | {cold.seconds:.1f} | {cold.processor:.1f} | {warm.seconds:.1f} "
                f"| {warm.processor:.1f} | {cold.private:.0f} | {warm.private:.0f} | {warm.resident:.0f} "
                f"| {hourly.private:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

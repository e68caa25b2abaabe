"""Configurations and processes of `arb live --sandbox` with the strategies of `support.live_sandbox`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from arb.config import Config, load, write_templates
from support.live_sandbox import PATIENT_GUARD, demo_settings
from support.paths import GUARD, ROOT

SPOT = ("binance_spot", "bybit_spot")
PERPETUAL = ("binance_usdm", "bybit_linear")


def settings_of(folder: Path, venues: tuple[str, ...], function: str, *settings: str) -> list[str]:
    """Of a strategy's function with a leg at each venue, and money there."""
    legs = json.dumps([f"{venue}:SYMBOL" for venue in venues])
    capital = [
        f"capital.{venue}={{{'base=10.0, ' if venue in SPOT else ''}quote=1000000.0}}" for venue in venues
    ]
    return demo_settings(folder, function, f"strategy.legs={legs}", *capital, *settings)


def config_of(folder: Path, venues: tuple[str, ...] = SPOT, *settings: str, function: str = "busy") -> Config:
    """A strategy that buys, sells, rests and cancels at both legs."""
    write_templates(folder)
    return load(folder / "arbitrage.toml", settings_of(folder, venues, function, PATIENT_GUARD, *settings))


def live_process(
    folder: Path,
    function: str,
    *settings: str,
    stderr: int = subprocess.DEVNULL,
    arb: Sequence[str] = ("-m", "arb"),
) -> subprocess.Popen[str]:
    """A session in a process of its own, with the sandbox inside. arb: what Python runs."""
    main = config_of(folder).file
    words = [word for one in settings_of(folder, SPOT, function, *settings) for word in ("--set", one)]
    return subprocess.Popen(
        [sys.executable, *arb, "live", "--sandbox", "-c", main, "--out", str(folder / "run"), "--no-report",
         *words],
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
    )  # fmt: skip

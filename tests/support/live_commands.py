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


def config_of(folder: Path, venues: tuple[str, ...] = SPOT, *settings: str, function: str = "busy") -> Config:
    """A strategy that buys, sells, rests and cancels at both legs."""
    legs = json.dumps([f"{venue}:SYMBOL" for venue in venues])
    capital = [
        f"capital.{venue}={{{'base=10.0, ' if venue in SPOT else ''}quote=1000000.0}}" for venue in venues
    ]
    write_templates(folder)
    own = demo_settings(folder, function, PATIENT_GUARD, f"strategy.legs={legs}", *capital, *settings)
    return load(folder / "arbitrage.toml", own)


def live_process(
    folder: Path,
    function: str,
    *settings: str,
    stderr: int = subprocess.DEVNULL,
    arb: Sequence[str] = ("-m", "arb"),
) -> subprocess.Popen[str]:
    """A session in a process of its own, with the sandbox inside. arb: what Python runs."""
    main = config_of(folder).file
    legs = json.dumps([f"{venue}:SYMBOL" for venue in SPOT])
    own = [
        f"strategy.legs={legs}",
        *(f"capital.{venue}={{base=10.0, quote=1000000.0}}" for venue in SPOT),
        *settings,
    ]
    words = [word for one in demo_settings(folder, function, *own) for word in ("--set", one)]
    return subprocess.Popen(
        [sys.executable, *arb, "live", "--sandbox", "-c", main, "--out", str(folder / "run"), "--no-report",
         *words],
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
    )  # fmt: skip

"""Looks at pages of sweeps with Chromium: `python -m tests.soak.sweep_pages [FOLDER]` prints their size and time.

Pages of 1, 10, 10,000 and 20,000 sets and of a walk are opened 360 and 1440 pixels wide, light and dark. A page that
asks for another file, has an error of its script or is wider than the window ends the command with 1. Pictures are
written to FOLDER.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.browser import Browser, browser
from support.sweep_results import FIGURES, period, sweep

from arb.sweep.columns import Columns, columns_of
from arb.sweep.judgement import judge
from arb.sweep.page import sweep_page
from arb.sweep.table import TEST, TRAIN

_WIDTHS = (360, 1440)
_THEMES = ("light", "dark")


def samples() -> dict[str, Columns]:
    """Sweeps by name."""
    steps = itertools.chain(*((period(TRAIN, n, 96), period(TEST, n)) for n in range(1, 9)))
    made: dict[str, Any] = {
        "1": sweep(1, 1),
        "10": sweep(10, 1),
        "10000": sweep(100, 100),
        "20000": sweep(200, 100),
        "walk": sweep(8, 6, tuple(steps)),
    }
    return {name: columns_of(*one, FIGURES) for name, one in made.items()}


async def look(page: Browser, name: str, path: Path) -> int:
    """Opens a page in every form. Returns the number of faults."""
    faults = 0
    for width, theme in itertools.product(_WIDTHS, _THEMES):
        page.requests.clear()
        page.faults.clear()
        await page.page.emulate_media(color_scheme=theme)
        began = time.perf_counter()
        await page.open(path.as_uri(), "document.body && document.body.dataset.drawnMs", width=width)
        seconds = time.perf_counter() - began
        wide = await page.value("document.documentElement.scrollWidth")
        height = await page.value("document.documentElement.scrollHeight")
        await page.open(
            path.as_uri(), "document.body && document.body.dataset.drawnMs", width=width, height=height
        )
        await asyncio.sleep(0.5)
        await page.picture(path.with_name(f"{name}-{width}-{theme}.png"))
        foreign = [one for one in page.requests if not one.startswith(("file:", "data:"))]
        found = [*foreign, *page.faults, *([f"{wide} pixels wide"] if wide > width else [])]
        faults += len(found)
        print(
            f"  {width} px, {theme}: drawn after {seconds:.2f} s{''.join(f'; FAULT: {one}' for one in found)}"
        )
    return faults


async def run(folder: Path) -> int:
    """Writes and opens all pages."""
    faults = 0
    async with browser() as page:
        for name, columns in samples().items():
            began = time.process_time()
            judgement = judge(columns, "pnl_quote")
            judged = time.process_time()
            content = sweep_page(columns, judgement)
            path = folder / f"{name}.html"
            path.write_bytes(content)
            print(
                f"{name}: {len(content) / 1e6:.2f} MB, judged in {judged - began:.2f} s, written in "
                f"{time.process_time() - judged:.2f} s"
            )
            faults += await look(page, name, path)
    return faults


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    target.mkdir(parents=True, exist_ok=True)
    sys.exit(1 if asyncio.run(run(target.resolve())) else 0)

"""A browser without a window, driven by Playwright: for commands that look at pages; the suite needs none.

Chromium is the system's (`apt-get install chromium`), Playwright `pip install -e '.[browser]'`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: What it does not do: questions to its maker's servers would be requests elsewhere.
_WITHOUT = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Browser:
    """One page of a new profile. `requests`: addresses that were asked for; `faults`: errors of scripts and loading."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)

    async def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return await self.page.evaluate(expression)

    async def open(
        self, address: str, until: str, *, width: int = 0, height: int = 1400, within_s: float = 60.0
    ) -> None:
        """Opens a page. until: an expression of its script that becomes true. width: of the window from now on, 0: as
        it is. Raises an error of Playwright."""
        if width:
            await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.goto(address, wait_until="commit", timeout=1e3 * within_s)
        await self.until(until, within_s)

    async def until(self, expression: str, within_s: float = 60.0) -> None:
        """Returns when an expression is true."""
        await self.page.wait_for_function(f"() => Boolean({expression})", timeout=1e3 * within_s, polling=50)

    async def texts(self, selector: str) -> dict[str, list[tuple[str, str | None]]]:
        """By data-key below a selector: the texts shown, and the exact values beside them."""
        found = await self.value(
            f"[...document.querySelectorAll('{selector} [data-key]')]"
            ".map(e => [e.dataset.key, e.textContent, e.getAttribute('value')])"
        )
        texts: dict[str, list[tuple[str, str | None]]] = {}
        for key, text, exact in found:
            texts.setdefault(key, []).append((text, exact))
        return texts

    async def picture(self, path: Path, *, is_whole: bool = False) -> None:
        """A PNG of what is shown, or of the whole page."""
        await self.page.screenshot(path=path, full_page=is_whole, animations="disabled")


@contextlib.asynccontextmanager
async def browser(*, width: int = 1440, height: int = 1400, is_dark: bool = False) -> AsyncIterator[Browser]:
    """Raises FileNotFoundError without Chromium, ImportError without Playwright."""
    name = next((path for path in map(shutil.which, _NAMES) if path), None)
    if name is None:
        raise FileNotFoundError(f"this needs one of {', '.join(_NAMES)}: apt-get install chromium")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=name, args=_WITHOUT)
        try:
            context = await started.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if is_dark else "light",
                is_mobile=width < 600,
            )
            yield Browser(await context.new_page())
        finally:
            await started.close()

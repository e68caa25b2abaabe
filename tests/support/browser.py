"""A browser without a window, by Chromium's own protocol: for commands that look at pages; the suite needs none."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Browser:
    """One page of a new profile. `requests`: addresses that were asked for; `faults`: errors of scripts."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.faults: list[str] = []

    async def read(self) -> None:
        """Reads until the browser ends."""
        async for message in self._socket:
            found = json.loads(message.data)
            if "id" in found:
                self._answers.pop(found["id"]).set_result(found)
            elif found["method"] == "Network.requestWillBeSent":
                self.requests.append(found["params"]["request"]["url"])
            elif found["method"] == "Runtime.exceptionThrown":
                self.faults.append(json.dumps(found["params"]["exceptionDetails"])[:500])
            elif found["method"] == "Log.entryAdded" and found["params"]["entry"]["level"] == "error":
                self.faults.append(found["params"]["entry"]["text"])

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._sent += 1
        number = self._sent
        self._answers[number] = asyncio.get_running_loop().create_future()
        answer = self._answers[number]
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return dict((await answer).get("result", {}))

    async def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return found["result"].get("value")

    async def open(
        self, address: str, until: str, *, width: int = 1440, height: int = 1400, within_s: float = 60.0
    ) -> None:
        """Opens a page. until: an expression of its script that becomes true. Raises TimeoutError."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        await self.call("Page.navigate", url=address)
        async with asyncio.timeout(within_s):
            while not await self.value(f"Boolean({until})"):
                await asyncio.sleep(0.05)

    async def picture(self, path: Path) -> None:
        found = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Raises FileNotFoundError without Chromium."""
    name = next(filter(shutil.which, _NAMES), None)
    if name is None:
        raise FileNotFoundError(f"this needs one of {', '.join(_NAMES)}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                name,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            file = Path(profile) / "DevToolsActivePort"
            async with asyncio.timeout(60.0):
                while not file.exists() or not file.read_text().strip():
                    await asyncio.sleep(0.05)
            address = f"http://127.0.0.1:{file.read_text().split()[0]}"
            async with aiohttp.ClientSession() as client:
                async with client.put(f"{address}/json/new?about:blank") as answer:
                    page = (await answer.json())["webSocketDebuggerUrl"]
                async with client.ws_connect(page, max_msg_size=0) as socket:
                    one = Browser(socket)
                    reading = asyncio.create_task(one.read())
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        await one.call(f"{domain}.enable")
                    yield one
                    reading.cancel()
        finally:
            process.terminate()
            process.wait()

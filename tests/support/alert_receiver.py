"""A webhook's receiver on this machine, and guards without a session that send to it."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arb.alerts.message import ChannelAddress, Origin
from arb.runtime.guard_plan import GuardAlerts, GuardPlan
from arb.runtime.guard_process import GuardProcess


class Receiver:
    """Accepts messages, or does what `status` says: an HTTP status; 0: it closes the connection without an answer."""

    def __init__(self) -> None:
        self.status = 204
        #: Called with each message before it is answered.
        self.on_message: Callable[[dict[str, Any]], None] = lambda message: None
        #: Accepted ones, each with its time; and the headers of the last.
        self.received: list[tuple[float, dict[str, Any]]] = []
        self.headers: dict[str, str] = {}
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                own.headers = dict(self.headers)
                own.on_message(message)
                if own.status == 204:
                    own.received.append((time.monotonic(), message))
                if own.status:
                    self.send_response(own.status)
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()
                self.close_connection = True

            def log_message(self, *arguments: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?token=canary-of-the-hook"

    @property
    def channel(self) -> ChannelAddress:
        return ChannelAddress("webhook", "webhook", self.address)

    @property
    def texts(self) -> list[str]:
        """Event and rule of each message."""
        return [f"{message['event']} {message['rule']}" for _, message in list(self.received)]

    def await_texts(self, *texts: str, span_s: float = 20.0) -> None:
        """Returns when exactly these were received."""
        deadline = time.monotonic() + span_s
        while self.texts != list(texts):
            assert time.monotonic() < deadline, self.texts
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


ORIGIN = Origin("stest1-1", "run-1", "sandbox", ("binance_spot", "bybit_spot"))


class AlertGuard:
    """The session's side of a guard that has no venues: it only sends alerts."""

    def __init__(
        self,
        folder: Path,
        channels: tuple[ChannelAddress, ...],
        origin: Origin = ORIGIN,
        every_s: float = 0.0,
    ) -> None:
        (folder / "state").mkdir(exist_ok=True)
        alerts = GuardAlerts(origin, channels, every_s=every_s)
        plan = GuardPlan(
            str(folder / "state"), str(folder / "guard.txt"), "stest1", 1, 500, 500, alerts=alerts
        )
        self.process = GuardProcess(plan, dict(os.environ))
        self.lines: list[str] = []

    def start(self) -> None:
        self.process.start({}, lambda kind, text: self.lines.append(text), lambda now_ns: [])

    def kill(self) -> None:
        """Kills the guard, at any moment."""
        if self.process._process is not None:
            self.process._process.kill()

    def end(self) -> None:
        """Ends the guard, which may have messages left, and starts no other."""
        own = self.process
        own._is_closing = True
        if own._process is not None:
            own._process.kill()
            own._process.wait()
        if own._pipe is not None:
            own._pipe.close()

    async def until(self, is_so: Callable[[], bool], span_s: float = 20.0) -> None:
        deadline = time.monotonic() + span_s
        while not is_so():
            assert time.monotonic() < deadline, self.lines
            await asyncio.sleep(0.01)

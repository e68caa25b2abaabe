"""`arb record` as a process, and sources that recordings of a sandbox are compared with."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.recording_files import Finished, command

PATIENCE_S = 120.0


class Running:
    """A process of `arb record --sandbox --json`, and the progress that it prints."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            command(["record", "--sandbox", "--json", *words]),
            env=dict(environment),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.reported: list[dict[str, Any]] = []

    def until_frames(self, count: int) -> int:
        """Waits until so many frames were acknowledged; how many it is."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.reported.append(json.loads(line))
            if self.reported[-1]["frames"] >= count:
                watchdog.cancel()
                return int(self.reported[-1]["frames"])
        raise AssertionError(f"ended early: {self.process.communicate()}")

    def end(self, number: signal.Signals) -> Finished:
        """Sends a signal and waits for the end."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return Finished(self.process.returncode, out, err)


def lines_of(folder: Path, venue: str, symbol: str = "btcusdt") -> list[tuple[int, bytes]]:
    """Local time and frame of every line that is recorded of an instrument, all days; files must be whole."""
    found = []
    for path in sorted((folder / venue).glob(f"{symbol}_*.gz")):
        text = gzip.decompress(path.read_bytes())
        assert text.endswith(b"\n")
        found += [(int(line[:19]), line[20:]) for line in text.split(b"\n")[:-1]]
    return found


def stripped(payload: dict[str, Any]) -> dict[str, Any]:
    """A frame without its times."""
    data = payload["data"]
    if "topic" in payload:
        if isinstance(data, list):
            data = [{k: v for k, v in trade.items() if k != "T"} for trade in data]
        return {"topic": payload["topic"], "type": payload["type"], "data": data}
    return {"stream": payload["stream"], "data": {k: v for k, v in data.items() if k not in ("E", "T")}}


def is_whole(folder: Path) -> bool:
    """Whether nothing is left to be done in a folder of recordings."""
    return not list(folder.glob("*/*.journal*")) and all(
        lines_of(folder, v.name) for v in folder.glob("[a-z]*")
    )

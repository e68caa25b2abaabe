"""The live screens in a real terminal, tmux: they follow its size, and leave nothing behind."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.live_sandbox import demo_files
from support.paths import GUARD, ROOT

from arb.errors import ExitCode

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

#: For a machine that is busy with other things; what is checked is that there is an end.
PATIENCE_S = 600.0
PROMPT = "ready>"


class Terminal:
    """A shell in tmux, on a server of its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "socket")
        own = {"PS1": f"{PROMPT} ", "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}", "TERM": "screen-256color"}
        left_out = {"TMUX", "COLUMNS", "LINES", "NO_COLOR"}
        environment = {name: value for name, value in os.environ.items() if name not in left_out} | own
        shell = ["bash", "--noprofile", "--norc", "-i"]
        start = ["-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "40", "-c", str(folder), *shell]
        self._run(start, environment)

    def _run(self, words: list[str], environment: dict[str, str] | None = None) -> str:
        command = ["tmux", "-S", self._socket, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    def type(self, line: str) -> None:
        self._run(["send-keys", "-l", f"{line}\n"])

    def press(self, key: str) -> None:
        self._run(["send-keys", key])

    def resize(self, width: int, height: int) -> None:
        self._run(["resize-window", "-x", str(width), "-y", str(height)])

    def ask(self, variable: str) -> str:
        return self._run(["display-message", "-p", f"#{{{variable}}}"]).strip()

    @property
    def screen(self) -> list[str]:
        """What is shown now."""
        return self._run(["capture-pane", "-p"]).splitlines()

    @property
    def everything(self) -> list[str]:
        """The lines that were scrolled away as well."""
        return self._run(["capture-pane", "-p", "-S", "-"]).splitlines()

    def wait(self, is_there: Callable[[list[str]], bool]) -> list[str]:
        """The screen once it is as it should be."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if is_there(screen := self.screen):
                return screen
            time.sleep(0.05)
        pytest.fail("\n".join(self.everything))

    def close(self) -> None:
        self._run(["kill-server"])


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("words", "shown", "foot"),
    [
        (["dry-run", "--sandbox", "--no-report", "--out", "run"], "PnL", "Ctrl+C ends the session"),
        (["record", "--sandbox", "--data", "data"], "frames,", "Ctrl+C ends it with whole files"),
    ],
    ids=["dry-run", "record"],
)
def test_a_screen_follows_the_terminal_and_leaves_it_clean(
    words: list[str], shown: str, foot: str, terminal: Terminal, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "arb", *words, "--config", str(demo_files(tmp_path))]
    terminal.type(f"{shlex.join(command)}; echo code $?")

    terminal.wait(lambda screen: foot in screen and "synced" in " ".join(screen))
    assert terminal.ask("alternate_on") == "1"
    for width, height in ((60, 20), (200, 50), (60, 8), (100, 30)):
        terminal.resize(width, height)
        # The foot is the last line, of a table or of the events that fill the room.
        screen = terminal.wait(
            lambda screen, width=width, height=height: (
                any(shown in line for line in screen)  # type: ignore[misc]
                and len(screen) <= height
                and (height < 10 or foot in screen)
                and max(map(len, screen)) <= width
            )
        )
        assert sum(shown in line for line in screen) == 1
    terminal.press("C-c")
    terminal.wait(lambda screen: f"code {ExitCode.INTERRUPTED:d}" in screen)

    assert terminal.ask("alternate_on") == "0"
    assert terminal.ask("cursor_flag") == "1"
    left = [line for line in terminal.everything if line.strip()]
    assert not any(foot in line or " elapsed" in line for line in left)
    assert left[-1].strip() == PROMPT
    assert left[-2] == f"code {ExitCode.INTERRUPTED:d}"
    terminal.type("stty -a")
    settings = terminal.wait(lambda screen: any("echoctl" in line for line in screen))
    words_of = " ".join(settings).split()
    assert "echo" in words_of
    assert "icanon" in words_of

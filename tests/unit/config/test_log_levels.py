"""`ARB_LOG` sets levels of arb's own loggers; what is no level or no module is one line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.command_line import arb

from arb.config.log_levels import levels_set, log_levels
from arb.errors import ConfigError
from arb.runtime.output import SessionOutput


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("", {}),
        ("info", {"arb": logging.INFO, "connectors": logging.INFO}),
        (
            "info, arb.runtime.session=debug",
            {"arb": logging.INFO, "connectors": logging.INFO, "arb.runtime.session": logging.DEBUG},
        ),
        ("connectors=debug,", {"connectors": logging.DEBUG}),
    ],
)
def test_levels(text: str, levels: dict[str, int]) -> None:
    assert log_levels({"ARB_LOG": text}) == levels
    assert log_levels({}) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("verbose", "ARB_LOG: there is no level 'verbose'"),
        ("arb=", "ARB_LOG: there is no level ''"),
        ("arb.runtme=debug", "ARB_LOG: 'arb.runtme' is no module"),
        ("=debug", "ARB_LOG: '' is no module"),
        # Of this library `debug` has signed orders and log-ons.
        ("websockets=debug", "ARB_LOG: 'websockets' is no module of arb"),
    ],
)
def test_what_is_neither_level_nor_module(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        log_levels({"ARB_LOG": text})


def test_a_session_with_a_wrong_level_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_LOG", "loud")
    line = arb("dry-run", "--sandbox", "--duration", "1s", code=2).stderr
    assert line.startswith("error: ARB_LOG: there is no level 'loud'")
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_log_has_what_the_level_says_and_nothing_of_libraries(tmp_path: Path) -> None:
    own, other, library = (
        logging.getLogger(name) for name in ("arb.runtime.session", "arb.accounts", "websockets")
    )
    with SessionOutput(tmp_path / "log.txt"):
        own.debug("before")
        with levels_set(log_levels({"ARB_LOG": "arb=info,arb.runtime.session=debug"})):
            own.debug("one")
            other.debug("two")
            other.info("three")
            library.info("four")
        own.debug("after")
    lines = [line.split(" ", 1)[1] for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert lines == ["debug one", "info three"]


def test_a_watcher_with_a_wrong_level_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_LOG", "arb.watcher=debug")
    assert arb("watch", tmp_path, "--port", "0", code=2).stderr.startswith("error: ARB_LOG: 'arb.watcher'")

"""A folder of fresh templates, and how its refusals are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arb.config import load, write_templates
from arb.errors import ConfigError, ExitCode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_templates(tmp_path / "config")
    return tmp_path / "config"


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str, str], None]:
    """Replaces the first `old` in a file of `folder`; the file must hold it."""

    def replace(name: str, old: str, new: str) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return replace


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    """The one line that loading a folder's configuration ends with."""

    def line(folder: Path, overrides: tuple[str, ...] = (), legs: list[str] | None = None) -> str:
        with pytest.raises(ConfigError) as caught:
            load(folder / "arbitrage.toml", overrides, legs)
        assert caught.value.exit_code == ExitCode.USER_INPUT
        message = str(caught.value)
        assert message.splitlines() == [message]
        return message

    return line

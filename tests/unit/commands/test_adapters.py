"""The adapters of a run that are not ours: their files are hashed before they are executed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.live_sandbox import demo_config
from support.paths import ROOT

from arb.commands.run_files import adapters_of
from arb.config import Config
from arb.config.adapters import load_adapter
from arb.errors import ConfigError
from arb.strategies.source_code import code_of


def config_with(folder: Path, adapter: str) -> Config:
    config = demo_config(folder)
    own = replace(config.venues["binance_spot"], adapter=adapter)
    return replace(config, venues={**config.venues, "binance_spot": own})


def test_our_own_are_known_by_the_hash_of_all_our_code(tmp_path: Path) -> None:
    assert adapters_of(demo_config(tmp_path)) == []


def test_one_from_outside_is_named_with_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "venue")

    assert adapters_of(config_with(tmp_path, "toy_venue:ToyEast")) == ["toy_venue:ToyEast"]
    assert "toy_venue.py" in code_of("toy_venue:ToyEast").modules


@pytest.mark.parametrize("adapter", ["os:path", "os:getcwd", "builtins:int"])
def test_what_is_no_adapter_is_named_with_its_file(tmp_path: Path, adapter: str) -> None:
    venue = config_with(tmp_path, adapter).venues["binance_spot"]
    with pytest.raises(
        ConfigError, match=rf"binance\.toml: adapter '{adapter}' is not a class that implements"
    ):
        load_adapter(venue)


def test_one_that_is_not_there_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"binance\.toml: adapter 'nowhere:Venue' cannot be loaded"):
        adapters_of(config_with(tmp_path, "nowhere:Venue"))

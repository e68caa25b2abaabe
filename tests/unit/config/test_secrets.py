"""Keys are read from the environment when asked for, and shown nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from arb.config import load
from arb.errors import ConfigError

Refusal = Callable[..., str]
Edit = Callable[[str, str, str], None]


def test_secrets_are_read_when_asked_for_and_never_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BINANCE_API_KEY", raising=False)
    monkeypatch.delenv("BINANCE_SECRET_KEY", raising=False)
    loaded = load(folder / "arbitrage.toml")
    monkeypatch.setenv("BINANCE_API_KEY", "key-from-environment")
    monkeypatch.setenv("BINANCE_SECRET_KEY", "secret-from-environment")

    credentials = loaded.venues["binance_spot"].auth.resolve()

    assert (credentials.api_key, credentials.secret_key) == (
        "key-from-environment",
        "secret-from-environment",
    )
    for text in (repr(credentials), str(credentials), repr(loaded), json.dumps(loaded.as_dict())):
        assert "from-environment" not in text


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_names_file_key_and_variable(folder: Path, value: str | None) -> None:
    environment = {"BYBIT_API_KEY": "key"} | ({} if value is None else {"BYBIT_SECRET_KEY": value})
    auth = load(folder / "arbitrage.toml").venues["bybit_spot"].auth

    with pytest.raises(ConfigError) as caught:
        auth.resolve(environment)

    assert str(caught.value) == (
        f"{folder / 'bybit.toml'}: [auth] secret_key needs the environment variable BYBIT_SECRET_KEY,"
        " which is not set"
    )


def test_a_venue_without_keys_loads_and_says_so_when_asked(folder: Path) -> None:
    text = (folder / "bybit.toml").read_text()
    (folder / "bybit.toml").write_text(re.sub(r"^(api|secret)_key.*$", "", text, flags=re.M))
    auth = load(folder / "arbitrage.toml").venues["bybit_spot"].auth

    with pytest.raises(ConfigError, match=r"bybit.toml: \[auth\] api_key is missing"):
        auth.resolve({})


@pytest.mark.parametrize(
    "line",
    ['api_key = "abcSECRETdef"', "api_key = 5323", 'api_key = "${A}SECRET"', 'api_key = ["SECRET"]'],
)
def test_a_secret_in_a_file_is_refused_and_not_shown(
    folder: Path, line: str, refusal: Refusal, edit: Edit
) -> None:
    edit("binance.toml", 'api_key = "${BINANCE_API_KEY}"', line)

    assert refusal(folder) == (
        f"{folder / 'binance.toml'}: [auth] api_key is (not shown); it must be the name of an environment"
        ' variable, "${NAME}"; secrets are never written in a file'
    )


@pytest.mark.parametrize("value", ["SECRET", '"SECRET"', '{x = "SECRET"}', '"SECRET'])
def test_a_secret_in_an_override_is_refused_and_not_shown(folder: Path, value: str, refusal: Refusal) -> None:
    assert "SECRET" not in refusal(folder, (f"binance_spot.auth.api_key={value}",))


def test_a_secret_in_place_of_the_section_is_not_shown(folder: Path, refusal: Refusal) -> None:
    text = (folder / "binance.toml").read_text()
    text = re.sub(r"\[auth\][^\[]*", "", text)
    (folder / "binance.toml").write_text('auth = "SECRET"\n' + text)

    assert refusal(folder) == f"{folder / 'binance.toml'}: auth is a text; it must be a table: [auth]"

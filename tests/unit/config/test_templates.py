"""The shipped files and the documentation say what the code says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import tomli
from support.keys import MAIN_KEYS, VENUE_KEYS, concrete

from arb.config import load
from arb.config.schema import MainFile
from arb.config.strict import allowed, known_keys
from arb.config.templates import TEMPLATE_NAMES, table_rows, template_text, write_templates
from arb.config.venue_schema import VenueFile
from arb.errors import ArbError, ExitCode, InputError

ROOT = Path(__file__).parents[3]


Refusal = Callable[..., str]
Edit = Callable[[str, str, str], None]


def test_committed_files_are_the_templates() -> None:
    assert {path.name for path in (ROOT / "config").glob("*")} == set(TEMPLATE_NAMES)
    assert {path.name for path in (ROOT / "arb" / "templates").glob("*")} == set(TEMPLATE_NAMES)
    for name in TEMPLATE_NAMES:
        assert (ROOT / "config" / name).read_text() == template_text(name)


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_a_template_shows_every_key_with_unit_and_range(name: str) -> None:
    text = template_text(name)
    sections = {}
    for block in re.split(r"^(?=\[)", text, flags=re.M):
        header = re.match(r"\[(.*)\]", block)
        sections[header[1] if header else ""] = block
    comments = " ".join(" ".join(re.findall(r"^#(.*)$", text, flags=re.M)).split())
    for key in MAIN_KEYS if name == "arbitrage.toml" else VENUE_KEYS:
        assert key.allowed.lower() in comments.lower(), key
        assert not key.unit or re.search(rf"\b{key.unit}\b", comments), key
        if key.path[-1] == "<name>" or (key.path[-1] == "base" and "usdm" in name):
            continue
        section = ".".join(concrete(key)[:-1])
        assert re.search(rf"^(# )?{concrete(key)[-1]} = ", sections[section], flags=re.M), key


def test_values_shown_in_the_main_template_are_the_defaults() -> None:
    shown = tomli.loads(template_text("arbitrage.toml"))
    default = msgspec.to_builtins(MainFile())
    assert shown["data"].pop("grid") == {"binance_spot": {"BTCUSDT": {}}}
    for section in ("strategy", "risk", "execution", "clock", "data", "record", "archive"):
        for name, value in shown[section].items():
            assert default[section][name] == (tuple(value) if isinstance(value, list) else value), name


def test_keys_that_templates_show_as_comments_work(folder: Path) -> None:
    for path in folder.iterdir():
        text = re.sub(r"^# ([a-z_]+ = \S+)$", r"\1", path.read_text(), flags=re.M)
        # A price is that of a named fee asset, of which the venue holds some.
        path.write_text(
            text.replace('asset = "quote"', 'asset = "BNB"').replace("# BNB = 10.0", "BNB = 10.0")
        )
    with (folder / "arbitrage.toml").open("a") as file:
        file.writelines(
            f"[capital.{venue}.assets]\nBNB = 10.0\n"
            for venue in ("bybit_spot", "binance_usdm", "bybit_linear")
        )

    loaded = load(folder / "arbitrage.toml")

    assert loaded.risk.max_order_qty == 2.0
    assert loaded.risk.max_order_notional == 100_000.0
    assert loaded.clock.offset_ms == 0.0
    assert {(leg.fee_asset, leg.fee_price, leg.fee_units) for leg in loaded.legs} == {("BNB", 600.0, 10.0)}
    load(folder / "arbitrage.toml", legs=["binance_usdm:BTCUSDT", "bybit_linear:BTCUSDT"])


def test_init_writes_all_files_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"

    written = write_templates(target)

    assert [path.name for path in written] == list(TEMPLATE_NAMES)
    assert sorted(path.name for path in target.iterdir()) == sorted(TEMPLATE_NAMES)


def test_init_does_not_overwrite_and_writes_nothing_then(tmp_path: Path) -> None:
    (tmp_path / "bybit.toml").write_text("mine")

    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path / 'bybit.toml'))} exists already"):
        write_templates(tmp_path)

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("bybit.toml", "mine")]


def test_init_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link, calls = os.link, []

    def link_twice(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 3:
            target.write_text("made by someone else meanwhile")
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    with pytest.raises(InputError, match="cannot write the configuration here: File exists"):
        write_templates(tmp_path)

    assert [path.read_text() for path in tmp_path.iterdir()] == ["made by someone else meanwhile"]


def test_init_works_where_links_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_templates(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(TEMPLATE_NAMES)


def test_init_into_a_file_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=r"cannot write the configuration here: ") as caught:
        write_templates(tmp_path / "file")
    assert caught.value.exit_code == ExitCode.USER_INPUT


@pytest.mark.parametrize(("title", "kind"), [("The main file", MainFile), ("A venue's file", VenueFile)])
def test_the_documentation_lists_exactly_the_keys(title: str, kind: type[msgspec.Struct]) -> None:
    section = (ROOT / "docs" / "configuration.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert rows == table_rows(kind), "python -m tests.support.write_reference"
    assert all(key.text for key in known_keys(kind))


@pytest.mark.parametrize(
    "line", re.findall(r"^config/.*$", (ROOT / "docs" / "configuration.md").read_text(), re.M)
)
def test_the_errors_that_the_documentation_shows_are_real(
    folder: Path, line: str, refusal: Refusal, edit: Edit
) -> None:
    edit("arbitrage.toml", "max_drawdown = 0.05", "max_drawdown = 7.0")
    if "min_spred_bps" in line:
        edit("arbitrage.toml", "min_spread_bps", "min_spred_bps")

    assert refusal(folder) == line.replace("config", str(folder), 1)


def test_what_is_allowed_is_said_for_every_key() -> None:
    assert all(key.allowed for key in MAIN_KEYS + VENUE_KEYS)
    with pytest.raises(TypeError, match="no words for"):
        allowed(bytes)


def test_exit_codes_are_those_of_the_manual() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "OUR_FAULT": 1,
        "USER_INPUT": 2,
        "HALTED_BY_RISK": 3,
        "DIFFERENCES": 4,
        "INTERRUPTED": 130,
    }
    assert ArbError.exit_code == ExitCode.OUR_FAULT

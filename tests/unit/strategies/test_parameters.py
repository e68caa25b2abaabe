"""A parameter is one line in one file: its key, `--set`, the template, the table of the docs and the record follow."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT

from arb.config import load, write_templates
from arb.config.templates import template_texts
from arb.errors import ConfigError
from arb.strategies.arguments import Arguments
from arb.strategies.loader import LoadedStrategy
from arb.strategies.parameters import defaults_of, parameters_of
from arb.strategies.source_code import Code
from arb.strategies.spread.parameters import PARAMS

LINE = '    "patience_s": (1.5, "s", "(0, 60]", "How long an edge must last."),\n'
#: Prints what the copy knows of the new parameter, one line each.
PROBE = """
import sys
from pathlib import Path
import arb
from arb.commands.run_setup import setup_of
from arb.config import load, write_templates
from arb.config.templates import table_rows
from arb.config.schema import MainFile
from arb.config import load, write_templates
from arb.errors import ConfigError

folder = Path(sys.argv[1])
assert Path(arb.__file__).is_relative_to(folder)
write_templates(folder / "config")
main = folder / "config" / "arbitrage.toml"
lines = main.read_text().splitlines()
place = lines.index("patience_s = 1.5")
print(lines[place - 1])
print(next(row for row in table_rows(MainFile) if "patience_s" in row))
print(setup_of(load(main)).arguments.params["patience_ns"])
config = load(main, ["strategy.patience_s=2.5"])
print(setup_of(config).arguments.params["patience_ns"], [one.name for one in config.given])
print(config.as_dict()["strategy"]["patience_s"])
try:
    load(main, ["strategy.patience_s=0.0"])
except ConfigError as error:
    print(error)
"""


def test_a_parameter_of_a_copy_of_the_spread_strategy_is_one_line(tmp_path: Path) -> None:
    for name in ("arb", "connectors"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    declared = tmp_path / "arb" / "strategies" / "spread" / "parameters.py"
    declared.write_text(declared.read_text().replace("PARAMS = {\n", "PARAMS = {\n" + LINE))

    found = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.stdout.splitlines() == [
        "# How long an edge must last. s: a number above 0, at most 60.",
        "| `strategy.patience_s` | s | a number above 0, at most 60 | `1.5` | How long an edge must last. |",
        "1500000000",
        "2500000000 ['strategy.patience_s']",
        "2.5",
        "--set strategy.patience_s: [strategy] patience_s is 0.0; it must be a number above 0, at most 60",
    ], found.stderr


def arguments(params: dict[str, Any], given: dict[str, Any]) -> Arguments:
    code = Code(Path("mine.py"), {}, {})

    def run(bot: Any, params: Any) -> None: ...

    strategy = LoadedStrategy("mine.py:run", run, parameters_of(params, "mine.py"), code.main, "0" * 64, code)
    return Arguments(strategy, {}, given)


OWN = {
    "hold_s": (2.0, "s", "[0, 60]", "How long a position is held."),
    "is_eager": False,
    "qty": ((0.5,), "base", "(0, 5]", "Quantity of an order."),
    "side": ("buy", "", "buy | sell", "Which side is quoted."),
}


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"hold_s": 0.25}, {"hold_ns": 250_000_000}),
        ({"hold_ns": 7}, {"hold_ns": 7}),
        ({"qty": (1.0, 2.0)}, {"qty": (1.0, 2.0)}),
        ({"qty": 3}, {"qty": (3.0, 3.0)}),
        ({"is_sell": True}, {"is_sell": True}),
    ],
)
def test_a_strategy_of_ones_own_declares_in_the_same_way(
    given: dict[str, Any], changed: dict[str, Any]
) -> None:
    default = {"hold_ns": 2_000_000_000, "is_eager": False, "qty": (0.5, 0.5), "is_sell": False}
    assert arguments(OWN, given).params == default | changed


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"hold_s": 61.0}, "[strategy.params] hold_s is 61.0; mine.py:run takes from 0 to 60 s"),
        ({"hold_ns": -1}, "[strategy.params] hold_ns is -1; mine.py:run takes from 0 to 60 s"),
        ({"qty": (1.0, 0.0)}, "[strategy.params] qty is (1.0, 0.0); mine.py:run takes above 0 to 5 base"),
        ({"hold": 1.0}, "[strategy.params] hold: not a parameter of mine.py:run; did you mean hold_s?"),
    ],
)
def test_a_value_out_of_the_declared_range_is_refused(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        arguments(OWN, given)
    assert str(caught.value) == line


def test_the_record_has_the_names_that_the_compiled_code_reads() -> None:
    files = (ROOT / "arb" / "strategies" / "spread").glob("*.py")
    read = {name for file in files for name in re.findall(r"\bparams\.(\w+)", file.read_text())}
    assert set(defaults_of(PARAMS)) >= read > {"min_spread_bps"}


def test_arb_init_writes_the_parameters_of_a_strategy_of_ones_own(tmp_path: Path) -> None:
    main, *_ = write_templates(tmp_path, template_texts("mine.py:run", parameters_of(OWN, "mine.py")))

    lines = main.read_text().splitlines()
    first = lines.index("[strategy.params]") + 1
    assert lines[first : first + 7] == [
        "# How long a position is held. s: a number from 0 to 60.",
        "hold_s = 2.0",
        "is_eager = false",
        "# Quantity of an order. base: a number above 0, at most 5.",
        "qty = 0.5",
        "# Which side is quoted.",
        "is_sell = false",
    ]
    config = load(main)
    assert config.strategy.function == "mine.py:run"
    assert arguments(OWN, config.strategy.params).params == arguments(OWN, {}).params

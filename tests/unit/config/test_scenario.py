"""The faults file: what it may hold, and one line for everything else."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from arb.config.scenario import ARGUMENTS, FaultTable, LimitsTable, fault_of, load_scenario
from arb.errors import ConfigError
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.limits import LIMITS, Limits


def scenario_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    return path


def test_a_file_becomes_faults_and_limits(tmp_path: Path) -> None:
    text = """
        [faults.lost]
        kind = "gap"
        venue = "binance_usdm"
        stream = "btcusdt@depth*"
        every_s = 30
        count = 2

        [limits.bybit_spot]
        idle_s = 20.0
    """
    scenario = load_scenario(scenario_of(tmp_path, text))
    assert scenario.faults == (
        Fault(FaultKind.GAP, "lost", "binance_usdm", "btcusdt@depth*", every_s=30, count=2),
    )
    assert scenario.limits["bybit_spot"].idle_s == 20.0
    assert scenario.limits["bybit_spot"].args_max == LIMITS["bybit_spot"].args_max


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[faults.a]\nat_s = 1", r"\[faults\.a\] kind is missing; it must be one of"),
        ('[faults.a]\nkind = "gab"\nat_s = 1', r'kind is "gab"; it must be one of "gap"'),
        ('[faults.a]\nkind = "gap"', r"\[faults\.a\] never happens: give it at_s, every_s or per_minute"),
        ('[faults.a]\nkind = "gap"\nat_s = -1', r"at_s is -1; it must be a number from 0"),
        ('[faults.a]\nkind = "gap"\nat_s = inf', r"at_s is inf"),
        (
            '[faults.a]\nkind = "gap"\nevery_s = 1\nper_minute = 2',
            r"per_minute and every_s exclude each other",
        ),
        (
            '[faults.a]\nkind = "gap"\nat_s = 1\nduration_s = 2',
            r"duration_s has no effect on a fault of kind gap",
        ),
        (
            '[faults.a]\nkind = "refuse"\nat_s = 1\nclient = 2',
            r"client has no effect on a fault of kind refuse",
        ),
        ('[faults.a]\nkind = "gap"\nat = 1', r"at is not a known key; did you mean at_s"),
        ('[faults.a]\nkind = "gap"\nvenue = "okx"\nat_s = 1', r'venue is "okx"; it must be one of'),
        (
            '[faults.a]\nkind = "disconnect"\ncode = 1006\nat_s = 1',
            r"code is 1006, which no close frame may hold",
        ),
        ('[faults.a]\nkind = "reject"\nat_s = 1', r"\[faults\.a\] code is missing; a fault of kind reject"),
        (
            '[faults.a]\nkind = "reject"\ncode = -2010\nat_s = 1\nrequest = "balance"',
            r'request is "balance"; it must be one of "amend"',
        ),
        (
            '[faults.a]\nkind = "pruned"\nat_s = 1\nshare = 0.5',
            r"share has no effect on a fault of kind pruned; it reads",
        ),
        (
            '[faults.a]\nkind = "adl"\nat_s = 1\nvenue = "bybit_spot"',
            r'venue is "bybit_spot", where a fault of kind adl has no effect',
        ),
        ('[faults.a]\nkind = "user_lost"\ncode = -1007\nat_s = 1', r"code is -1007, which no close frame"),
        ('[faults.a]\nkind = "transfer"\nquantity = "0.0"\nat_s = 1', r"quantity is \"0\.0\"; it must be"),
        (
            '[faults.a]\nkind = "foreign_order"\nquantity = "-1"\nat_s = 1',
            r'quantity is "-1"; it must be positive',
        ),
        (
            '[faults.a]\nkind = "filter_changed"\nfield = "tick"\nvalue = "1"\nat_s = 1',
            r'field is "tick"; it must be one of min_price',
        ),
        (
            '[faults.a]\nkind = "mode_switched"\nfield = "leverage"\nvalue = "x"\nat_s = 1',
            r'value is "x"; for leverage it must be a leverage such as "10"',
        ),
        (
            '[faults.a]\nkind = "mode_switched"\nvenue = "bybit_linear"\nat_s = 1\n'
            'field = "multi_assets"\nvalue = "on"',
            r'field is "multi_assets", which bybit_linear does not have',
        ),
        ('[faults."a b"]\nkind = "gap"\nat_s = 1', r"not a name that fits"),
        ("[fault.a]", r"\[fault\] is not a known section; did you mean \[faults\]"),
        (
            "[limits.okx]\nlife_s = 1",
            r"\[limits\] okx is not a name that fits here; it must be .*bybit_linear",
        ),
        ("[limits.bybit_spot]\nlife = 1", r"life is not a known key; did you mean life_s"),
        (f"a = {'9' * 5000}", "not TOML"),
        ("[faults", r"not TOML: line 1, column 8"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = scenario_of(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file.*--faults"):
        load_scenario(tmp_path / "none.toml")


DOCUMENT = Path(__file__).parents[3] / "docs" / "sandbox.md"


def test_the_documented_example_is_valid(tmp_path: Path) -> None:
    example = DOCUMENT.read_text().partition("```toml\n")[2].partition("```")[0]
    scenario = load_scenario(scenario_of(tmp_path, example))
    assert len(scenario.faults) == 5
    assert scenario.limits["binance_spot"].life_s == 300.0


def test_all_documented_faults_are_valid(tmp_path: Path) -> None:
    blocks = [one.partition("```")[0] for one in DOCUMENT.read_text().split("```toml\n")[1:]]
    faults = [load_scenario(scenario_of(tmp_path, one)).faults for one in blocks if "[faults." in one]
    assert [len(one) for one in faults] == [5, 2]


def test_a_fault_of_a_request_begins_at_once_unless_it_has_a_time() -> None:
    assert fault_of('{"kind": "transfer", "quantity": "-5"}') == Fault(
        FaultKind.TRANSFER, "request", at_s=0.0, quantity=Decimal(-5)
    )
    assert fault_of('{"kind": "adl", "every_s": 2}').at_s is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "request"),
        ('{"kind": "nothing"}', r'request: \[faults\.request\] kind is "nothing"; it must be one of'),
        ('{"kind": "adl", "code": 1}', "code has no effect on a fault of kind adl"),
    ],
)
def test_a_wrong_fault_of_a_request_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        fault_of(text)
    assert "\n" not in str(caught.value)


def test_every_kind_and_key_is_documented() -> None:
    text = DOCUMENT.read_text()
    names = [str(kind) for kind in FaultKind]
    names += [item.name for table in (FaultTable, LimitsTable) for item in structs.fields(table)]
    assert [name for name in names if f"`{name}`" not in text and f"\n{name} = " not in text] == []


def test_the_sandbox_reads_every_kind_and_key() -> None:
    assert set(ARGUMENTS) == set(FaultKind)
    for table, target in ((FaultTable, Fault), (LimitsTable, Limits)):
        assert {one.name for one in structs.fields(table)} <= {one.name for one in fields(target)}

"""Keys set in the text of a TOML file: everything else stays as the user wrote it."""

from __future__ import annotations

import re

import pytest
import tomli

from arb.config.text_edits import with_keys
from arb.errors import ConfigError

FILE = """\
name = "one"  # mine

[symbols.AAAUSDT]   # the first
tick_size = "0.01"   # as listed
# min_qty = 1.0
lot_size = "1"

# behind it
[ symbols . "BBBUSDT" ]
tick_size = "0.1"
"""


def test_a_missing_table_is_appended_with_its_comments() -> None:
    found = with_keys(FILE, ("symbols", "CCCUSDT"), {"tick_size": '"0.5"'}, "f.toml", ["derived"])
    assert found == FILE + '\n[symbols.CCCUSDT]\n# derived\ntick_size = "0.5"\n'


def test_keys_of_a_table_are_replaced_where_they_are() -> None:
    values = {"tick_size": '"0.02"', "min_qty": "2.0", "min_notional": "5.0"}
    found = with_keys(FILE, ("symbols", "AAAUSDT"), values, "f.toml", ["not shown"])
    assert found == FILE.replace('"0.01"', '"0.02"').replace("# min_qty = 1.0", "min_qty = 2.0").replace(
        "# the first\n", "# the first\nmin_notional = 5.0\n"
    )


def test_a_header_may_be_written_in_any_way() -> None:
    found = with_keys(FILE, ("symbols", "BBBUSDT"), {"tick_size": '"0.2"'}, "f.toml")
    assert found == FILE.replace('"0.1"', '"0.2"')


def test_line_ends_stay() -> None:
    found = with_keys(FILE.replace("\n", "\r\n"), ("data",), {"directory": '"here"'}, "f.toml")
    assert found.count("\r\n") == found.count("\n") == FILE.count("\n") + 3


def test_a_name_that_needs_quotes_has_them() -> None:
    found = with_keys("", ("symbols", "A.B"), {"tick_size": '"1"'}, "f.toml")
    assert tomli.loads(found) == {"symbols": {"A.B": {"tick_size": "1"}}}


@pytest.mark.parametrize(
    "form",
    [
        'symbols = { AAAUSDT = { tick_size = "1" } }',
        "symbols = 1",
        '[symbols]\nAAAUSDT.tick_size = "1"',
        "[symbols.AAAUSDT]\ntick_size = [\n1,\n]",
        '[x]\ntext = """\n[symbols.AAAUSDT]\n"""\n[symbols.AAAUSDT]',
    ],
)
def test_another_form_is_refused_with_the_lines_to_write(form: str) -> None:
    text = (
        'f.toml: [symbols.AAAUSDT] is not a table of its own with a key a line: write tick_size = "2" there'
    )
    with pytest.raises(ConfigError, match=re.escape(text)):
        with_keys(form, ("symbols", "AAAUSDT"), {"tick_size": '"2"'}, "f.toml")

"""Whatever is unknown, out of range, of a wrong type or damaged: it is named, in one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.keys import MAIN_KEYS, NAMES, VENUE_KEYS, concrete

from arb.config import load, write_templates
from arb.config.schema import MainFile
from arb.config.strict import Source, build, known_keys, toml_text
from arb.config.templates import template_text
from arb.config.venue_schema import VenueFile
from arb.errors import ConfigError

#: Names of the user's choice stand right in it.
BASES = ("capital", "binance_spot", "base_of")
QUOTES = ("capital", "binance_spot", "quote_of")
ASSETS = ("capital", "binance_spot", "assets")
GRIDS = {("data", "grid"), ("data", "grid", "binance_spot")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of templates for properties, which leave it as it is."""
    directory = tmp_path_factory.mktemp("shared")
    write_templates(directory)
    return directory


Refusal = Callable[..., str]
Edit = Callable[[str, str, str], None]


def tables(kind: type[msgspec.Struct], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every section of a file that has keys of its own definition."""
    yield path
    for key in known_keys(kind):
        for length in range(1, len(key.path)):
            section = tuple(NAMES.get(part, part) for part in key.path[:length])
            if section not in {
                ("account",),
                ("capital",),
                ("symbols",),
                ("alerts", "rules"),
                ("strategy", "params"),
                ASSETS,
                BASES,
                QUOTES,
                *GRIDS,
            }:
                yield section


MAIN_TABLES = sorted(set(tables(MainFile)) - {()})
VENUE_TABLES = sorted(set(tables(VenueFile)) - {()})


@given(section=st.sampled_from(MAIN_TABLES), name=st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True))
@settings(max_examples=60, deadline=None)
def test_any_unknown_key_of_the_main_file_is_named(
    shared: Path, section: tuple[str, ...], name: str, refusal: Refusal
) -> None:
    assume(all(key.path[-1] != name and key.path[-2] != name for key in MAIN_KEYS))
    override = f"{'.'.join(section)}.{name}=1"

    line = refusal(shared, (override,))

    assert line.startswith(
        f"--set {'.'.join(section)}.{name}: [{'.'.join(section)}] {name} is not a known key; "
    )


@given(section=st.sampled_from(VENUE_TABLES), name=st.text(min_size=1, max_size=20))
@example(section=("fees",), name="a\nb")
@settings(max_examples=60, deadline=None)
def test_any_unknown_key_of_a_venue_is_named(section: tuple[str, ...], name: str) -> None:
    tree = tomli.loads(template_text("binance.toml"))
    table = tree
    for part in section:
        table = table[part]
    assume(name not in table and name != "min_qty")
    table[name] = 1

    with pytest.raises(ConfigError) as caught:
        build(VenueFile, tree, Source("binance.toml"))

    line = str(caught.value)
    shown = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
    assert line.startswith(f"binance.toml: [{'.'.join(section)}] {shown} is not a known key; ")
    assert len(line.splitlines()) == 1


PLACES = {"account": "<venue>", "capital": "<venue>", "symbols": "<SYMBOL>", "rules": "<rule>"}


def number_bounds(kind: type[msgspec.Struct]) -> list[tuple[tuple[str, ...], Any]]:
    """The numeric keys of a file with msgspec's description of their type."""
    found = []

    def walk(table: Any, path: tuple[str, ...]) -> None:
        for item in table.fields:
            kind = item.type
            if isinstance(kind, msgspec.inspect.DictType):
                inner = kind.value_type
                if isinstance(inner, msgspec.inspect.StructType):
                    walk(msgspec.inspect.type_info(inner.cls), (*path, item.name, NAMES[PLACES[item.name]]))
                continue
            if isinstance(kind, msgspec.inspect.StructType):
                walk(kind, (*path, item.name))
                continue
            if isinstance(kind, msgspec.inspect.UnionType):
                kind = next(part for part in kind.types if not isinstance(part, msgspec.inspect.NoneType))
            if isinstance(kind, msgspec.inspect.Metadata):
                kind = kind.type
            if isinstance(kind, msgspec.inspect.FloatType | msgspec.inspect.IntType):
                found.append(((*path, item.name), kind))

    walk(msgspec.inspect.type_info(kind), ())
    return found


MAIN_NUMBERS = number_bounds(MainFile)
VENUE_NUMBERS = number_bounds(VenueFile)


def outside(info: Any) -> st.SearchStrategy[float | int]:
    """Numbers that a key must refuse."""
    low = info.ge if info.ge is not None else info.gt
    above = st.floats(min_value=info.le, exclude_min=True) | st.integers(min_value=int(info.le) + 1)
    below = st.floats(max_value=low, exclude_max=info.ge is not None) | st.integers(
        max_value=math.ceil(low) - 1
    )
    return above | below | st.just(math.nan)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_number_out_of_range_is_named_with_the_range(data: st.DataObject) -> None:
    kind, template, numbers = data.draw(
        st.sampled_from(
            [(MainFile, "arbitrage.toml", MAIN_NUMBERS), (VenueFile, "binance.toml", VENUE_NUMBERS)]
        )
    )
    path, info = data.draw(st.sampled_from(numbers))
    value = data.draw(outside(info))

    line = build_with(kind, template, path, value)

    assert line.startswith(
        f"{template}: [{'.'.join(path[:-1])}] {path[-1]} is {toml_text(value)}; it must be a "
    )
    assert line.endswith(next(key.allowed for key in known_keys(kind) if concrete(key) == path))


OF_A_TYPE = {
    "number": st.integers() | st.floats(),
    "text": st.text().filter(lambda text: not re.search(r"[:$/.]|^[a-zA-Z0-9_]+$", text)),
    "boolean": st.booleans(),
    "list": st.lists(st.integers(), max_size=3),
    "table": st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
}


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_value_of_a_wrong_type_is_named(data: st.DataObject) -> None:
    kind, template, keys = data.draw(
        st.sampled_from([(MainFile, "arbitrage.toml", MAIN_KEYS), (VenueFile, "binance.toml", VENUE_KEYS)])
    )
    key = data.draw(st.sampled_from(keys))
    right = {"number"} if key.allowed.startswith(("a number", "a whole")) else {"text"}
    if key.allowed == "true or false":
        right = {"boolean"}
    if key.path[:2] == ("strategy", "params"):
        right = {"number", "boolean", "list"}
    value = data.draw(st.one_of(*(values for name, values in OF_A_TYPE.items() if name not in right)))
    # Lists that may be empty.
    assume(not (value == [] and (key.default == "[]" or key.path == ("alerts", "states"))))
    path = concrete(key)

    line = build_with(kind, template, path, value)

    place = f"[{'.'.join(path[:-1])}] {path[-1]}" if len(path) > 1 else path[-1]
    assert line.startswith(f"{template}: {place} is ")
    assert line.endswith(f"; it must be {key.allowed}")


def build_with(kind: Any, template: str, path: tuple[str, ...], value: object) -> str:
    """The refusal of a template with one value exchanged."""
    tree = tomli.loads(template_text(template))
    table = tree
    for part in path[:-1]:
        table = table[part]
    table[path[-1]] = value
    with pytest.raises(ConfigError) as caught:
        build(kind, tree, Source(template))
    line = str(caught.value)
    assert line.splitlines() == [line]
    return line


@given(at=st.integers(min_value=0), length=st.integers(min_value=0, max_value=40), text=st.text(max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_damaged_file_loads_or_is_refused_in_one_line(
    shared: Path, at: int, length: int, text: str
) -> None:
    for name in ("arbitrage.toml", "binance.toml"):
        original = template_text(name)
        place = at % len(original)
        damaged = original[:place] + text + original[place + length :]
        (shared / name).write_bytes(damaged.encode())
        try:
            line = outcome(shared)
        finally:
            (shared / name).write_text(original)
        assert len(line.splitlines()) == 1


def outcome(folder: Path) -> str:
    try:
        load(folder / "arbitrage.toml")
    except ConfigError as error:
        return str(error)
    return "loaded"

"""Converts a TOML tree to Structs, strictly; errors are one line that names file, key and allowed range.

msgspec checks the values; the tree is walked here because msgspec's messages hide the keys of tables that the user
names (`[capital.binance_spot]`), and do not know files, overrides and likely misspellings. Pure.
"""

from __future__ import annotations

import datetime
import functools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from arb.config.key import AssetName, RuleName, SymbolName, VenueName
from arb.errors import ConfigError

Path = tuple[str, ...]
T = TypeVar("T", bound=Struct)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")
_GIVEN_CHARS_MAX = 60


@dataclass
class Source:
    """The origin of a tree: its file, and the keys that the command line (`--set`, `--legs`) put there."""

    file: str
    origins: dict[Path, str] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        """The file or option to name in an error about `path`."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        # A section may exist only because an option set a key in it.
        return next((origin for put, origin in self.origins.items() if put[: len(path)] == path), self.file)

    def refuse(self, path: Path, reason: str) -> NoReturn:
        """Raises the error: `FILE: [section] key REASON`."""
        raise ConfigError(f"{self.of(path)}: {key_text(path)} {reason}")


@dataclass(frozen=True)
class KnownKey:
    """A key as the documentation lists it."""

    path: Path
    unit: str
    allowed: str
    default: str
    text: str
    #: A TOML value for a key without a default.
    example: str = ""


#: The fields of a table, whose annotations msgspec evaluates at every call.
fields_of = functools.cache(msgspec.structs.fields)


def build(kind: type[T], tree: Mapping[str, Any], source: Source) -> T:
    """The Struct that `tree` describes.

    Raises ConfigError for the first key, in the order of the file, that is unknown, of the wrong type or out of range;
    missing keys are reported last.
    """
    return _build_table(kind, tree, source, (), kind)


@functools.cache
def known_keys(kind: type[Struct]) -> tuple[KnownKey, ...]:
    """Every key of a file, in the order of definition. Names that the user chooses appear as `<venue>`."""
    return tuple(_known_keys(kind, ()))


def _known_keys(kind: type[Struct], path: Path) -> Iterator[KnownKey]:
    for item in fields_of(kind):
        here = (*path, item.name)
        if _is_struct(item.type):
            yield from _known_keys(item.type, here)
        elif get_origin(item.type) is dict:
            value = item.type
            while get_origin(value) is dict:
                here = (*here, _placeholder(value))
                value = get_args(value)[1]
            if _is_struct(value):
                yield from _known_keys(value, here)
            else:
                yield _known_key(here, value, "absent")
        else:
            yield _known_key(here, item.type, "required" if item.required else _default_text(item.default))


def _known_key(path: Path, kind: Any, default: str) -> KnownKey:
    unit, example = _extra(kind, "unit"), _extra(kind, "example")
    return KnownKey(path, unit, allowed(kind), default, _description(kind), example)


def leaves(kind: Any, value: Any, path: Path = (), known: Path = ()) -> Iterator[tuple[Path, Path, Any]]:
    """Every key of a checked tree: its path, its path in `known_keys`, and its value."""
    if _is_struct(kind):
        types = {item.name: item.type for item in fields_of(kind)}
        for name, inner in value.items():
            yield from leaves(types[name], inner, (*path, name), (*known, name))
    elif get_origin(kind) is dict:
        for name, inner in value.items():
            yield from leaves(get_args(kind)[1], inner, (*path, name), (*known, _placeholder(kind)))
    else:
        yield path, known, value


def allowed(kind: Any) -> str:
    """The allowed values of a key, to follow "it must be" in an error."""
    form = _extra(kind, "form")
    return form or _allowed_by_type(_bare(msgspec.inspect.type_info(kind)))


def key_text(path: Path) -> str:
    """A key in the form that a user would search for: `[section.table] key`."""
    last = _name_text(path[-1])
    return f"{section_text(path[:-1])} {last}" if len(path) > 1 else last


def section_text(path: Path) -> str:
    """A section in TOML form: `[section.table]`."""
    return f"[{'.'.join(_name_text(name) for name in path)}]"


def toml_text(value: Any) -> str:
    """A value in TOML form, cut to a length that keeps an error readable."""
    text = toml_of(value)
    return text if len(text) <= _GIVEN_CHARS_MAX else text[: _GIVEN_CHARS_MAX - 3] + "..."


def _name_text(name: str) -> str:
    return name if _BARE_KEY.match(name) else json.dumps(name)


def _placeholder(kind: Any) -> str:
    """The placeholder for the names of a table whose keys the user chooses."""
    name_kind = get_args(kind)[0]
    placeholders = {VenueName: "<venue>", SymbolName: "<SYMBOL>", AssetName: "<ASSET>", RuleName: "<rule>"}
    return placeholders.get(name_kind, "<name>")


def _build_table(kind: type[T], tree: Any, source: Source, path: Path, root: type[Struct]) -> T:
    _require_table(tree, source, path)
    fields = {item.name: item for item in fields_of(kind)}
    values: dict[str, Any] = {}
    for name, value in tree.items():
        if name not in fields:
            _refuse_unknown(name, value, list(fields), source, path, root)
        values[name] = _build_value(fields[name].type, value, source, (*path, name), root)
    for name, item in fields.items():
        if name in values or not item.required:
            continue
        if _is_struct(item.type):
            inner = ", ".join(inner.name for inner in fields_of(item.type))
            raise ConfigError(
                f"{source.of(path)}: {section_text((*path, name))} is missing; it holds {inner}"
            )
        source.refuse((*path, name), f"is missing; it must be {allowed(item.type)}")
    return kind(**values)


def _build_value(kind: Any, value: Any, source: Source, path: Path, root: type[Struct]) -> Any:
    if _is_struct(kind):
        return _build_table(kind, value, source, path, root)
    if get_origin(kind) is dict:
        return _build_named(kind, value, source, path, root)
    try:
        converted = msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError):
        converted = math.nan
    # Also for values that passed: msgspec accepts infinity and NaN if there are no bounds.
    if not _is_finite(converted):
        given = "(not shown)" if _extra(kind, "secret") else toml_text(value)
        source.refuse(path, f"is {given}; it must be {allowed(kind)}")
    return converted


def _is_finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _build_named(kind: Any, value: Any, source: Source, path: Path, root: type[Struct]) -> dict[str, Any]:
    """A table whose keys the user chooses."""
    _require_table(value, source, path)
    name_kind, value_kind = get_args(kind)
    built: dict[str, Any] = {}
    for name, inner in value.items():
        try:
            msgspec.convert(name, name_kind)
        except msgspec.ValidationError:
            source.refuse((*path, name), f"is not a name that fits here; it must be {allowed(name_kind)}")
        built[name] = _build_value(value_kind, inner, source, (*path, name), root)
    return built


def _require_table(value: Any, source: Source, path: Path) -> None:
    # The value is not shown: `auth = "..."` may be a secret.
    if not isinstance(value, dict):
        source.refuse(path, f"is {_type_text(value)}; it must be a table: {section_text(path)}")


def _refuse_unknown(
    name: str, value: Any, known: Sequence[str], source: Source, path: Path, root: type[Struct]
) -> NoReturn:
    is_section = isinstance(value, dict)
    near = get_close_matches(name, known, n=1)
    homes = [section_text(home) for home in _homes(root, name) if home != path]
    if near:
        hint = f"did you mean {section_text((*path, near[0])) if is_section else near[0]}?"
    elif homes and not is_section:
        hint = f"it belongs in {' or '.join(homes)}"
    else:
        hint = f"known here: {', '.join(known)}"
    where = (*path, name)
    shown, noun = (section_text(where), "section") if is_section else (key_text(where), "key")
    raise ConfigError(f"{source.of(where)}: {shown} is not a known {noun}; {hint}")


def _homes(kind: type[Struct], name: str, path: Path = ()) -> Iterator[Path]:
    """Sections that have a key of this name."""
    for item in fields_of(kind):
        if _is_struct(item.type):
            yield from _homes(item.type, name, (*path, item.name))
        elif item.name == name and path:
            yield path


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _metas(kind: Any) -> list[msgspec.Meta]:
    """The annotations of a key's type, including those of an optional's value."""
    if get_origin(kind) is Annotated:
        return [meta for meta in get_args(kind)[1:] if isinstance(meta, msgspec.Meta)]
    return [meta for part in get_args(kind) for meta in _metas(part)]


def _extra(kind: Any, name: str) -> Any:
    # The last annotation is closest to the key, so it overrides that of a shared type.
    values = ((meta.extra or {}).get(name) for meta in reversed(_metas(kind)))
    return next((value for value in values if value), "")


def _description(kind: Any) -> str:
    return next((meta.description for meta in reversed(_metas(kind)) if meta.description), "")


def _bare(info: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """The type without annotations and `| None`, which TOML cannot express."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _bare(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        return _bare(next(part for part in info.types if not isinstance(part, msgspec.inspect.NoneType)))
    return info


def _allowed_by_type(info: msgspec.inspect.Type) -> str:
    match info:
        case msgspec.inspect.FloatType():
            return "a number" + _range_text(info)
        case msgspec.inspect.IntType():
            return "a whole number" + _range_text(info)
        case msgspec.inspect.LiteralType():
            return "one of " + ", ".join(map(toml_text, info.values))
        case msgspec.inspect.EnumType():
            return "one of " + ", ".join(toml_text(one.value) for one in info.cls)
        case _:
            raise TypeError(f"no words for {info}")


def _range_text(info: msgspec.inspect.FloatType | msgspec.inspect.IntType) -> str:
    high = _number_text(info.le)
    return f" from {_number_text(info.ge)} to {high}" if info.ge is not None else f" above 0, at most {high}"


def _number_text(number: Any) -> str:
    """A number as a person would type it: `0.05`, `10_000`, `1e9`."""
    if abs(number) >= 1e9:
        return f"{number:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{int(number):_}" if number == int(number) else f"{number:g}"


def _default_text(value: Any) -> str:
    return "absent" if value is None else toml_of(value)


def toml_of(value: Any) -> str:
    """A value in TOML form: a truth, number, text, or list of such; of anything else what it is, in words."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value)
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(toml_of(inner) for inner in value) + "]"
        case _:
            return _type_text(value)


def _type_text(value: Any) -> str:
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case str():
            return "a text"
        case datetime.datetime() | datetime.date() | datetime.time():
            return "a date or time"
        case _:
            return toml_text(value)

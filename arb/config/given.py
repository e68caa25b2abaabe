"""Which keys a user has set: in a file to a value that `arb init` does not write, or on the command line.

A run uses it to note keys without effect (`arb.commands.idle_keys`). A key that a file merely repeats with its default
was not chosen by the user and is not included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from arb.config.schema import MainFile
from arb.config.strict import Path, Source, fields_of, leaves
from arb.config.templates import TEMPLATE_NAMES, template_tree
from arb.config.venue_schema import VenueFile


class Given(NamedTuple):
    """A key that was set. `venue`: the venue whose file holds it, "" for the main file."""

    venue: str
    #: As in the file; `known`: as in the documentation (`capital.<venue>.quote`).
    path: Path
    known: str
    value: Any
    #: Set on the command line for this run only: `--set`, `--legs`, `--symbols`, `--data`.
    is_override: bool

    @property
    def name(self) -> str:
        """The key in the form of `--set`."""
        return ".".join((*((self.venue,) if self.venue else ()), *self.path))


def given_in_main(tree: Mapping[str, Any], source: Source) -> Iterator[Given]:
    """The keys of a checked main file."""
    yield from _given("", MainFile, tree, source, template_tree(TEMPLATE_NAMES[0]))


def given_in_venue(venue: str, tree: Mapping[str, Any], source: Source) -> Iterator[Given]:
    """The keys of a checked venue file."""
    own = (one for one in map(template_tree, TEMPLATE_NAMES[1:]) if one["name"] == venue)
    yield from _given(venue, VenueFile, tree, source, next(own, {}))


def _given(
    venue: str, kind: type[Struct], tree: Mapping[str, Any], source: Source, template: Mapping[str, Any]
) -> Iterator[Given]:
    for path, known, value in leaves(kind, tree):
        is_override = any(path[: len(put)] == put for put in source.origins)
        if is_override or (value != _at(template, path) and not _is_default(kind, path, value)):
            yield Given(venue, path, ".".join(known), value, is_override)


def _at(tree: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree


def _is_default(kind: type[Struct], path: Path, value: Any) -> bool:
    """Whether a key is set to its default; keys below names of the user's choice have no default here."""
    default: Any = None
    inner: Any = kind
    for name in path:
        if not (isinstance(inner, type) and issubclass(inner, Struct)):
            return False
        item = next(item for item in fields_of(inner) if item.name == name)
        default, inner = item.default, item.type
    return bool(value == (list(default) if isinstance(default, tuple) else default))

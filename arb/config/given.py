"""Which keys a user has set: in the files to something else than `arb init` writes, or for one run on the command line.

By it a run says which of them have no effect (`arb.commands.idle_keys`). What a file merely repeats of the defaults was
not chosen, so it is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import tomli
from msgspec import Struct

from arb.config.schema import MainFile
from arb.config.strict import Path, Source, leaves
from arb.config.templates import TEMPLATE_NAMES, template_text
from arb.config.venue_schema import VenueFile


class Given(NamedTuple):
    """A key that was set. `venue`: whose file holds it, "" for the main file."""

    venue: str
    #: As in the file, and as the documentation lists it (`capital.<venue>.quote`).
    path: Path
    known: str
    value: Any
    #: Set for this run alone: `--set`, `--legs`, `--symbols`, `--data`.
    is_override: bool

    @property
    def name(self) -> str:
        """As `--set` takes it."""
        return ".".join((*((self.venue,) if self.venue else ()), *self.path))


def given_in_main(tree: Mapping[str, Any], source: Source) -> Iterator[Given]:
    """The keys of a main file that was checked."""
    yield from _given("", MainFile, tree, source, tomli.loads(template_text(TEMPLATE_NAMES[0])))


def given_in_venue(venue: str, tree: Mapping[str, Any], source: Source) -> Iterator[Given]:
    """The keys of a venue's file that was checked."""
    yield from _given(venue, VenueFile, tree, source, _venue_template(venue))


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
    """Whether a key that has a default is set to it; those below names of the user's choice have none here."""
    default: Any = None
    inner: Any = kind
    for name in path:
        if not (isinstance(inner, type) and issubclass(inner, Struct)):
            return False
        item = next(item for item in msgspec.structs.fields(inner) if item.name == name)
        default, inner = item.default, item.type
    return bool(value == (list(default) if isinstance(default, tuple) else default))


def _venue_template(venue: str) -> Mapping[str, Any]:
    for name in TEMPLATE_NAMES[1:]:
        tree = tomli.loads(template_text(name))
        if tree["name"] == venue:
            return tree
    return {}

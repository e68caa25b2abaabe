"""The TOML files of a configuration, parsed: the main file, and the venue files beside it by the name of their venue.

Only a venue's file is checked here, when a leg names it; `arb.config.load` checks the main file and connects the two.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import tomli

from arb.config.fee_asset import check_fees
from arb.config.model import VenueConfig
from arb.config.schema import SYMBOL_PLACEHOLDER
from arb.config.secrets import Auth
from arb.config.strict import Source, build, section_text
from arb.config.venue_schema import VenueFile
from arb.config.venue_templates import completed, name_of, why_unknown
from arb.errors import ConfigError

#: Venues by the key of their document: a sweep loads the same files for each of its sets.
_venues: dict[tuple[str, ...], VenueConfig] = {}
_VENUES_MAX = 64


@lru_cache(maxsize=64)
def _parsed(text: str) -> dict[str, Any]:
    """The tree of a TOML text, which all callers share."""
    return tomli.loads(text)


def _copied(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _copied(value) for name, value in part.items()}
    return [_copied(value) for value in part] if isinstance(part, list) else part


class KeptFiles(NamedTuple):
    """The TOML files of a configuration as they were when they were read: later edits change nothing."""

    texts: tuple[tuple[Path, bytes], ...]

    @classmethod
    def of(cls, main: Path) -> KeptFiles:
        """The main file and those beside it. What cannot be read is left out: who loads it, meets the error."""
        texts = {}
        for path in (main, *main.parent.glob("*.toml")):
            with contextlib.suppress(OSError):
                texts[path] = path.read_bytes()
        return cls(tuple(texts.items()))

    def text(self, path: Path) -> bytes | None:
        """What the file had; None if it could not be read."""
        return next((text for own, text in self.texts if own == path), None)


@dataclass
class Document:
    """A TOML file, parsed but not checked."""

    tree: dict[str, Any]
    source: Source
    #: As read, and what was put into it since: together they decide the tree.
    text: str = ""
    puts: list[tuple[tuple[str, ...], Any, str]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for documents of one file with the same tree and origins."""
        return self.source.file, self.text, repr(self.puts)

    @classmethod
    def read(cls, path: Path, option: str = "", kept: KeptFiles | None = None) -> Document:
        """The file at `path`. Raises ConfigError if it is missing, unreadable or not TOML.

        option: that names it; without one it is a file of a configuration. kept: has its text, if it could be read.
        """
        try:
            content = kept.text(path) if kept is not None else None
            text = (path.read_bytes() if content is None else content).decode("utf-8")
            tree = _copied(_parsed(text))
        except FileNotFoundError:
            wanted = f"`arb init {path.parent}` writes a configuration to start from"
            wanted = f"{option} names a file" if option else wanted
            raise ConfigError(f"{path}: no such file; {wanted}") from None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not TOML: byte {error.start} is not UTF-8") from error
        # tomli passes on Python's own errors: an integer of 5000 digits, brackets nested too deep.
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not TOML: {_syntax_text(error)}") from error
        return cls(tree, Source(str(path)), text)

    def put(self, path: tuple[str, ...], value: Any, origin: str) -> None:
        """Sets a key on behalf of `origin`, which errors about it name."""
        table = self.tree
        for depth, name in enumerate(path[:-1], start=1):
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{origin}: {'.'.join(path[:depth])} is not a table and holds no keys")
        table[path[-1]] = value
        self.source.origins[path] = origin
        self.puts.append((path, value, origin))


@dataclass
class VenueFiles:
    """The venue files beside the main file, by the `name` that each contains, or that of its address's template."""

    documents: dict[str, list[Document]] = field(default_factory=dict)
    unreadable: list[ConfigError] = field(default_factory=list)
    #: Files with a `[connection]` to a venue that is not known.
    unknown: list[ConfigError] = field(default_factory=list)

    @classmethod
    def find(cls, main: Path, kept: KeptFiles | None = None) -> VenueFiles:
        """Those beside the main file; files that cannot be read or identified are kept for later errors."""
        files = cls()
        for path in sorted(main.parent.glob("*.toml") if kept is None else dict(kept.texts)):
            if path.name == main.name:
                continue
            try:
                document = Document.read(path, kept=kept)
            except ConfigError as error:
                files.unreadable.append(error)
                continue
            name = name_of(document.tree)
            if isinstance(name, str):
                files.documents.setdefault(name, []).append(document)
            elif name is None and isinstance(document.tree.get("connection"), dict):
                files.unknown.append(ConfigError(f"{path}: {why_unknown(document.tree)}"))
        return files

    def venue(self, name: str, asked_by: Source) -> VenueConfig:
        """The checked venue file."""
        documents = self.documents.get(name, [])
        if not documents and self.unknown:
            raise self.unknown[0]
        if not documents:
            asked_by.refuse(("strategy", "legs"), f"names the venue {name}, {self._unknown(name)}")
        if len(documents) > 1:
            names = " and ".join(document.source.file for document in documents)
            raise ConfigError(f"{names} both describe the venue {name}; a venue has one file")
        key = name, *documents[0].key
        if key not in _venues:
            if len(_venues) >= _VENUES_MAX:
                _venues.clear()
            _venues[key] = _checked(name, documents[0])
        return _venues[key]

    @property
    def symbols(self) -> set[str]:
        """The symbols that any of the files describes."""
        tables = (one.tree.get("symbols") for documents in self.documents.values() for one in documents)
        return {symbol for table in tables if isinstance(table, dict) for symbol in table}

    def default_legs(self, usual: tuple[str, ...]) -> tuple[str, ...]:
        """The legs if none are written: the usual ones, unless the files describe two venues that are others."""
        is_usual = all(name.partition(":")[0] in self.documents for name in usual)
        if is_usual or len(self.documents) != len(usual):
            return usual
        return tuple(f"{venue}:{SYMBOL_PLACEHOLDER}" for venue in self.documents)

    def refuse_idle_overrides(self, used: Mapping[str, VenueConfig]) -> None:
        """Raises ConfigError for an override of a venue without legs: the user would expect an effect."""
        for name, documents in self.documents.items():
            for origin in documents[0].source.origins.values():
                if name not in used:
                    raise ConfigError(f"{origin}: no leg is at {name}; the legs are at {' and '.join(used)}")

    def check_names(self, section: tuple[str, ...], names: Iterable[str], source: Source) -> None:
        """Raises ConfigError for misspelt venues in a section, unless an unreadable file may be the one that is
        meant."""
        for name in names:
            if name not in self.documents and not (self.unreadable or self.unknown):
                where = (*section, name)
                raise ConfigError(
                    f"{source.of(where)}: {section_text(where)} names a venue {self._unknown(name)}"
                )

    def _unknown(self, name: str) -> str:
        """Error text for an unknown venue, with the known ones."""
        reason = "which no file beside this one describes" + hint(name, list(self.documents))
        if self.unreadable:
            reason += f"; not readable: {self.unreadable[0]}"
        return reason


def _checked(name: str, document: Document) -> VenueConfig:
    tree = completed({"name": name, **document.tree})
    table = build(VenueFile, tree, document.source)
    check_fees(table, document.source)
    return venue_of(table, document.source.file)


def venue_of(table: VenueFile, file: str) -> VenueConfig:
    """The venue that a checked file describes. file: the name used in errors."""
    return VenueConfig(
        file=file,
        name=table.name,
        adapter=table.adapter,
        kind=table.kind,
        connection=table.connection,
        testnet=table.testnet,
        demo=table.demo,
        auth=Auth(file, **msgspec.structs.asdict(table.auth)),
        fees=table.fees,
        latency=table.latency,
        queue=table.queue,
        symbols=table.symbols,
    )


def hint(name: str, known: Sequence[str]) -> str:
    """The end of an error text about an unknown name: the nearest known one, and all of them."""
    near = get_close_matches(name, known, n=1)
    return (f"; did you mean {near[0]}?" if near else "") + f"; known: {', '.join(known) or 'none'}"


def _syntax_text(error: BaseException) -> str:
    """tomli's message with its position, as compilers print it, on one line."""
    line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
    message = " ".join(str(getattr(error, "msg", None) or error).split())
    return f"line {line}, column {column}: {message}" if line is not None else message

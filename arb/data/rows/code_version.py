"""The version of the code that produces rows; part of every key of the row cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import arb
import connectors

_ARB, _CONNECTORS = Path(arb.__file__).parent, Path(connectors.__file__ or "").parent
#: All code that rows depend on, by import name: a file, or a folder with every module below it. A test compares this
#: with the imports of `arb.data.rows.convert` and the adapters.
SOURCES: Mapping[str, Path] = {
    "connectors": _CONNECTORS,
    **{f"arb/{name}": _ARB / name for name in ("__init__.py", "errors.py", "files.py")},
    **{
        f"arb/data/{name}": _ARB / "data" / name
        for name in (
            "__init__.py",
            "archives",
            "catalog",
            "funding.py",
            "outages.py",
            "recordings",
            "rows",
            "text.py",
        )
    },
}


def source_files(sources: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Each source file once, as name and path, in a fixed order."""
    for name, place in sorted(sources.items()):
        if place.is_dir():
            for path in sorted(place.rglob("*.py")):
                yield f"{name}/{path.relative_to(place).as_posix()}", path
        else:
            yield name, place


def version_of(sources: Mapping[str, Path]) -> str:
    """A hash of names and contents: it changes if a file is changed, added, removed or moved."""
    digest = hashlib.sha256()
    for name, path in source_files(sources):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


@cache
def code_version() -> str:
    """A hash of the code that rows depend on, so that changed code never uses rows of the old code."""
    return version_of(SOURCES)

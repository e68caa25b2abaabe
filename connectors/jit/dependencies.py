"""Finds everything that the machine code of a compiled function depends on: sources, constants, other functions.

`connectors.jit.compilation` makes a stamp of it, by which a file of compiled code is recognised as out of date.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

#: Packages whose version is part of the folder's name, so that their sources need not be hashed.
VERSIONED = ("numba", "llvmlite", "numpy", "hftbacktest")


def functions_reached(function: Any) -> list[Any]:
    """The compiled functions that `function` reaches through its names, each after those that it reaches itself."""
    found = Dependencies()
    for _ in found.function(getattr(function, "py_func", function)):
        pass
    return found.dispatchers


def digest_of(parts: Iterable[str]) -> str:
    """SHA-256 of texts, as hexadecimal text; ("ab", "c") differs from ("a", "bc")."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape")
        whole.update(b"%d:" % len(raw) + raw)
    return whole.hexdigest()


def tree_digest(path: Path) -> str:
    """Digest of a file, or of the Python files below a folder; a missing file counts as empty."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return digest_of(f"{file.name}={_file_digest(str(file))}" for file in files)


def _file_digest(path: str) -> str:
    try:
        stat = Path(path).stat()
    except OSError:
        return ""
    return _content_digest(path, stat.st_mtime_ns, stat.st_size)


@cache
def _content_digest(path: str, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Dependencies:
    """Collects everything that a function's machine code depends on, as text: sources and values reached by name.

    It collects too much rather than too little: an attribute name anywhere in the function counts for every module and
    class that the function names.
    """

    def __init__(self, *, with_sources: bool = True) -> None:
        self._with_sources = with_sources
        #: Compiled functions found, each after those that it reaches.
        self.dispatchers: list[Any] = []
        self._seen: set[tuple[int, str]] = set()

    def function(self, function: FunctionType) -> Iterator[str]:
        """Source of `function` and of everything that it reaches."""
        if (id(function), "") in self._seen:
            return
        self._seen.add((id(function), ""))
        code = function.__code__
        yield f"function {code.co_filename} {function.__qualname__}"
        if not self._with_sources:
            yield from self.closure(function)
            return
        yield _file_digest(code.co_filename)
        names = set(_names(code))
        for inner in _codes(code):
            # The file may be missing or edited since the import, so the bytecode is included too.
            yield inner.co_code.hex()
            yield from (_constant(item) for item in inner.co_consts if not isinstance(item, CodeType))
        for name in sorted(names & function.__globals__.keys()):
            yield f"global {name}"
            yield from self.value(function.__globals__[name], names)
        yield from self.closure(function)
        for default in function.__defaults__ or ():
            yield from self.value(default, names)

    def closure(self, function: FunctionType) -> Iterator[str]:
        """Values that `function` closes over."""
        names = set(_names(function.__code__))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            yield f"cell {name}"
            try:
                content = cell.cell_contents
            except ValueError:  # not bound yet
                continue
            yield from self.value(content, names)

    def value(self, value: Any, names: set[str]) -> Iterator[str]:
        """Value of a global, a closure cell or a default argument."""
        source = (
            getattr(value, "py_func", None)
            or getattr(value, "_defn", None)
            or getattr(value, "_pyfunc", None)
        )
        dispatcher = value if isinstance(value, Dispatcher) else None
        if isinstance(source, FunctionType):
            yield f"compiled {getattr(value, 'targetoptions', '')!r}"
            value = source
        if isinstance(value, FunctionType):
            if str(value.__module__).split(".")[0] not in VERSIONED:
                yield from self.function(value)
                if dispatcher is not None and dispatcher not in self.dispatchers:
                    self.dispatchers.append(dispatcher)
        elif isinstance(value, Enum):
            yield f"{value!r}={value.value!r}"
        elif value is None or isinstance(
            value, bool | int | float | complex | str | bytes | np.generic | np.dtype
        ):
            yield f"{type(value).__name__} {value!r}"
        elif isinstance(value, np.ndarray):
            yield f"array {value.dtype!r} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
        elif isinstance(value, tuple):
            for item in value:
                yield from self.value(item, names)
        elif isinstance(value, ModuleType | type):
            yield from self._members(value, names)
        else:
            # Its text may contain an address, which differs in every process.
            yield f"{type(value).__module__}.{type(value).__qualname__}"

    def _members(self, owner: ModuleType | type, names: set[str]) -> Iterator[str]:
        yield owner.__name__
        if isinstance(owner, type) and issubclass(owner, Enum):
            yield repr([(name, member.value) for name, member in owner.__members__.items()])
            return
        root = (owner.__name__ if isinstance(owner, ModuleType) else owner.__module__).split(".")[0]
        if root in VERSIONED or root in sys.stdlib_module_names:
            return
        for name in sorted(names & vars(owner).keys()):
            if (id(owner), name) not in self._seen:
                self._seen.add((id(owner), name))
                yield f"member {name}"
                yield from self.value(vars(owner)[name], names)


def _constant(value: Any) -> str:
    # The order of a printed set differs in every process.
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _names(code: CodeType) -> Iterator[str]:
    for inner in _codes(code):
        yield from inner.co_names

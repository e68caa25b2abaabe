"""Pure code reads no clock, file or socket, a strategy knows no world, and no module uses what is private to another.

Which folder may import which is held by import-linter's contracts in pyproject.toml (`make lint`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("arb", "connectors")

#: Folders and modules that may use clocks, files, sockets and threads. All others are pure; so is a new one until a
#: line here says otherwise.
EDGES = frozenset(
    {
        *("arb.__main__", "arb.backtest", "arb.cli", "arb.commands", "arb.config", "arb.data", "arb.report"),
        *(
            "arb.files",
            "arb.interrupts",
            "arb.results",
            "arb.runtime",
            "arb.sandbox.recording",
            "arb.strategies",
            "arb.verify",
        ),
        *(f"arb.sandbox.serve.{name}" for name in ("clocks", "connection", "hub", "recorded", "sandbox")),
        "arb.sandbox.serve.venue_server",
        *(f"connectors.feed.{name}" for name in ("feed", "instrument", "interfaces")),
        *(f"connectors.net.{name}" for name in ("picows_socket", "rest", "session", "sockets")),
        "connectors.net.websockets_socket",
    }
)
#: What is pure inside of them.
PURE = frozenset(
    {
        *(f"arb.data.{name}" for name in ("outages", "catalog.archived")),
        *(f"arb.data.download.{name}" for name in ("choice", "markets", "plan")),
        *("arb.results.metrics", "arb.runtime.health_events", "arb.runtime.replay_marks"),
        "arb.strategies.spread",
    }
)

#: What computes has no business with these: time and randomness are arguments, edges own the rest.
IMPURE = frozenset(
    {
        *(
            "aiohttp",
            "asyncio",
            "ccxt",
            "concurrent",
            "fcntl",
            "glob",
            "greenlet",
            "gzip",
            "http",
            "io",
            "mmap",
        ),
        *(
            "multiprocessing",
            "os",
            "picows",
            "random",
            "requests",
            "secrets",
            "select",
            "selectors",
            "shutil",
        ),
        *("signal", "socket", "sqlite3", "ssl", "subprocess", "tarfile", "tempfile", "threading", "time"),
        *("urllib", "uvloop", "websockets", "zipfile"),
    }
)

#: Nor with files. `pathlib` itself is no breach: a path is a value, which pure code may pass on; what it does is one.
FILE_CALLS = frozenset(
    {
        *("glob", "hardlink_to", "is_dir", "is_file", "iterdir", "mkdir", "open", "read_bytes", "read_text"),
        *("rglob", "rmdir", "symlink_to", "tofile", "unlink", "write_bytes", "write_text"),
        *(f"np.{name}" for name in ("fromfile", "load", "loadtxt", "memmap", "save", "savetxt", "savez")),
        "np.savez_compressed",
    }
)

#: Pure but for the one thing that each does with files: it lists a folder, it writes what hftbacktest's recorder
#: writes, it keeps what was compiled, it checks whose that is (and asks `os` for it).
FILE_USERS = frozenset(
    {
        "arb.data.catalog.archived",
        "arb.bot.recorder",
        "connectors.jit.compilation",
        "connectors.jit.dependencies",
        "connectors.jit.own_files",
    }
)
OS_USERS = frozenset({"connectors.jit.own_files"})

#: A strategy is compiled and runs in every world: nothing else may leak into it.
STRATEGY_IMPORTS = frozenset(
    {"__future__", "collections", "dataclasses", "enum", "hftbacktest", "math", "numba", "numpy", "typing"}
)


def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_pure(module: str) -> bool:
    """Whether a module may use nothing but its arguments: by the longest entry of the two tables that fits."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        folder = ".".join(parts[:length])
        if folder in PURE or folder in EDGES:
            return folder in PURE
    return True


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[str, str | None]]:
    """(module, name) of every import of a source, wherever it stands; name is None for `import module`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".") + ([""] if is_package else [])
                base = ".".join([*parts[: -node.level], *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def faults(source: str, module: str, known: frozenset[str], *, is_package: bool = False) -> list[str]:
    """What a module imports or calls against the rules."""
    found = []
    pure = is_pure(module)
    for base, name in imports(source, module, is_package=is_package):
        target = f"{base}.{name}" if name and f"{base}.{name}" in known else base
        top = target.partition(".")[0]
        if top in PACKAGES:
            found += _private_faults(module, base, name)
        elif pure and top in IMPURE and not (top == "os" and module in OS_USERS):
            found.append(f"{module}: pure code imports {top}")
        if _is_in(module, "arb.strategies.spread"):
            found += _strategy_faults(module, target, name)
    if pure and module not in FILE_USERS:
        found += [f"{module}: pure code calls {call}, which is for edges" for call in file_calls(source)]
    return found


def file_calls(source: str) -> Iterator[str]:
    """What a source calls of FILE_CALLS, by the last name, or by both where numpy's is meant."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in ("np", "numpy"):
            called = f"np.{called}"
        if called in FILE_CALLS:
            yield called


def _private_faults(module: str, base: str, name: str | None) -> list[str]:
    full = f"{base}.{name}" if name else base
    if any(part.startswith("_") and not part.startswith("__") for part in full.split(".")):
        return [f"{module}: imports {full}, which is private; give it a public name and a docstring"]
    return []


def _strategy_faults(module: str, target: str, name: str | None) -> list[str]:
    top = target.partition(".")[0]
    if _is_in(target, "arb.strategies.spread"):
        return []
    if top not in STRATEGY_IMPORTS:
        return [f"{module}: a strategy imports {target}; allowed: {', '.join(sorted(STRATEGY_IMPORTS))}"]
    if top == "hftbacktest" and (name is None or not name.isupper()):
        return [
            f"{module}: a strategy imports {name or target} of hftbacktest, whose constants only are allowed"
        ]
    return []


def _is_in(module: str, folder: str) -> bool:
    return module == folder or module.startswith(folder + ".")


MODULES = modules()


def test_modules_keep_to_the_rules() -> None:
    known = frozenset(MODULES)
    found = [
        faults(path.read_text(), module, known, is_package=path.stem == "__init__")
        for module, path in MODULES.items()
    ]

    assert list(chain.from_iterable(found)) == []


def test_the_tables_name_nothing_that_is_gone() -> None:
    assert (EDGES | PURE) - set(MODULES) == set()
    assert [module for module in FILE_USERS if not list(file_calls(MODULES[module].read_text()))] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [m for m, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text()))]

    assert silent == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("connectors.book.sync", "import asyncio", "pure code imports asyncio"),
        ("connectors.new", "from os import path", "pure code imports os"),
        ("connectors.jit.compilation", "import socket", "pure code imports socket"),
        ("arb.simulation.exchange", "import time", "pure code imports time"),
        ("arb.simulation.exchange", "import urllib.request", "pure code imports urllib"),
        ("arb.simulation.exchange", "from io import BytesIO", "pure code imports io"),
        ("arb.simulation.exchange", "with open('x') as file: ...", "pure code calls open"),
        ("connectors.book.sync", "def f(path): return path.read_bytes()", "pure code calls read_bytes"),
        ("arb.results.metrics.run", "import numpy as np\nx = np.load('x')", "pure code calls np.load"),
        (
            "arb.strategies.spread.strategy",
            "from arb.errors import ArbError",
            "a strategy imports arb.errors",
        ),
        (
            "arb.strategies.spread.strategy",
            "from connectors.jit.compilation import compiled",
            "a strategy imports connectors.jit.compilation",
        ),
        ("arb.strategies.spread.strategy", "import logging", "a strategy imports logging"),
        ("arb.strategies.spread.strategy", "from hftbacktest import Recorder", "constants only are allowed"),
        ("arb.strategies.spread.strategy", "import hftbacktest", "constants only are allowed"),
        (
            "connectors.feed.frame_loop",
            "from connectors.book.sync import Status, _receive",
            "connectors.book.sync._receive, which is private",
        ),
        (
            "connectors.feed.frame_loop",
            "from .clocks import _OFFSET",
            "connectors.feed.clocks._OFFSET, which is private",
        ),
        (
            "arb.data.rows.convert",
            "def f():\n    import connectors._notes",
            "connectors._notes, which is private",
        ),
    ],
)
def test_a_breach_is_found(module: str, source: str, fault: str) -> None:
    known = frozenset({"arb.errors", "arb.backtest.runner", "connectors.book.sync", "connectors.net.session"})

    assert any(fault in line for line in faults(source, module, known))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("connectors.net.session", "import asyncio\nfrom connectors.binance import BinanceSpot"),
        ("connectors.jit.compilation", "import hashlib\nfrom pathlib import Path"),
        (
            "arb.strategies.spread.strategy",
            "from hftbacktest import BUY, GTC\nfrom . import params\nimport numpy as np",
        ),
        ("arb.engine.live", "from connectors.model import Instrument\nfrom arb import __version__"),
        ("arb.data.rows.convert", "import os\nimport time\nfrom arb.bot.numba_types import Bot"),
        ("arb.backtest.bot", "from hftbacktest import _hftbacktest"),
        ("arb.bot.numba_types", "def f(builder, cell): return builder.load(cell)"),
        ("arb.data.rows.convert", "def f(path): return path.read_bytes()"),
    ],
)
def test_what_the_rules_allow_is_no_breach(module: str, source: str) -> None:
    assert faults(source, module, frozenset({"arb.commands", "arb.strategies.spread.params"})) == []


def test_relative_imports_are_resolved_from_packages_too() -> None:
    assert list(imports("from .x import y", "arb.data", is_package=True)) == [("arb.data.x", "y")]
    assert list(imports("from ..x import y", "arb.data.rows.convert")) == [("arb.data.x", "y")]
    assert list(imports("from . import y", "arb.data.rows.convert")) == [("arb.data.rows", "y")]

"""Lower layers never import higher ones, nor any module what is private to another. The table says who is where."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("arb", "connectors")


class Layer(IntEnum):
    """What a module may do; it imports from its own layer and from those below."""

    WORDS = 0
    PURE = 1
    EDGE = 2
    ROOT = 3


#: Module or folder, and its layer; the longest entry that fits counts. `connectors` and the folders of pure
#: code stand whole, so that a new module there is held to the strict rules until a line here says otherwise.
LAYERS = {
    "connectors": Layer.PURE,
    "connectors.types": Layer.WORDS,
    "connectors.errors": Layer.WORDS,
    "connectors.text": Layer.WORDS,
    "connectors.session": Layer.EDGE,
    "connectors.feed_listener": Layer.EDGE,
    "connectors.sockets": Layer.EDGE,
    "connectors.picows_socket": Layer.EDGE,
    "connectors.websockets_socket": Layer.EDGE,
    "connectors.rest": Layer.EDGE,
    "connectors.feed": Layer.EDGE,
    "connectors.feed_book": Layer.EDGE,
    "connectors.feed_words": Layer.EDGE,
    "arb.errors": Layer.WORDS,
    "arb.interrupts": Layer.EDGE,
    "arb.leg": Layer.WORDS,
    "arb.strategy": Layer.PURE,
    "arb.bot": Layer.PURE,
    "arb.sim": Layer.PURE,
    "arb.risk": Layer.PURE,
    "arb.data": Layer.EDGE,
    "arb.data.spells": Layer.PURE,
    "arb.data.archived": Layer.PURE,
    "arb.archive": Layer.EDGE,
    "arb.archive.markets": Layer.PURE,
    "arb.archive.choice": Layer.PURE,
    "arb.archive.command": Layer.PURE,
    "arb.archive.plan": Layer.PURE,
    "arb.backtest": Layer.EDGE,
    "arb.dryrun": Layer.EDGE,
    "arb.dryrun.marks": Layer.PURE,
    "arb.dryrun.troubles": Layer.PURE,
    "arb.dryrun.watermark": Layer.PURE,
    "arb.run": Layer.EDGE,
    "arb.report": Layer.EDGE,
    "arb.report.metrics": Layer.PURE,
    "arb.sandbox": Layer.PURE,
    "arb.sandbox.recording": Layer.EDGE,
    "arb.sandbox.serve": Layer.PURE,
    "arb.sandbox.serve.clocks": Layer.EDGE,
    "arb.sandbox.serve.connection": Layer.EDGE,
    "arb.sandbox.serve.hub": Layer.EDGE,
    "arb.sandbox.serve.recorded": Layer.EDGE,
    "arb.sandbox.serve.sandbox": Layer.EDGE,
    "arb.sandbox.serve.venue_server": Layer.EDGE,
    "arb.config": Layer.ROOT,
    "arb.app": Layer.ROOT,
    "arb.cli": Layer.ROOT,
    "arb.__main__": Layer.ROOT,
}

#: The package itself: a line of text and the version, which every layer may read.
PACKAGE_ITSELF = {"arb": Layer.WORDS}

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
FILE_USERS = frozenset({"arb.data.archived", "arb.bot.recorder", "connectors.jit", "connectors.own_files"})
OS_USERS = frozenset({"connectors.own_files"})

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


def layer_of(module: str) -> Layer | None:
    """The layer that the table gives, or None."""
    if module in PACKAGE_ITSELF:
        return PACKAGE_ITSELF[module]
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        layer = LAYERS.get(".".join(parts[:length]))
        if layer is not None:
            return layer
    return None


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
    """What a module imports against the rules."""
    layer = layer_of(module)
    if layer is None:
        return [f"{module}: not in the table of layers; add it to LAYERS in {Path(__file__).name}"]
    found = []
    for base, name in imports(source, module, is_package=is_package):
        target = f"{base}.{name}" if name and f"{base}.{name}" in known else base
        top = target.partition(".")[0]
        if top in PACKAGES:
            found += _own_faults(module, layer, target) + _private_faults(module, base, name)
        elif layer <= Layer.PURE and top in IMPURE and not (top == "os" and module in OS_USERS):
            found.append(f"{module}: pure code imports {top}")
        if _is_in(module, "arb.strategy"):
            found += _strategy_faults(module, target, name)
    if layer <= Layer.PURE and module not in FILE_USERS:
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


def _own_faults(module: str, layer: Layer, target: str) -> list[str]:
    found = []
    target_layer = layer_of(target)
    if _is_in(module, "connectors") and _is_in(target, "arb"):
        found.append(f"{module}: connectors knows nothing of arb, but imports {target}")
    if target_layer is not None and target_layer > layer:
        found.append(f"{module} ({layer.name}): imports {target} ({target_layer.name}), a higher layer")
    return found


def _private_faults(module: str, base: str, name: str | None) -> list[str]:
    full = f"{base}.{name}" if name else base
    if any(part.startswith("_") and not part.startswith("__") for part in full.split(".")):
        return [f"{module}: imports {full}, which is private; give it a public name and a docstring"]
    return []


def _strategy_faults(module: str, target: str, name: str | None) -> list[str]:
    top = target.partition(".")[0]
    if _is_in(target, "arb.strategy"):
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


@pytest.mark.parametrize("module", MODULES)
def test_imports_obey_the_layers(module: str) -> None:
    path = MODULES[module]

    assert faults(path.read_text(), module, frozenset(MODULES), is_package=path.stem == "__init__") == []


def test_every_package_is_looked_at() -> None:
    assert {module.partition(".")[0] for module in MODULES} == set(PACKAGES)
    assert {folder.partition(".")[0] for folder in LAYERS} == set(PACKAGES)


def test_the_table_names_nothing_that_is_gone() -> None:
    assert set(LAYERS) - set(MODULES) == set()
    assert [module for module in FILE_USERS if not list(file_calls(MODULES[module].read_text()))] == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("connectors.binance", "import arb.errors", "connectors knows nothing of arb"),
        ("connectors.binance", "from arb import errors", "connectors knows nothing of arb"),
        (
            "connectors.session",
            "def f():\n    from arb.config import load",
            "connectors knows nothing of arb",
        ),
        ("connectors.book", "from connectors.session import Session", "a higher layer"),
        ("connectors.types", "from connectors import book", "a higher layer"),
        ("connectors.book", "from .rest import get", "a higher layer"),
        ("connectors.book", "import asyncio", "pure code imports asyncio"),
        ("connectors.new", "from os import path", "pure code imports os"),
        ("connectors.jit", "import socket", "pure code imports socket"),
        ("arb.sim.exchange", "import time", "pure code imports time"),
        ("arb.sim.exchange", "import urllib.request", "pure code imports urllib"),
        ("arb.bot.live", "from arb.backtest.runner import run", "a higher layer"),
        ("arb.bot.live", "from ..backtest import runner", "a higher layer"),
        ("arb.data.convert", "from arb.config import Leg", "a higher layer"),
        ("arb.dryrun.marks", "from arb.dryrun.journal import Journal", "a higher layer"),
        ("arb.sim.exchange", "from io import BytesIO", "pure code imports io"),
        ("arb.sim.exchange", "with open('x') as file: ...", "pure code calls open"),
        ("connectors.book", "def f(path): return path.read_bytes()", "pure code calls read_bytes"),
        ("arb.report.metrics.run", "import numpy as np\nx = np.load('x')", "pure code calls np.load"),
        ("arb.strategy.spread", "from arb.errors import ArbError", "a strategy imports arb.errors"),
        ("arb.strategy.spread", "from connectors.jit import compiled", "a strategy imports connectors.jit"),
        ("arb.strategy.spread", "import logging", "a strategy imports logging"),
        ("arb.strategy.spread", "from hftbacktest import Recorder", "constants only are allowed"),
        ("arb.strategy.spread", "import hftbacktest", "constants only are allowed"),
        (
            "connectors.runs",
            "from connectors.book import Status, _receive",
            "book._receive, which is private",
        ),
        ("connectors.runs", "from .clock import _OFFSET", "connectors.clock._OFFSET, which is private"),
        ("arb.data.convert", "def f():\n    import connectors._notes", "connectors._notes, which is private"),
        ("arb.novelty", "", "not in the table of layers"),
    ],
)
def test_a_breach_is_found(module: str, source: str, fault: str) -> None:
    known = frozenset({"arb.errors", "arb.backtest.runner", "connectors.book", "connectors.session"})

    assert any(fault in line for line in faults(source, module, known))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("connectors.session", "import asyncio\nfrom connectors.binance import BinanceSpot"),
        ("connectors.jit", "import hashlib\nfrom pathlib import Path"),
        ("arb.strategy.spread", "from hftbacktest import BUY, GTC\nfrom . import params\nimport numpy as np"),
        ("arb.bot.live", "from connectors.types import Instrument\nfrom arb import __version__"),
        ("arb.data.convert", "import os\nimport time\nfrom arb.bot.handle import Bot"),
        ("arb.cli", "from arb.config import load\nfrom arb import app"),
        ("arb.bot.backtest", "from hftbacktest import _hftbacktest"),
        ("arb.bot.handle", "def f(builder, cell): return builder.load(cell)"),
        ("arb.data.convert", "def f(path): return path.read_bytes()"),
    ],
)
def test_what_the_rules_allow_is_no_breach(module: str, source: str) -> None:
    assert faults(source, module, frozenset({"arb.app", "arb.strategy.params"})) == []


def test_relative_imports_are_resolved_from_packages_too() -> None:
    assert list(imports("from .x import y", "arb.data", is_package=True)) == [("arb.data.x", "y")]
    assert list(imports("from ..x import y", "arb.data.convert")) == [("arb.x", "y")]
    assert list(imports("from . import y", "arb.data.convert")) == [("arb.data", "y")]

"""Pure code calls nothing that reads a file, a clock or global chance; a strategy imports numeric libraries alone.

Which module may import which, and which are the edges that may import clocks, files, sockets and threads, are
import-linter's contracts in pyproject.toml (`make lint`).
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
#: Folders and modules that may use clocks, files, sockets and threads. All others are pure.
EDGES = {
    line.removesuffix(" -> *").removesuffix(".**")
    for line in CONTRACTS["Pure code knows no clock, file, socket or thread"]["ignore_imports"]
    if line.endswith(" -> *")
}
#: What is pure inside of them.
PURE = set(CONTRACTS["What is pure beside the edges"]["source_modules"])

#: What pure code does not call, by name; `pathlib` itself is no breach: a path is a value, which it may pass on.
CALLS = frozenset(
    {
        *("open", "np.fromfile", "np.load", "np.loadtxt", "np.memmap", "np.save", "np.savetxt", "np.savez"),
        *("np.savez_compressed", "datetime.now", "datetime.today", "datetime.utcnow", "date.today"),
        *("default_rng", "random.default_rng"),
    }
)
#: The same, by the name of the method.
METHODS = frozenset(
    {
        *("glob", "hardlink_to", "is_dir", "is_file", "iterdir", "mkdir", "read_bytes", "read_text", "rglob"),
        *("rmdir", "symlink_to", "tofile", "unlink", "write_bytes", "write_text"),
    }
)
#: Pure but for one use of files: a list of a folder, hftbacktest's files of records, the cache of compiled code.
FILE_USERS = {
    "arb.data.catalog.archived",
    "arb.bot.recorder",
    "connectors.jit.compilation",
    "connectors.jit.dependencies",
    "connectors.jit.own_files",
}
#: A strategy is compiled and runs in every world.
STRATEGY_IMPORTS = frozenset(
    {"__future__", "collections", "dataclasses", "enum", "hftbacktest", "math", "numba", "numpy", "typing"}
)


def modules() -> Iterator[tuple[str, str]]:
    """Every module of the packages by its dotted name, and its source."""
    for package in ("arb", "connectors"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path.read_text()


def is_pure(module: str) -> bool:
    """By the longest entry of the two tables that fits."""
    while module and module not in EDGES | PURE:
        module = module.rpartition(".")[0]
    return module not in EDGES


def impure_calls(source: str) -> Iterator[str]:
    """The calls of a source that pure code does not make."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).replace("numpy.", "np.")
        method = name.rpartition(".")[2] if isinstance(node.func, ast.Attribute) else ""
        # A file mode as argument means that `open` is that of a path, not of a connection.
        is_open = method == "open" and any(isinstance(one, ast.Constant) for one in node.args)
        if method in METHODS or is_open or ".".join(name.split(".")[-2:]) in CALLS:
            yield name


def test_pure_modules_call_nothing_impure() -> None:
    found = {name: list(impure_calls(source)) for name, source in modules() if is_pure(name)}
    assert {name for name, calls in found.items() if calls} == FILE_USERS


def test_strategies_import_numeric_libraries_and_hftbacktests_constants() -> None:
    for module, source in modules():
        if module.startswith("arb.strategies.spread"):
            for node in ast.walk(ast.parse(source)):
                imported = [alias.name for alias in getattr(node, "names", ())]
                if isinstance(node, ast.Import):
                    assert {name.partition(".")[0] for name in imported} <= STRATEGY_IMPORTS - {"hftbacktest"}
                elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("arb."):
                    top = (node.module or "").partition(".")[0]
                    assert top in STRATEGY_IMPORTS, f"{module}: {node.module}"
                    assert top != "hftbacktest" or all(map(str.isupper, imported)), f"{module}: {imported}"


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("open('x')", True),
        ("path.open('rb')", True),
        ("connection.open(url)", False),
        ("path.read_bytes()", True),
        ("np.load('x')", True),
        ("numpy.load('x')", True),
        ("builder.load(cell)", False),
        ("datetime.datetime.now(UTC)", True),
        ("walk.now()", False),
        ("np.random.default_rng(1)", True),
    ],
)
def test_an_impure_call_is_found(source: str, is_found: bool) -> None:
    assert bool(list(impure_calls(source))) is is_found


def test_the_command_line_starts_without_what_only_runs_need() -> None:
    heavy = ("numpy", "numba", "hftbacktest", "aiohttp", "ccxt", "sqlite3", "cryptography")
    program = f"import sys, arb.cli; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []

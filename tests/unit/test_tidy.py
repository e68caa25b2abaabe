"""House rules that no linter knows: where clocks, chance and the environment may be read, and sizes."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("arb", "connectors", "tests", "benchmarks", "examples")
LINES_MAX = 500

#: The one reader of the environment.
ENVIRONMENT_READER = "arb.config.secrets"

#: Of `numpy.random`, the names that carry no state of the process: what a function is passed.
PASSED_RANDOMNESS = frozenset({"BitGenerator", "Generator", "SeedSequence"})

CLOCKS = frozenset(
    {
        *("time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.sleep"),
        *("time.time", "time.time_ns", "datetime.now", "datetime.today", "datetime.utcnow"),
        *("datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow"),
        *("date.today", "datetime.date.today"),
    }
)

#: What shows text, or makes it safe for one reader alone, and the modules that call it behind `connectors.text`.
SHOWN_BY = {
    "click.echo": {"arb.cli.options"},
    "click.secho": set(),
    "html.escape": {"arb.report.wording"},
    "rich.markup.escape": {"arb.cli.options"},
    "sys.stderr.write": {"arb.runtime.display", "arb.__main__"},
    "sys.stdout.write": set(),
    "traceback.print_exc": set(),
}

TODO_WITHOUT_NUMBER = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\s*\((#|issue |decision )?\d+\))")


def _load_layers() -> ModuleType:
    # Test files are no package, so the table of layers is reached by its path.
    path = Path(__file__).with_name("test_layers.py")
    spec = importlib.util.spec_from_file_location("layers_table", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LAYERS = _load_layers()


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain, or "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def names_used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every name and attribute used, imported names spelt as `module.name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = dotted(node)
            if name:
                yield node.lineno, re.sub(r"^np\.", "numpy.", name)


def package_faults(source: str, module: str) -> list[str]:
    """What a module of the packages does against the rules, as `module:line: fault`."""
    tree = ast.parse(source)
    found = {(line, fault) for line, name in names_used(tree) if (fault := _name_fault(name, module))}
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.add((node.lineno, "bare except: name what is caught"))
        elif isinstance(node, ast.Assert):
            found.add((node.lineno, "assert is dropped by -O: raise InvariantError"))
        elif isinstance(node, ast.Call) and dotted(node.func) == "print" and not _is_cli(module):
            found.add((node.lineno, "print outside the command line"))
    return [f"{module}:{line}: {fault}" for line, fault in sorted(found)]


def _name_fault(name: str, module: str) -> str:
    if name in {"os.environ", "os.environb", "os.getenv", "os.getenvb"} and module != ENVIRONMENT_READER:
        return f"{name}: only {ENVIRONMENT_READER} reads the environment"
    if module not in SHOWN_BY.get(name, {module}):
        return f"{name}: text is shown by echo, echo_json, escape or write_error, which escape it"
    if not LAYERS.is_pure(module):
        return ""
    if name in CLOCKS:
        return f"{name}: pure code takes time as an argument"
    is_global = name.startswith("random.") or (
        name.startswith("numpy.random.") and name.split(".")[2] not in PASSED_RANDOMNESS
    )
    return f"{name}: pure code takes a generator as an argument" if is_global else ""


def _is_cli(module: str) -> bool:
    return module == "arb.cli" or module.startswith("arb.cli.")


def text_faults(text: str, name: str) -> list[str]:
    """What any source file of the project does against the rules."""
    lines = text.splitlines()
    found = [
        f"{name}:{number}: TODO without the number of an issue or decision, as in TODO(12)"
        for number, line in enumerate(lines, start=1)
        if TODO_WITHOUT_NUMBER.search(line)
    ]
    if len(lines) > LINES_MAX:
        found.append(f"{name}: {len(lines)} lines; a file of more than {LINES_MAX} holds more than one idea")
    return found


#: Without this file, which holds the patterns that it looks for.
FILES = sorted({path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")} - {Path(__file__)})


def test_packages_are_tidy() -> None:
    found = [package_faults(path.read_text(), module) for module, path in LAYERS.MODULES.items()]

    assert list(chain.from_iterable(found)) == []


def test_files_are_short_and_their_todos_numbered() -> None:
    found = [text_faults(path.read_text(), str(path.relative_to(ROOT))) for path in FILES]

    assert list(chain.from_iterable(found)) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("arb.data.rows.convert", "import os\nx = os.environ['A']", "2: os.environ: only"),
        ("arb.commands", "from os import getenv", "1: os.getenv: only"),
        ("arb.config.load", "import os\nos.getenv('A')", "2: os.getenv: only"),
        ("connectors.book.sync", "import time\ntime.time_ns()", "2: time.time_ns: pure code takes time"),
        ("connectors.book.sync", "from time import time", "1: time.time: pure code takes time"),
        (
            "arb.simulation.fees",
            "from datetime import datetime\ndatetime.now()",
            "2: datetime.now: pure code",
        ),
        (
            "arb.simulation.fees",
            "import datetime\ndatetime.datetime.utcnow()",
            "2: datetime.datetime.utcnow: pure",
        ),
        (
            "arb.simulation.fees",
            "import random\nrandom.random()",
            "2: random.random: pure code takes a generator",
        ),
        (
            "arb.strategies.spread.strategy",
            "import numpy as np\nnp.random.rand()",
            "2: numpy.random.rand: pure code",
        ),
        (
            "arb.strategies.spread.strategy",
            "from numpy.random import default_rng",
            "1: numpy.random.default_rng: pure",
        ),
        ("arb.data.rows.convert", "print('x')", "1: print outside the command line"),
        ("arb.cli.record", "import click\nclick.echo('x')", "2: click.echo: text is shown by"),
        ("arb.report.html", "from html import escape", "1: html.escape: text is shown by"),
        ("arb.cli", "try:\n    pass\nexcept:\n    pass", "3: bare except"),
        ("arb.cli", "assert 1", "1: assert is dropped by -O"),
    ],
)
def test_a_breach_is_found(module: str, source: str, fault: str) -> None:
    assert any(f"{module}:{fault}" in line for line in package_faults(source, module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("arb.config.secrets", "import os\nos.environ['A']"),
        ("arb.commands", "import time\ntime.time_ns()"),
        ("arb.cli", "print('x')"),
        ("arb.simulation.fees", "import numpy as np\ndef f(chance: np.random.Generator) -> float: ..."),
        ("arb.simulation.fees", "def f(random_walk, now): return random_walk.time(now)"),
    ],
)
def test_what_the_rules_allow_is_no_breach(module: str, source: str) -> None:
    assert package_faults(source, module) == []


@pytest.mark.parametrize("line", ["# TODO: later", "# FIXME", "x = 1  # XXX see below", "# TODO(me)"])
def test_an_unnumbered_todo_is_found(line: str) -> None:
    assert len(text_faults(line, "x.py")) == 1


@pytest.mark.parametrize(
    "line", ["# TODO(12): later", "# TODO (#12)", "# TODO(decision 0004)", "mastodon = 1"]
)
def test_a_numbered_todo_is_none(line: str) -> None:
    assert text_faults(line, "x.py") == []


def test_a_long_file_is_found() -> None:
    assert text_faults("x\n" * LINES_MAX, "x.py") == []
    assert len(text_faults("x\n" * (LINES_MAX + 1), "x.py")) == 1

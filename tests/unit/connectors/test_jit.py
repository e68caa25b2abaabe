"""The disk cache: what hits, what is compiled again, and what may not crash."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit, types
from numba.core import config

from connectors.jit import compilation as jit
from connectors.jit.dependencies import tree_digest

ROOT = Path(__file__).parents[3]

USER = """
import numpy as np
from numba import njit
from connectors.jit.compilation import compiled
import helper
from helper import double

FACTOR = 3
WEIGHTS = np.array([1.0, 2.0])

@compiled
def run(x):
    return double(x) * FACTOR + WEIGHTS[1] + helper.OFFSET + later(x)

@compiled
def later(x):
    return LATEST * x

LATEST = 0
plain = compiled(njit(lambda x: x + 1))
"""

HELPER = """
from numba import njit
from deeper import deepest

OFFSET = 0

@njit
def double(x):
    return 2 * x + deepest(x)
"""

DEEPER = """
from numba import njit

@njit
def deepest(x):
    return 0
"""

MAIN = """
import sys
from pathlib import Path
from connectors.jit.compilation import compiled, set_cache_folder
set_cache_folder(Path(sys.argv[1]))
import user
result = user.run(1.0)
print(result, sum(user.run.stats.cache_hits.values()), sum(user.run.stats.cache_misses.values()))
"""


@pytest.fixture(autouse=True)
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself overlooks an edit that keeps the size of a file within a second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folder with a strategy, its helper and the helper's helper, and a script that runs it."""
    for name, text in (("user", USER), ("helper", HELPER), ("deeper", DEEPER), ("main", MAIN)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


@pytest.fixture
def loaded(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Imports the project as a new process would; returns its strategy."""
    monkeypatch.syspath_prepend(project)

    def load_again() -> Any:
        for name in ("user", "helper", "deeper"):
            sys.modules.pop(name, None)
        return importlib.import_module("user").run

    yield load_again
    for name in ("user", "helper", "deeper"):
        sys.modules.pop(name, None)


def start(project: Path) -> Any:
    path = os.pathsep.join((str(ROOT), str(project)))
    return subprocess.Popen(
        [sys.executable, "-B", str(project / "main.py"), str(project / "cache")],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: Any) -> tuple[float, int, int]:
    """(result, hits, misses) of a started process; an error of it fails the test."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    result, hits, misses = out.split()
    return float(result), int(hits), int(misses)


def run(project: Path) -> tuple[float, int, int]:
    return finish(start(project))


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.slow
def test_processes_share_what_one_compiled_until_an_edit(project: Path) -> None:
    both = [start(project), start(project)]

    found = [finish(process) for process in both]
    assert sorted(found) == [(8.0, 0, 1), (8.0, 1, 0)], "one waits until the other has saved it"
    assert run(project) == (8.0, 1, 0)
    assert {path.suffix for path in (project / "cache").rglob("*.*")} == {".bin"}
    edit(project / "deeper.py", "return 0", "return 1")
    assert run(project) == (11.0, 0, 1)


def test_an_edit_anywhere_below_is_noticed(project: Path, loaded: Callable[[], Any]) -> None:
    edits = [
        ("user", "* FACTOR +", "* FACTOR -"),
        ("user", "FACTOR = 3", "FACTOR = 4"),
        ("user", "[1.0, 2.0]", "[1.0, 5.0]"),
        ("user", "LATEST = 0", "LATEST = 1"),
        ("helper", "return 2 * x", "return 3 * x"),
        ("helper", "OFFSET = 0", "OFFSET = 7"),
        ("deeper", "return 0", "return 1"),
    ]
    stamps = [loaded()._cache._stamp()]
    assert loaded()._cache._stamp() == stamps[0]

    for file, before, after in edits:
        edit(project / f"{file}.py", before, after)
        stamps.append(loaded()._cache._stamp())

    assert len(set(stamps)) == len(stamps)


def test_a_constant_that_is_not_in_the_file_is_noticed(
    project: Path, loaded: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(project / "user.py", "FACTOR = 3", "import os\nFACTOR = int(os.environ['FACTOR'])")
    stamps = []
    for factor in ("3", "4"):
        monkeypatch.setenv("FACTOR", factor)
        stamps.append(loaded()._cache._stamp())

    assert stamps[0] != stamps[1]


def test_other_flags_and_settings_are_another_compilation(
    loaded: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = loaded()
    flags: list[dict[str, Any]] = [{}, {"boundscheck": True}, {"fastmath": True}, {"nogil": False}]
    names = [jit.compiled(function, **variant)._cache._name() for variant in flags]
    for setting, value in (("BOUNDSCHECK", 1), ("OPT", 1)):
        monkeypatch.setattr(config, setting, value)
        names.append(function._cache._name())

    assert len(set(names)) == len(names)


def test_a_changed_framework_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "framework").mkdir()
    file = tmp_path / "framework" / "a.py"
    stamps = []
    for text in ("x = 1", "x = 1", "x = 2"):
        file.write_text(text)
        stamps.append(jit.compiled(make_adder(1), framework=tree_digest(file.parent))._cache._stamp())

    assert stamps[0] == stamps[1] != stamps[2]


def damaged(raw: bytes) -> list[bytes]:
    """A file's content, spoilt in several ways."""
    middle = len(raw) // 2
    return [raw[:middle], b"", raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :], b"not a cache"]


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    jit.set_cache_folder(tmp_path / "cache")
    yield tmp_path / "cache"
    jit.set_cache_folder(None)


def make_adder(term: Any) -> Any:
    def add(x):
        return x + term

    return jit.compiled(add)


def hits_of(adder: Any) -> int:
    adder(1)
    return sum(adder.stats.cache_hits.values())


@pytest.mark.parametrize("kind", range(4))
def test_a_damaged_file_is_compiled_again(kind: int, cache: Path) -> None:
    assert make_adder(31)(1) == 32
    [file] = cache.rglob("*.bin")
    file.write_bytes(damaged(file.read_bytes())[kind])

    assert [hits_of(make_adder(31)) for _ in range(2)] == [0, 1]
    assert make_adder(31)(1) == 32


def test_a_folder_that_cannot_be_made_means_compiling_in_memory(cache: Path) -> None:
    # A file in the folder's place: permissions do not stop a test that runs as root.
    cache.write_text("")

    assert make_adder(32)(1) == 33
    assert hits_of(make_adder(32)) == 0


@pytest.mark.slow
def test_a_script_and_a_module_of_a_made_up_name_are_cached(project: Path) -> None:
    script = """
import importlib.util, sys
from pathlib import Path
from connectors.jit.compilation import compiled, set_cache_folder
set_cache_folder(Path(sys.argv[1]))
spec = importlib.util.spec_from_file_location("made_up_name", Path(__file__).with_name("user.py"))
module = importlib.util.module_from_spec(spec)
sys.modules["made_up_name"] = module
spec.loader.exec_module(module)
@compiled
def here(x):
    return x + module_factor
module_factor = 2
print(
    module.run(1.0) + here(1.0),
    sum(module.run.stats.cache_hits.values()) + sum(here.stats.cache_hits.values()),
    sum(module.run.stats.cache_misses.values()) + sum(here.stats.cache_misses.values()),
)
"""
    (project / "main.py").write_text(script)

    assert run(project) == (11.0, 0, 2)
    assert run(project) == (11.0, 2, 0)


def test_a_callback_is_cached(cache: Path) -> None:
    def twice(x):
        return 2 * x

    made = [jit.compiled_callback(types.int64(types.int64), twice) for _ in range(2)]

    assert [one.ctypes(4) for one in made] == [8, 8]
    assert [one.cache_hits for one in made] == [0, 1]


def test_closures_of_one_factory_do_not_take_each_others_code(cache: Path) -> None:
    adders = [make_adder(term) for term in (1, 2, 2.5)]

    assert [adder(1) for adder in adders] == [2, 3, 3.5]
    again = [make_adder(term) for term in (1, 2, 2.5)]
    assert [adder(1) for adder in again] == [2, 3, 3.5]
    assert [sum(adder.stats.cache_hits.values()) for adder in again] == [1, 1, 1]


@jit.compiled
def imag(value):
    return value.imag


@jit.compiled
def count_down(n):
    if n <= 0:
        return 0
    return count_down(n - 1)


@njit
def ping(n):
    if n <= 0:
        return 0
    return pong(n - 1)


@njit
def pong(n):
    if n <= 0:
        return 0
    return ping(n - 1)


@jit.compiled
def call_ping(n):
    return ping(n)


def test_an_attribute_that_is_named_like_the_function_is_no_recursion(cache: Path) -> None:
    assert imag(2j) == 2.0
    again = jit.compiled(imag)
    assert again(2j) == 2.0

    assert sum(again.stats.cache_hits.values()) == 1


def test_a_recursive_function_and_its_callers_are_not_cached(cache: Path) -> None:
    assert count_down(3) == 0
    assert call_ping(3) == 0

    assert list(cache.rglob("*.bin")) == []


def test_the_flags_release_the_gil_and_divide_as_python_does(cache: Path) -> None:
    divide = jit.compiled(lambda a, b: a / b)

    assert divide.targetoptions["nogil"]
    with pytest.raises(ZeroDivisionError):
        divide(1.0, 0.0)


def test_an_array_constant_that_changed_is_another_stamp(cache: Path) -> None:
    makers = [make_adder(np.array([value])) for value in (1.0, 1.0, 2.0)]

    stamps = [maker._cache._stamp() for maker in makers]

    assert stamps[0] == stamps[1] != stamps[2]


def test_a_crowded_folder_loses_its_oldest_files(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jit, "FILES_MAX", 8)
    folder = jit.cache_folder()
    folder.mkdir(parents=True)
    for age in range(8):
        (folder / f"{age}.bin").write_bytes(b"")
        os.utime(folder / f"{age}.bin", (age, age))

    make_adder(9)(1)

    left = {path.name for path in folder.iterdir()}
    assert "0.bin" not in left
    assert "1.bin" not in left
    assert "7.bin" in left


def others_may_write(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o020)


def another_users(path: Path) -> None:
    os.chown(path, 65_534, -1)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")


@pytest.mark.parametrize("change", [others_may_write, pytest.param(another_users, marks=needs_root)])
@pytest.mark.parametrize("is_folder", [True, False])
def test_files_that_others_may_have_written_are_not_executed(
    change: Callable[[Path], None],
    is_folder: bool,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert make_adder(21)(1) == 22
    [file] = cache.rglob("*.bin")
    change(file.parent if is_folder else file)
    read: list[bytes] = []
    monkeypatch.setattr(jit.pickle, "loads", read.append)
    monkeypatch.setattr(jit, "_is_noted", False)

    for _ in range(2 if is_folder else 1):  # a file is replaced by one of our own
        assert make_adder(21)(1) == 22

    assert read == []
    [line] = caplog.messages
    assert line.startswith("compiled code on the disk is not used")
    assert str(file.parent) in line


def test_files_and_folder_are_the_users_alone_whatever_the_umask(cache: Path) -> None:
    before = os.umask(0)
    try:
        make_adder(22)(1)
    finally:
        os.umask(before)

    [file] = cache.rglob("*.bin")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert hits_of(make_adder(22)) == 1


def test_code_imported_before_an_edit_is_not_taken_for_the_edited_file(tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    path.write_text("def f(x):\n    return x + 1\n")
    before = load(path)
    path.write_text("def f(x):\n    return x + 2\n")
    after = load(path)

    # Both are stamped with the new file, but the machine code would be that of different sources.
    stamps = [jit.compiled(module.f)._cache._stamp() for module in (before, after, load(path))]

    assert stamps[0] != stamps[1] == stamps[2]


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

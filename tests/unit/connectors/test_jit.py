"""The disk cache, as separate processes see it: what hits, what is compiled again, and what may not crash."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

from connectors.jit import compilation as jit

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
flags = eval(sys.argv[2])
run = compiled(user.run, **flags) if flags else user.run
result = run(1.0)
print(result, sum(run.stats.cache_hits.values()), sum(run.stats.cache_misses.values()))
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


def start(project: Path, flags: str = "{}", cache: Path | None = None, **environment: str) -> Any:
    path = os.pathsep.join((str(ROOT), str(project)))
    return subprocess.Popen(
        [sys.executable, "-B", str(project / "main.py"), str(cache or project / "cache"), flags],
        env={**os.environ, "PYTHONPATH": path, **environment},
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


def run(
    project: Path, flags: str = "{}", cache: Path | None = None, **environment: str
) -> tuple[float, int, int]:
    return finish(start(project, flags, cache, **environment))


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.slow
def test_a_second_process_loads_what_the_first_compiled(project: Path) -> None:
    assert run(project) == (8.0, 0, 1)

    assert run(project) == (8.0, 1, 0)


@pytest.mark.slow
def test_an_edit_anywhere_below_is_noticed(project: Path) -> None:
    # One after the other, for every process that starts costs a second.
    edits = [
        ("user", "* FACTOR +", "* FACTOR -", 4.0),
        ("user", "FACTOR = 3", "FACTOR = 4", 6.0),
        ("user", "[1.0, 2.0]", "[1.0, 5.0]", 3.0),
        ("user", "LATEST = 0", "LATEST = 1", 4.0),
        ("helper", "return 2 * x", "return 3 * x", 8.0),
        ("helper", "OFFSET = 0", "OFFSET = 7", 15.0),
        ("deeper", "return 0", "return 1", 19.0),
    ]
    run(project)

    for file, before, after, result in edits:
        edit(project / f"{file}.py", before, after)
        assert run(project) == (result, 0, 1), f"{file}: {after}"

    assert run(project) == (19.0, 1, 0)


@pytest.mark.slow
def test_a_constant_that_is_not_in_the_file_is_noticed(project: Path) -> None:
    edit(project / "user.py", "FACTOR = 3", "import os\nFACTOR = int(os.environ['FACTOR'])")
    assert run(project, FACTOR="3") == (8.0, 0, 1)

    assert run(project, FACTOR="4") == (10.0, 0, 1)


@pytest.mark.slow
def test_other_flags_and_settings_are_another_compilation(project: Path) -> None:
    variants: list[tuple[str, dict[str, str]]] = [
        ("{'boundscheck': True}", {}),
        ("{'fastmath': True}", {}),
        ("{'error_model': 'numpy'}", {}),
        ("{'nogil': False}", {}),
        ("{}", {"NUMBA_BOUNDSCHECK": "1"}),
        ("{}", {"NUMBA_OPT": "1"}),
    ]
    run(project)

    for flags, environment in variants:
        assert run(project, flags, **environment) == (8.0, 0, 1), f"{flags} {environment}"

    assert run(project, variants[0][0]) == (8.0, 1, 0)
    assert run(project) == (8.0, 1, 0)


@pytest.mark.slow
def test_a_changed_framework_is_noticed(project: Path, tmp_path: Path) -> None:
    framework = tmp_path / "framework"
    framework.mkdir()
    (framework / "a.py").write_text("x = 1")
    flags = f"{{'framework': [{str(framework)!r}]}}"
    assert run(project, flags)[1:] == (0, 1)
    assert run(project, flags)[1:] == (1, 0)

    (framework / "a.py").write_text("x = 2")

    assert run(project, flags)[1:] == (0, 1)


@pytest.mark.slow
def test_two_processes_may_compile_at_once(project: Path) -> None:
    both = [start(project), start(project)]

    assert [finish(process)[0] for process in both] == [8.0, 8.0]
    assert run(project) == (8.0, 1, 0)
    assert not list((project / "cache").rglob("*.part"))


def damaged(raw: bytes) -> list[bytes]:
    """A file's content, spoilt in several ways."""
    middle = len(raw) // 2
    return [raw[:middle], b"", raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :], b"not a cache"]


@pytest.mark.slow
def test_a_damaged_file_is_compiled_anew(project: Path) -> None:
    run(project)
    for kind in range(len(damaged(b"x"))):
        for path in (project / "cache").rglob("*.bin"):
            path.write_bytes(damaged(path.read_bytes())[kind])

        assert run(project) == (8.0, 0, 1), f"kind {kind}"

    assert run(project) == (8.0, 1, 0)


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_means_compiling_in_memory(project: Path) -> None:
    # A file in the folder's place: permissions do not stop a test that runs as root.
    (project / "file").write_text("")

    assert run(project, cache=project / "file") == (8.0, 0, 1)
    assert run(project, cache=project / "file") == (8.0, 0, 1)


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


@pytest.mark.slow
def test_a_callback_is_cached(project: Path) -> None:
    script = """
import sys
from pathlib import Path
from numba import types
from connectors.jit.compilation import compiled_callback, set_cache_folder
set_cache_folder(Path(sys.argv[1]))
@compiled_callback(types.int64(types.int64))
def twice(x):
    return 2 * x
print(twice.ctypes(4), twice.cache_hits, 1 - twice.cache_hits)
"""
    (project / "main.py").write_text(script)

    assert run(project) == (8.0, 0, 1)
    assert run(project) == (8.0, 1, 0)


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    jit.set_cache_folder(tmp_path / "cache")
    yield tmp_path / "cache"
    jit.set_cache_folder(None)


def make_adder(term: Any) -> Any:
    def add(x):
        return x + term

    return jit.compiled(add)


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
    assert sum(hits_of(make_adder(22)).values()) == 1


def hits_of(adder: Any) -> Any:
    adder(1)
    return adder.stats.cache_hits


def test_code_imported_before_an_edit_is_not_taken_for_the_edited_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python's own cache of bytecode does not notice an edit within a second.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
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

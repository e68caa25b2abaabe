"""Loading strategies by name, and what is said about those that cannot be loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.recording_files import clean_imports

from arb.errors import ExitCode, InputError
from arb.strategies.loader import LoadedStrategy, load_strategy
from arb.strategies.parameters import parameters_of
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.parameters import PARAMS

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Writes a Python file; modules and paths that loading leaves behind are taken away again."""

    def write_file(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    with clean_imports(tmp_path):
        yield write_file


def refusal(spec: str) -> str:
    with pytest.raises(InputError) as caught:
        load_strategy(spec)
    assert caught.value.exit_code == ExitCode.USER_INPUT
    return str(caught.value)


def test_a_function_of_a_module() -> None:
    loaded = load_strategy("arb.strategies.spread.strategy:run")
    assert loaded.function is spread.run.py_func
    assert loaded.parameters == parameters_of(PARAMS, "")
    assert loaded.source_path == Path(spread.__file__)


def test_a_function_of_a_file(write: Write) -> None:
    loaded = load_strategy(f"{write('def run(bot): return 7')}:run")
    assert loaded.function(None) == 7
    assert loaded.parameters == []
    assert len(loaded.source_sha256) == 64


def test_a_function_under_njit_is_its_python_function(write: Write) -> None:
    path = write(
        "from numba import njit\n@njit\ndef run(hbt): return 7\n@njit(cache=False)\ndef go(hbt): return 8\n"
    )
    assert load_strategy(f"{path}:run").function(None) == 7
    assert load_strategy(f"{path}:go").function(None) == 8


def test_a_relative_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write("def run(bot): return 7").parent)
    assert load_strategy("mine.py:run").function(None) == 7


def test_the_same_file_is_the_same_module(write: Write) -> None:
    path = write("def run(bot): return 7")
    assert load_strategy(f"{path}:run").function is load_strategy(f"{path}:run").function


def test_two_files_of_one_name_are_two_modules(write: Write) -> None:
    first = load_strategy(f"{write('def run(bot): return 1', 'a/mine.py')}:run")
    second = load_strategy(f"{write('def run(bot): return 2', 'b/mine.py')}:run")
    assert (first.function(None), second.function(None)) == (1, 2)


def test_a_module_beside_the_file_can_be_imported(write: Write) -> None:
    write("NUMBER = 7", "beside_strategy_helper.py")
    path = write("from beside_strategy_helper import NUMBER\ndef run(bot): return NUMBER")
    assert load_strategy(f"{path}:run").function(None) == 7


def test_a_missing_file_is_named() -> None:
    assert refusal("nowhere.py:run") == (
        "nowhere.py: no such strategy file; --strategy takes FILE.py:FUNCTION or module:function"
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").mkdir()
    assert "no such strategy file" in refusal(f"{tmp_path / 'a.py'}:run")


def test_a_missing_function_is_reported_with_those_there_are(write: Write) -> None:
    path = write("from numba import njit\nX = 1\ndef one(bot): ...\n@njit\ndef two(bot): ...\n")
    assert refusal(f"{path}:three") == f"{path}: no function 'three' in it; it has njit, one, two"
    assert "no function 'X'" in refusal(f"{path}:X")


@pytest.mark.parametrize("text", ["def run(bot):\n    yield 1", "async def run(bot):\n    return 1"])
def test_what_does_nothing_when_called_is_refused(write: Write, text: str) -> None:
    assert "does nothing when it is called" in refusal(f"{write(text)}:run")


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("def run(bot):\n    return (\n", ", line 2: SyntaxError: '(' was never closed"),
        (
            "x = 1\nimport not_a_module_at_all\n",
            ", line 2: ModuleNotFoundError: No module named 'not_a_module",
        ),
        ("from numba import not_in_numba\n", ", line 1: ImportError: cannot import name 'not_in_numba'"),
        ("x = 1\n\ny = 1 / 0\n", ", line 3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", ", line 2: SystemExit: 3"),
        ("def f(): raise ValueError('deep')\nf()\n", ", line 1: ValueError: deep"),
        ("\tx = 1\n y = 2\n", ", line 1: IndentationError: unexpected indent"),
    ],
)
def test_a_file_that_fails_to_load_is_reported_with_its_line(write: Write, text: str, reported: str) -> None:
    path = write(text)
    assert refusal(f"{path}:run").startswith(f"{path}{reported}")
    assert refusal(f"{path}:run").startswith(f"{path}{reported}"), "a second look finds no half-loaded module"


def test_a_broken_module_beside_the_file_is_reported_with_the_line_that_imports_it(write: Write) -> None:
    write("x = (\n", "broken_strategy_helper.py")
    path = write("x = 1\ny = 2\nimport broken_strategy_helper\n")
    message = refusal(f"{path}:run")
    assert message.startswith(f"{path}, line 3: SyntaxError")
    assert "broken_strategy_helper.py, line 1" in message


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\x00\xfe")
    assert str(path) in refusal(f"{path}:run")


@pytest.mark.parametrize(
    ("spec", "reported"),
    [
        ("not.a.module:run", "No module named 'not'; a file is named FILE.py:FUNCTION"),
        ("arb.strategies.spread.nothing:run", "No module named 'arb.strategies.spread.nothing'"),
        (":run", "strategy module ''"),
        ("run", "strategy module ''"),
    ],
)
def test_a_missing_module_is_reported(spec: str, reported: str) -> None:
    assert reported in refusal(spec)


def test_a_module_that_raises_is_reported(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(write("raise ValueError('no')", "raising_strategy.py").parent)
    assert refusal("raising_strategy:run") == "strategy module 'raising_strategy': ValueError: no"


@pytest.mark.parametrize(
    ("params", "reported"),
    [
        ("[1, 2]", "PARAMS must be a dict of names to numbers or booleans"),
        ("{'a': 'x'}", "PARAMS: a = 'x' is neither a number nor a boolean"),
        ("{'a': None}", "PARAMS: a = None is neither"),
        ("{1: 2}", "PARAMS: 1 is not a name"),
        ("{'two words': 2}", "PARAMS: 'two words' is not a name"),
        ("{'': 2}", "PARAMS: '' is not a name"),
        ("{'a': 2**63}", "PARAMS: a = 9223372036854775808 does not fit in 64 bits"),
        ("{'a': (1.0, 2.0)}", "PARAMS: a = (1.0, 2.0); a value for each leg is a tuple of one: (1.0,)"),
        ("{'a': ('x',)}", "PARAMS: a = 'x' is neither a number nor a boolean"),
        ("{'data.a': 2}", "PARAMS: 'data.a' is not a name"),
        ("{'a': (1.0, 'bps', '0-5', 'x')}", "PARAMS: a: '0-5' is no range; write one such as"),
        ("{'a': (1.0, 'bps', '[5, 0]', 'x')}", "PARAMS: a: '[5, 0]' is no range"),
        ("{'a': (0.0, 'bps', '(0, 5]', 'x')}", "PARAMS: a = 0.0 is not above 0 to 5 bps"),
        ("{'a': (1.0, 's', '[0, 5]', 'x')}", "PARAMS: a is in s: its name must end in _s"),
        ("{'a': (1.0, 'bps', '[0, 5]', 7)}", "PARAMS: a: unit, allowed values and meaning are texts"),
        ("{'a': ('x', '', 'y | z', 'x')}", "PARAMS: a = 'x' is none of y | z"),
    ],
)
def test_params_of_a_wrong_kind_are_refused(write: Write, params: str, reported: str) -> None:
    path = write(f"PARAMS = {params}\ndef run(bot, params): ...\n")
    assert reported in refusal(f"{path}:run")


def test_params_become_plain_numbers(write: Write) -> None:
    path = write(
        "import numpy as np\nfrom enum import IntEnum\nclass E(IntEnum):\n    A = 3\n"
        "PARAMS = {'a': np.float64(1.5), 'b': E.A, 'c': True, 'd': 2}\ndef run(bot, params): ...\n"
    )
    loaded: LoadedStrategy = load_strategy(f"{path}:run")
    defaults = {one.name: one.compiled_default() for one in loaded.parameters}
    assert defaults == {"a": 1.5, "b": 3, "c": True, "d": 2}
    assert [type(v) for v in defaults.values()] == [float, int, bool, int]

"""Loads a strategy by name: `FILE.py:FUNCTION` or `module:function`, a plain function or one under `@njit`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from arb.errors import InputError
from arb.strategies.parameters import Parameter, parameters_of
from arb.strategies.source_code import Code, code_of, imported_since

#: Calling one of these returns at once, so that a run would end normally without doing anything.
_NOT_RUN_BY_CALLING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
#: Values of a module's LEGS besides a number: legs two by two, and any number of them.
PAIRS, ANY_LEGS = "pairs", "any"
#: Files imported when a module was first loaded, by the module's name.
_imported: dict[str, list[Path]] = {}


class LoadedStrategy(NamedTuple):
    """A strategy function and the data of its module."""

    spec: str
    function: Callable[..., Any]
    #: The fields of the `params` record; empty if the module has no PARAMS.
    parameters: Sequence[Parameter]
    source_path: Path
    source_sha256: str
    #: Its file and all files that it imports.
    code: Code
    #: How many legs it trades: PAIRS, ANY_LEGS or a number.
    legs: str | int = ANY_LEGS


def load_strategy(spec: str) -> LoadedStrategy:
    """Loads the function that `spec` names. Raises InputError for a missing file or name, or a module that fails."""
    place, _, name = spec.rpartition(":")
    before = set(sys.modules)
    module = _module_of_file(Path(place)) if place.endswith(".py") else _module_of_name(place)
    function = getattr(module, name, None)
    function = getattr(function, "py_func", function)
    if not callable(function) or not hasattr(function, "__code__"):
        known = sorted(
            key
            for key, value in vars(module).items()
            if hasattr(getattr(value, "py_func", value), "__code__")
        )
        raise InputError(f"{place}: no function {name!r} in it; it has {', '.join(known) or 'none'}")
    if function.__code__.co_flags & _NOT_RUN_BY_CALLING:
        raise InputError(f"{spec}: a generator or an async function does nothing when it is called")
    path = Path(module.__file__ or "")
    code = code_of(spec, _imported.setdefault(module.__name__, imported_since(before)))
    parameters = parameters_of(getattr(module, "PARAMS", {}), place)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return LoadedStrategy(spec, function, parameters, path, sha256, code, _legs(module, place))


def _module_of_file(path: Path) -> ModuleType:
    """Loads the file as a module whose name depends only on its path.

    Compiled code is cached with its module's name and looked up by it, so the name must be the same in every process,
    and be in `sys.modules`. Modules in the file's folder can be imported, as when Python runs the file.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such strategy file; --strategy takes FILE.py:FUNCTION or module:function"
        )
    path = path.resolve()
    name = f"arb_strategy_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise InputError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script without a main guard may exit when it is imported
        del sys.modules[name]
        raise InputError(f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}") from None
    return module


def _module_of_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"strategy module {name!r}: {error}; a file is named FILE.py:FUNCTION") from None
    except (Exception, SystemExit) as error:
        raise InputError(f"strategy module {name!r}: {type(error).__name__}: {error}") from None


def _line_of(error: BaseException, path: Path) -> str:
    """The line of the file that caused an error, as `, line N`."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f", line {lines[-1]}" if lines else ""


def _legs(module: ModuleType, place: str) -> str | int:
    legs = getattr(module, "LEGS", ANY_LEGS)
    if legs not in (PAIRS, ANY_LEGS) and (type(legs) is not int or legs < 1):
        raise InputError(f'{place}: LEGS = {legs!r}; it must be "{PAIRS}", "{ANY_LEGS}" or a number of legs')
    return legs

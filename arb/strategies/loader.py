"""Loading a strategy by name: `FILE.py:FUNCTION` or `module:function`, a plain function or one under `@njit`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from arb.errors import InputError
from arb.strategies.source_code import Code, code_of, imported_since

#: Compiled, they would return at once and a run would end well with nothing done.
_NOT_RUN_BY_CALLING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
#: Whole numbers that a parameter can hold: those of the compiled code's int64.
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
#: Files that came with a module when it was loaded first, by its name.
_imported: dict[str, list[Path]] = {}


#: Of a parameter: a number, or in a tuple of one the number that each leg has.
Default = bool | int | float | tuple[bool | int | float]


class LoadedStrategy(NamedTuple):
    """A strategy function with what its module says about it."""

    spec: str
    function: Callable[..., Any]
    #: Defaults of the `params` record; empty where the module has no PARAMS.
    defaults: Mapping[str, Default]
    source_path: Path
    source_sha256: str
    #: Its file and all that it imports.
    code: Code


def load_strategy(spec: str) -> LoadedStrategy:
    """The function that `spec` names. Raises InputError for a missing file or name, or a module that fails to load."""
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
    return LoadedStrategy(
        spec, function, _defaults(module, place), path, hashlib.sha256(path.read_bytes()).hexdigest(), code
    )


def _module_of_file(path: Path) -> ModuleType:
    """The file as a module under a name that depends on its place alone.

    Compiled code is cached with the name of its module and looked up by it, so the name must be the same in every
    process, and be in `sys.modules`. Modules beside the file can be imported, as when Python runs it.
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
    except (Exception, SystemExit) as error:  # a script without a guard may well leave when it is imported
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
    """Where in the file an error arose, as `, line N`."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f", line {lines[-1]}" if lines else ""


def _defaults(module: ModuleType, place: str) -> Mapping[str, Default]:
    defaults = getattr(module, "PARAMS", {})
    if not isinstance(defaults, dict):
        raise InputError(f"{place}: PARAMS must be a dict of names to numbers or booleans")
    return {key: _default(key, value, place) for key, value in defaults.items()}


def _default(key: object, value: object, place: str) -> Default:
    """A value of PARAMS in its plain type, checked; a tuple of one is a value for each leg."""
    if not isinstance(key, str) or not key.isidentifier():
        raise InputError(f"{place}: PARAMS: {key!r} is not a name")
    if isinstance(value, tuple):
        if len(value) != 1:
            raise InputError(
                f"{place}: PARAMS: {key} = {value!r}; a value for each leg is a tuple of one: (1.0,)"
            )
        return (_number(key, value[0], place),)
    return _number(key, value, place)


def _number(key: str, value: object, place: str) -> bool | int | float:
    for kind in (bool, int, float):
        if isinstance(value, kind):
            if kind is int and not INT_MIN <= value <= INT_MAX:
                raise InputError(f"{place}: PARAMS: {key} = {value} does not fit in 64 bits")
            return kind(value)
    raise InputError(f"{place}: PARAMS: {key} = {value!r} is neither a number nor a boolean")

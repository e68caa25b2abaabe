"""Compiles functions with the project's flags and a disk cache that detects every relevant change.

Numba's own cache only checks the file of the function: after an edit of a helper in another file, a global constant, a
flag or the framework, it silently loads stale machine code. Here a compiled function carries a stamp (digest) of
everything its machine code depends on, and is compiled again when the stamp differs.

One file holds one compiled signature and a digest of its content, and is replaced atomically: several processes may
share the folder, and an incomplete file is compiled again. If the folder is not writable, code is compiled in memory.
Files are executed when loaded, so folder and files must belong to the user and be writable by nobody else; others are
not used, which is logged once. Any thread; Numba holds its own lock during compilation.

This uses Numba's private caching interface (`CompileResult._reduce` and `_rebuild`, `Dispatcher._cache`),
so pyproject.toml limits the version of Numba.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import platform
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import llvmlite.binding
import platformdirs
from numba import njit, types
from numba.core import caching, compiler, config, sigutils
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.event import trigger_event
from numba.core.serialize import dumps

from connectors.jit.dependencies import VERSIONED, Dependencies, digest_of
from connectors.jit.own_files import ForeignError, make_own_folder, read_own, write_own
from connectors.jit.turns import Turn, take_turn

log = logging.getLogger(__name__)

#: Flags of every function that the project compiles.
FLAGS = {"nogil": True, "error_model": "python"}

#: If a folder has more files, the next save deletes the oldest quarter: edits leave unused files behind.
FILES_MAX = 4_000

#: Settings of Numba that change machine code; the codegen's own key includes NUMBA_CPU_NAME and NUMBA_CPU_FEATURES.
_SETTINGS = (
    "BOUNDSCHECK",
    "OPT",
    "DEBUGINFO_DEFAULT",
    "ENABLE_AVX",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "DISABLE_INTEL_SVML",
    "FULL_TRACEBACKS",
    "LLVM_REFPRUNE_PASS",
    "LLVM_REFPRUNE_FLAGS",
    "EXTEND_VARIABLE_LIFETIMES",
)

_folder_override: Path | None = None
_is_noted = False


def compiled(function: Callable[..., Any] | None = None, *, framework: str = "", **flags: Any) -> Any:
    """`numba.njit` with the project's flags and disk cache. Use it bare or with further Numba flags.

    An already compiled function (a user's plain `@njit`) is compiled again from its Python source.

    framework: digest of code that the function depends on without naming it, such as overloads of methods (see
    `connectors.jit.dependencies.tree_digest`); a change in it causes a new compilation.
    """
    options = {**FLAGS, **flags}

    def decorate(decorated: Callable[..., Any]) -> Any:
        python_function = getattr(decorated, "py_func", decorated)
        dispatcher = njit(**options)(python_function)
        if isinstance(dispatcher, Dispatcher):  # with NUMBA_DISABLE_JIT it is the plain function
            dispatcher._cache = DiskCache(python_function, options, framework)  # type: ignore[attr-defined]
            dispatcher.compile = partial(_compile, dispatcher)  # type: ignore[method-assign]
            dispatcher.get_call_template = partial(_call_template, dispatcher)  # type: ignore[method-assign]
        return dispatcher

    return decorate if function is None else decorate(function)


def _call_template(dispatcher: Any, args: Any, kws: Any) -> Any:
    """`Dispatcher.get_call_template` for types without constants: Numba compiles a copy for every constant argument."""
    plain = tuple(types.unliteral(arg) for arg in args)
    return Dispatcher.get_call_template(
        dispatcher, plain, {name: types.unliteral(kind) for name, kind in kws.items()}
    )


def _compile(dispatcher: Any, signature: Any) -> Any:
    """`Dispatcher.compile`, while other processes that need the same signature wait."""
    with global_compiler_lock, dispatcher._cache.turns():
        return Dispatcher.compile(dispatcher, signature)


def compiled_callback(
    signature: Any,
    function: Callable[..., Any] | None = None,
    *,
    framework: str = "",
    **flags: Any,
) -> Any:
    """`numba.cfunc` with the project's disk cache: a C function, called by its `.address`."""
    options = {"error_model": FLAGS["error_model"], **flags}

    def decorate(decorated: Callable[..., Any]) -> Any:
        python_function = getattr(decorated, "py_func", decorated)
        callback = _Callback(
            python_function, sigutils.normalize_signature(signature), locals={}, options=options
        )
        callback._cache = DiskCache(  # type: ignore[attr-defined]
            python_function, {**options, "callback": True}, framework
        )
        with global_compiler_lock, callback._cache.turns():  # type: ignore[attr-defined]
            callback.compile()
        return callback

    return decorate if function is None else decorate(function)


class _Callback(CFunc):
    """A `CFunc` whose compilation is an event `numba:compile`, as that of other functions is."""

    def _compile_uncached(self) -> Any:
        with trigger_event("numba:compile", data={"dispatcher": self}):
            return super()._compile_uncached()  # type: ignore[misc]


def set_cache_folder(folder: Path | None) -> None:
    """Stores compiled code below `folder` from now on; None: the user's cache folder."""
    global _folder_override
    _folder_override = folder


def cache_folder() -> Path:
    """Folder of the compiled code for this CPU and the installed versions of Numba, LLVM, NumPy and hftbacktest."""
    root = _folder_override or platformdirs.user_cache_path("arb") / "compiled"
    return root / _machine()


def has_compiled_code() -> bool:
    """Whether anything is stored in `cache_folder`."""
    try:
        return any(cache_folder().glob("*.bin"))
    except OSError:  # a folder that may not be read
        return False


@cache
def _machine() -> str:
    cpu = llvmlite.binding.get_host_cpu_name()
    facts = [
        cpu,
        llvmlite.binding.get_host_cpu_features().flatten(),
        llvmlite.binding.get_process_triple(),
        platform.python_implementation(),
        sys.version,
        *(f"{name}={_version(name)}" for name in VERSIONED),
    ]
    return f"{cpu}-{digest_of(facts)[:16]}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


class DiskCache(caching.NullCache):  # type: ignore[misc]
    """Compiled signatures of one function on disk, with the interface that Numba's dispatcher expects.

    The stamp is computed when a signature is first requested, not when the function is decorated: only then do the
    constants and helpers defined below it in its module exist.
    """

    def __init__(self, function: Any, options: dict[str, Any], framework: str) -> None:
        self._function = function
        self._options = repr(sorted(options.items(), key=lambda item: item[0]))
        self._framework = framework
        self._turns: list[Turn] = []

    @contextmanager
    def turns(self) -> Iterator[None]:
        """Around a compilation: ends the turns that were taken in it."""
        count = len(self._turns)
        try:
            yield
        finally:
            while len(self._turns) > count:
                self._turns.pop().end()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled signature, or None if it must be compiled."""
        target_context.refresh()
        try:
            path = self._path(sig, target_context.codegen())
        except Exception:  # neither loaded nor saved, e.g. no home folder
            return None
        found = self._load(path, sig, target_context)
        if found is None and self._is_saved(sig) and (turn := self._take_turn(path)) is not None:
            self._turns.append(turn)
            if turn.has_waited:
                found = self._load(path, sig, target_context)
        return found

    def _take_turn(self, path: Path) -> Turn | None:
        try:
            return take_turn(path)
        except ForeignError as error:
            _note_once(str(error))
            return None

    def _load(self, path: Path, sig: Any, target_context: Any) -> Any:
        try:
            raw = read_own(path)
            expected, body = raw[:32], raw[32:]
            if hashlib.sha256(body).digest() != expected:
                return None
            stamp, saved_sig, payload = pickle.loads(body)
            if stamp != self._stamp() or saved_sig != sig:
                return None
            return compiler.CompileResult._rebuild(target_context, *payload)
        except ForeignError as error:
            _note_once(str(error))
            return None
        # On any fault of a file (missing, truncated, of a moved module), compile again.
        except Exception:
            return None

    def _is_saved(self, sig: Any) -> bool:
        # A type named by its address differs in every process.
        return self._function.__module__ in sys.modules and " at 0x" not in str(sig)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Writes the compiled signature; if the folder or a type does not allow it, it stays in memory."""
        if not self._is_saved(sig):
            return
        if any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals:
            return
        # A recursive function loaded from a file crashes the process when it is called (Numba 0.68).
        if _is_recursive(data, set()):
            return
        try:
            body = dumps((self._stamp(), sig, data._reduce()))
            _write(self._path(sig, data.codegen), hashlib.sha256(body).digest() + body)
        except ForeignError as error:
            _note_once(str(error))
        # A full or read-only disk, no home folder or a constant that cannot be pickled: the function is compiled all
        # the same, only not saved.
        except Exception:
            return

    def _name(self) -> str:
        # Closures of one factory and functions with other flags need separate files, so their digest is in the name; an
        # edited function replaces its file, so the source is in the stamp.
        function = self._function
        code = function.__code__
        qualname = function.__qualname__.replace("<", "").replace(">", "")
        is_nested = "<" in function.__qualname__
        variant = digest_of(
            [
                function.__module__,
                code.co_filename,
                function.__qualname__,
                str(code.co_firstlineno) if is_nested else "",
                self._options,
                repr([(name, repr(getattr(config, name, None))) for name in _SETTINGS]),
                *Dependencies(with_sources=False).closure(function),
            ]
        )
        return f"{qualname[-80:]}-{variant[:20]}"

    def _path(self, sig: Any, codegen: Any) -> Path:
        key = digest_of([str(sig), repr(codegen.magic_tuple())])
        return cache_folder() / f"{self._name()}.{key[:20]}.bin"

    def _stamp(self) -> str:
        return digest_of([*Dependencies().function(self._function), self._framework])


def _write(path: Path, content: bytes) -> None:
    make_own_folder(path.parent)
    # Replaced atomically, so that another process reads either the old file or the new one.
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        write_own(part, content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _prune(path.parent)


def _note_once(what: str) -> None:
    """Logs once per process, since a folder has many files."""
    global _is_noted
    if not _is_noted:
        _is_noted = True
        log.warning("compiled code on the disk is not used, but compiled again: %s", what)


def _prune(folder: Path) -> None:
    files = list(folder.iterdir())
    if len(files) <= FILES_MAX:
        return

    def age(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:  # another process pruned it first
            return 0.0

    for path in sorted(files, key=age)[: FILES_MAX // 4]:
        path.unlink(missing_ok=True)


def _is_recursive(compiled_one: Any, seen: set[int]) -> bool:
    """Whether a compiled signature calls itself, or a recursive function, by Numba's types of its variables.

    Names are not sufficient: an attribute with the name of a function is not a call of it.
    """
    # A saved signature has no types: it is not recursive, or it would not have been saved.
    for variable in (compiled_one.fndesc.typemap or {}).values():
        if isinstance(variable, types.RecursiveCall):
            return True
        if isinstance(variable, types.Dispatcher) and id(variable.dispatcher) not in seen:
            seen.add(id(variable.dispatcher))
            if any(_is_recursive(one, seen) for one in variable.dispatcher.overloads.values()):
                return True
    return False

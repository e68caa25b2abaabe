"""Lists and hashes the code of a run: the files that a strategy or adapter imports. Executes none of them.

The files of arb and its connectors have one common hash. Installed packages are identified by their versions. Every
other file that an import can reach from the first file has a hash of its own.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from os.path import relpath
from pathlib import Path
from typing import Any, NamedTuple

import arb
import connectors
from arb.errors import InputError

#: Folders of our own packages.
_OURS = tuple(Path(package.__file__ or "").resolve().parent for package in (arb, connectors))
#: Folders of Python's library and of installed packages.
_INSTALLED = tuple(
    dict.fromkeys(
        Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
)
_PACKAGE_FOLDERS = {"site-packages", "dist-packages"}


class Code(NamedTuple):
    """The code of one strategy or adapter.

    main: its first file. modules: hashes of the first file and all others that are neither part of arb nor installed,
    by path relative to the folder of the first; empty if the first is part of arb. packages: versions of the installed
    packages that these files import. If the first file is installed itself, all imported files of its package are
    hashed.
    """

    main: Path
    modules: dict[str, str]
    packages: dict[str, str]

    @property
    def folder(self) -> Path:
        """The folder that the modules' paths are relative to."""
        return self.main.parent

    def name_of(self, file: str) -> str:
        """The name of a source file in the manifest: its path relative to the folder of the first file.

        For a file of arb or of an installed package: its path relative to the folder that contains the package.
        """
        if not Path(file).is_absolute():  # source code without a file
            return file
        path = Path(file).resolve()
        name = Path(relpath(path, self.folder)).as_posix()
        roots = [folder.parent for folder in _OURS if path.is_relative_to(folder)]
        if is_installed(path):
            roots += [one for one in path.parents if one in _INSTALLED or one.name in _PACKAGE_FOLDERS]
        return name if name in self.modules or not roots else path.relative_to(roots[0]).as_posix()

    def as_dict(self) -> dict[str, Any]:
        """The manifest's form."""
        return {"modules": self.modules, "packages": self.packages}


def code_of(spec: str, loaded: Iterable[Path] = ()) -> Code:
    """The code behind `FILE.py:NAME` or `module:NAME`. Executes nothing.

    loaded: files known to be imported in another way. Raises InputError for a missing file.
    """
    place = spec.rpartition(":")[0]
    main = Path(place).resolve() if place.endswith(".py") else _file_of_module(place)
    if main is None or not main.is_file():
        raise InputError(
            f"{place}: no such file or module; a relative path starts from the working directory"
        )
    if is_ours(main):
        return Code(main, {}, {})
    search = [str(main.parent), *sys.path] if place.endswith(".py") else sys.path
    package = "" if place.endswith(".py") else _package_of(place, main)
    own = package.partition(".")[0]
    found: dict[Path, str] = {}
    packages: set[str] = set()
    waiting = [(main, package)]
    while waiting:
        path, package = waiting.pop()
        if path in found:
            continue
        source = _read(path)
        found[path] = hashlib.sha256(source).hexdigest()
        for name in _imported_names(source, package):
            for module, file in _files_of(name, search):
                if is_installed(file) and module.partition(".")[0] != own:
                    packages.add(module.partition(".")[0])
                elif not is_ours(file):
                    waiting.append((file, _package_of(module, file)))
    for path in loaded:
        if path not in found:
            found[path] = hashlib.sha256(_read(path)).hexdigest()
    modules = {Path(relpath(path, main.parent)).as_posix(): sha for path, sha in found.items()}
    return Code(main, dict(sorted(modules.items())), _versions(packages))


def is_ours(path: Path) -> bool:
    """Whether a file is part of arb or its connectors."""
    return any(path.is_relative_to(folder) for folder in _OURS)


def is_installed(path: Path) -> bool:
    """Whether a file is part of Python's library or of an installed package."""
    return any(path.is_relative_to(folder) for folder in _INSTALLED) or bool(
        _PACKAGE_FOLDERS & set(path.parts)
    )


def imported_since(before: Iterable[str]) -> list[Path]:
    """Files of modules imported since `sys.modules` had these names, without those of arb and installed packages."""
    known = set(before)
    files = [
        Path(file).resolve()
        for name, module in list(sys.modules.items())
        if name not in known and (file := getattr(module, "__file__", None)) is not None
    ]
    return [path for path in files if path.suffix == ".py" and not is_ours(path) and not is_installed(path)]


@functools.cache
def our_code() -> str:
    """A hash of all Python files of arb and its connectors."""
    digest = hashlib.sha256()
    for folder in _OURS:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def refuse_untrusted(spec: str, code: Code) -> None:
    """Raises InputError for code outside the installed packages and the working directory."""
    here = Path.cwd().resolve()
    for name in code.modules:
        path = (code.folder / name).resolve()
        if not (path.is_relative_to(here) or is_ours(path) or is_installed(path)):
            raise InputError(
                f"{path}: code outside of the working directory, which {spec} would execute; read it, then verify with "
                "--trust"
            )


def refuse_changed(spec: str, code: Code, then: Mapping[str, Any]) -> None:
    """Raises InputError if the code differs from the run's. then: the manifest's record of it (`as_dict`)."""
    recorded = {str(name): str(sha) for name, sha in dict(then.get("modules") or {}).items()}
    for name, sha in recorded.items():
        path = code.folder / name
        now = code.modules.get(name) or (hashlib.sha256(_read(path)).hexdigest() if path.is_file() else "")
        if now != sha:
            what = "it has changed since the run" if now else "it is gone"
            raise InputError(f"{path}: {what}: verify with the file that {spec} was run with")
    for name in code.modules:
        if name not in recorded:
            raise InputError(
                f"{(code.folder / name).resolve()}: {spec} imports it, and did not in the run: verify with the files "
                "of the run"
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _imported_names(source: bytes, package: str) -> Iterator[str]:
    """Dotted names of all modules that a source file may import, anywhere in the file."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # loading the file reports the error
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join(
                    [*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])]
                )
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _files_of(name: str, search: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """(name, file) of a module and its parent packages, as far as they are found."""
    if name.partition(".")[0] in sys.builtin_module_names:
        return
    place: Iterable[str] = search
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        spec = _spec_of(".".join(parts[:count]), place)
        if spec is None and count == 1:  # found by another finder, as for an editable install
            spec = _known_spec(parts[0])
        if spec is None:
            return
        if spec.origin is not None and spec.has_location:
            yield ".".join(parts[:count]), Path(spec.origin).resolve()
        if spec.submodule_search_locations is None:
            return
        place = list(spec.submodule_search_locations)


def _spec_of(name: str, place: Iterable[str]) -> ModuleSpec | None:
    try:
        return PathFinder.find_spec(name, list(place))
    except (ImportError, ValueError):
        return None


def _known_spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None


def _file_of_module(name: str) -> Path | None:
    return dict(_files_of(name, sys.path)).get(name)


def _package_of(module: str, file: Path) -> str:
    """The package that a module's relative imports refer to."""
    return module if file.name == "__init__.py" else module.rpartition(".")[0]


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the installed packages; modules of Python's library have none."""
    found = {}
    for name in sorted(packages):
        if name not in sys.stdlib_module_names:
            found[name] = _version(name)
    return found


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(package, [])
        return "+".join(metadata.version(name) for name in names)

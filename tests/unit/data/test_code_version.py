"""The version of the code that rows are made by: it covers all that a conversion imports, at any depth."""

from __future__ import annotations

import ast
from pathlib import Path

import arb
from arb.data.rows.code_version import SOURCES, code_version, source_files, version_of

ROOT = Path(arb.__file__).parents[1]
#: What makes rows: the conversion, and the adapters, which it is given.
MAKERS = ("arb.data.rows.convert", "connectors.binance", "connectors.bybit")


def file_of(module: str) -> Path | None:
    """The file of one of our modules or packages; None for any other name."""
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


def imported_by(module: str, found: dict[str, Path]) -> dict[str, Path]:
    """`found` with the files of a module and of all that it imports of ours."""
    path = file_of(module)
    if path is None or module in found:
        return found
    found[module] = path
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            imported_by(name, found)
    return found


def test_everything_that_a_conversion_imports_is_a_source() -> None:
    needed: dict[str, Path] = {}
    for module in MAKERS:
        imported_by(module, needed)
    # A package's own file that holds no code makes no rows.
    makes_rows = {path for path in needed.values() if len(ast.parse(path.read_text("utf-8")).body) > 1}
    assert len(makes_rows) > 30
    assert makes_rows - {path for _, path in source_files(SOURCES)} == set()


def test_every_module_counts_at_any_depth(tmp_path: Path) -> None:
    """A parser that moved into a folder of its own, and is changed there, must not find rows of the old code."""
    deep = tmp_path / "venues" / "new"
    deep.mkdir(parents=True)
    (tmp_path / "book.py").write_text("a = 1\n")
    (deep / "parser.py").write_text("b = 1\n")
    sources = {"connectors": tmp_path}
    versions = [version_of(sources)]
    (deep / "parser.py").write_text("b = 2\n")
    versions.append(version_of(sources))
    (deep / "parser.py").rename(tmp_path / "venues" / "parser.py")
    versions.append(version_of(sources))
    (tmp_path / "venues" / "notes.txt").write_text("not code\n")
    assert version_of(sources) == versions[-1]
    (tmp_path / "venues" / "parser.py").unlink()
    versions.append(version_of(sources))
    assert len(set(versions)) == len(versions)


def test_text_that_moves_from_one_file_to_the_next_counts(tmp_path: Path) -> None:
    for name, texts in (("one", ("a = 1\nb = 2\n", "")), ("two", ("a = 1\n", "b = 2\n"))):
        folder = tmp_path / name
        folder.mkdir()
        for file, text in zip(("a.py", "b.py"), texts, strict=True):
            (folder / file).write_text(text)
    assert version_of({"x": tmp_path / "one"}) != version_of({"x": tmp_path / "two"})


def test_the_version_is_that_of_the_sources() -> None:
    assert code_version() == version_of(SOURCES)
    assert len(code_version()) == 16

"""The files that a strategy imports are found without running any of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from arb.errors import InputError
from arb.strategies.source_code import code_of, imported_since, our_code, refuse_changed, refuse_untrusted


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A strategy with helpers of all kinds; every file says that it was run."""
    texts = {
        "mine.py": "import math, numpy\nimport plain\nfrom package import part\nfrom package.deep.leaf import x",
        "plain.py": "def later():\n    import lazy\n    return lazy",
        "lazy.py": "from arb.results.trades import Trade",
        "package/__init__.py": "",
        "package/part.py": "from . import sibling\nfrom .deep import *",
        "package/sibling.py": "import package.part",
        "package/deep/__init__.py": "from ..cousin import y",
        "package/deep/leaf.py": "x = 1",
        "package/cousin.py": "y = 1",
        "package/unused.py": "",
        "unused.py": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\nraise AssertionError('executed')\n")
    return tmp_path


def test_what_is_imported_anywhere_is_found_and_nothing_else(project: Path) -> None:
    code = code_of(f"{project / 'mine.py'}:run")

    assert code.folder == project
    assert list(code.modules) == [
        "lazy.py", "mine.py", "package/__init__.py", "package/cousin.py", "package/deep/__init__.py",
        "package/deep/leaf.py", "package/part.py", "package/sibling.py", "plain.py",
    ]  # fmt: skip
    assert list(code.packages) == ["numpy"]


def test_a_module_by_name_has_the_same_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(project)

    code = code_of("package.part:run")

    assert list(code.modules) == [
        "__init__.py", "cousin.py", "deep/__init__.py", "part.py", "sibling.py",
    ]  # fmt: skip


def test_our_own_strategies_have_the_hash_of_all_our_code() -> None:
    code = code_of("arb.strategies.spread.strategy:run")

    assert code.modules == code.packages == {}
    assert len(our_code()) == 64


def test_files_that_came_by_name_are_added(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(project)
    (project / "by_name.py").write_text("")
    before = set(sys.modules)
    __import__("by_name")

    code = code_of(f"{project / 'mine.py'}:run", imported_since(before))

    assert "by_name.py" in code.modules
    del sys.modules["by_name"]
    refuse_changed("mine", code_of(f"{project / 'mine.py'}:run"), code.as_dict())
    (project / "by_name.py").write_text("x = 1")
    with pytest.raises(InputError, match=r"by_name\.py: it has changed since the run"):
        refuse_changed("mine", code_of(f"{project / 'mine.py'}:run"), code.as_dict())


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("package/cousin.py", "y = 2", "it has changed since the run"),
        ("package/deep/leaf.py", None, "it is gone"),
        ("math.py", "", None),
        ("numpy.py", "", "imports it, and did not in the run"),
    ],
)
def test_a_change_anywhere_is_refused(name: str, text: str | None, reason: str | None, project: Path) -> None:
    spec = f"{project / 'mine.py'}:run"
    then = code_of(spec).as_dict()
    if text is None:
        (project / name).unlink()
    else:
        (project / name).write_text(text)

    if reason is None and name == "math.py" and "math" in sys.builtin_module_names:
        refuse_changed(spec, code_of(spec), then)  # built in: no file takes its place
        return
    with pytest.raises(InputError, match=reason or "imports it, and did not in the run"):
        refuse_changed(spec, code_of(spec), then)


def test_code_outside_of_the_working_directory_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = f"{project / 'mine.py'}:run"
    monkeypatch.chdir(project)
    refuse_untrusted(spec, code_of(spec))
    monkeypatch.chdir(project / "package")
    with pytest.raises(InputError, match="--trust"):
        refuse_untrusted(spec, code_of(spec))
    (project / "package" / "link.py").symlink_to(project / "mine.py")
    with pytest.raises(InputError, match="--trust"):
        refuse_untrusted("link.py:run", code_of("link.py:run"))

"""The files that `arb init DIR` writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import resources
from pathlib import Path

from arb.errors import InputError

#: The main file first; a venue's file per venue after it.
TEMPLATE_NAMES = ("arbitrage.toml", "binance.toml", "bybit.toml", "binance_usdm.toml", "bybit_linear.toml")


def template_text(name: str) -> str:
    """The text of one template."""
    return resources.files("arb").joinpath("templates", name).read_text(encoding="utf-8")


def template_folder() -> AbstractContextManager[Path]:
    """The folder of the templates as files, for as long as the context is open."""
    return resources.as_file(resources.files("arb").joinpath("templates"))


@contextmanager
def main_file(path: Path, *, is_sandbox: bool) -> Iterator[Path]:
    """The main file at `path`; with a sandbox the one that `arb init` would write, where there is none."""
    if is_sandbox and not path.exists():
        with template_folder() as folder:
            yield folder / TEMPLATE_NAMES[0]
    else:
        yield path


def write_templates(directory: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Writes every template into `directory`, which is made if needed, and returns the paths.

    All or nothing: raises InputError, and leaves no file behind, if one of the files exists or cannot be
    written. A file that exists is never replaced, not even one that appears meanwhile.
    """
    folder = Path(directory)
    targets = [folder / name for name in TEMPLATE_NAMES]
    present = [str(target) for target in targets if os.path.lexists(target)]
    if present:
        raise InputError(
            f"{', '.join(present)} exists already; arb init does not overwrite, name another folder"
        )
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target in targets:
            _write_new(target, template_text(target.name))
            written.append(target)
    except OSError as error:
        for target in written:
            target.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        raise InputError(f"{folder}: cannot write the configuration here: {reason}") from error
    return tuple(targets)


def _write_new(target: Path, text: str) -> None:
    """Makes `target` appear whole, or raises FileExistsError. A link, unlike a rename, does not replace."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    staged = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        staged.chmod(0o644)
        try:
            os.link(staged, target)
        except FileExistsError:
            raise
        except OSError:
            # Some file systems (exFAT, some network mounts) have no links.
            staged.rename(target)
    finally:
        staged.unlink(missing_ok=True)

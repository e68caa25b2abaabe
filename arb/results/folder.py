"""The folder of a run: created before it starts, filled under a temporary name, renamed when it is complete."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from arb.errors import InputError
from arb.files import remove_asides, write_atomically
from arb.interrupts import insist
from arb.results.evidence import FILES, MANIFEST, as_json, file_hashes, sealed


class RunFolder:
    """Writes a run's files into a temporary folder beside its own, and renames it at `publish`.

    Use as a context manager: an unpublished folder is removed. A full disk or a missing permission is an InputError
    that names the folder.
    """

    def __init__(self, path: Path, *, is_open: bool = False, is_there: bool = False) -> None:
        """Creates nothing. Entering raises InputError when the folder exists or cannot be created.

        is_open: the folder has its final name from the start and is never removed once `keep` was called: a live
        session fills it while it runs. is_there: the existing folder of such a session, which is filled further.
        """
        self.path = path
        self._is_open = is_open or is_there
        self._is_kept = is_there
        #: Parents that were created for it, innermost first; removed if nothing is published.
        self._made: list[Path] = []
        # "." and "/" have no name, and always exist.
        self._aside = (
            path if self._is_open or not path.name else path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        )
        #: Hashes of the files that were written here, by name.
        self._hashes: dict[str, str] = {}
        self._is_there = is_there
        #: Whether this object created the folder. Set before it is created: a signal may arrive right after.
        self._is_ours = False

    def __enter__(self) -> Self:
        if not self._is_there:
            try:
                self._make()
            except OSError as error:
                self._discard()
                raise InputError(
                    f"{self.path}: cannot be written: {error.strerror}; name another folder with --out"
                ) from None
            except BaseException:  # a signal: `__exit__` is not called
                self._discard()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        insist(self._discard)

    def _make(self) -> None:
        path = self.path
        if os.path.lexists(path):
            raise InputError(f"{path}: exists already; name another folder with --out")
        self._made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._is_ours = True
        try:
            self._aside.mkdir(mode=0o755)
        except OSError:  # created by another process meanwhile
            self._is_ours = False
            raise

    def _discard(self) -> None:
        """Removes what is not kept. May be called repeatedly."""
        if self._is_ours and not self._is_kept:
            shutil.rmtree(self._aside, ignore_errors=True)
        self._remove_made()

    def keep(self) -> None:
        """From now on an open folder is never removed."""
        self._is_kept = True

    def remove_asides(self) -> None:
        """Removes the temporary files of a killed process."""
        with self._naming_the_folder():
            for folder in (self._aside, *(path for path in self._aside.iterdir() if path.is_dir())):
                remove_asides(folder)

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Writes `manifest.json` with hashes of all other files of the folder and of itself. Call it last."""
        with self._naming_the_folder():
            hashes = file_hashes(self._aside, self._hashes)
        self._write(MANIFEST, sealed(as_json({**content, FILES: hashes})))

    def write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Writes a CSV file with a header line; floats in the shortest form that reads back the same."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        self._write(name, text.getvalue().encode())

    def write_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Writes the arrays as a compressed `.npz`."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        self._write(name, buffer.getvalue())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Writes a file, also one in a subfolder (`charts/a.png`)."""
        with self._naming_the_folder():
            (self._aside / name).parent.mkdir(exist_ok=True)
        self._write(name, content)

    def remove(self, *names: str) -> None:
        """Removes files, in this order, if they exist."""
        with self._naming_the_folder():
            for name in names:
                (self._aside / name).unlink(missing_ok=True)

    def publish(self) -> None:
        """Renames the folder to its final name."""
        if not self._is_open:
            with self._naming_the_folder():
                self._aside.rename(self.path)
        self._made = []

    def _remove_made(self) -> None:
        for folder in self._made:
            with contextlib.suppress(OSError):  # not created, or used by another process meanwhile
                folder.rmdir()

    def _write(self, name: str, content: bytes) -> None:
        with self._naming_the_folder():
            write_atomically(self._aside / name, content, is_synced=self._is_open)
        self._hashes[name] = hashlib.sha256(content).hexdigest()

    @contextlib.contextmanager
    def _naming_the_folder(self) -> Any:
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}") from None

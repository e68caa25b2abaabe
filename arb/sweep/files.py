"""`sweep.csv` and `sweep.parquet`: the results as a table, a row a set and period. Streams: memory is one piece."""

from __future__ import annotations

import csv
import errno
from pathlib import Path
from typing import IO, Any

from arb.config.strict import toml_of
from arb.files import staged
from arb.sweep.folder import SweepFolder
from arb.sweep.table import SetResult, read_results

#: Names in the folder of a sweep.
CSV, PARQUET = "sweep.csv", "sweep.parquet"
#: Columns before the varied keys and the figures.
_FIRST = ("set_no", "period_no", "outcome", "error")


def write_tables(folder: SweepFolder) -> None:
    """Writes both files from the results so far. Raises InputError."""
    figures = figure_names(folder.path)
    keys = [key.name for key in folder.head.keys]
    with folder.naming():
        with staged(folder.path / CSV) as file:
            _write_csv(file, folder.path, keys, figures)
        with staged(folder.path / PARQUET) as file:
            _write_parquet(file, folder.path, keys, figures)


def figure_names(folder: Path) -> list[str]:
    """The figures of all results, in the order in which they first appear."""
    return list(dict.fromkeys(name for one in read_results(folder) for name in one.figures))


def row_of(result: SetResult, keys: list[str], figures: list[str]) -> dict[str, Any]:
    """A result as a row. A figure with the name of a varied key has the prefix `figure.`."""
    return {name: _cell(value) for name, value in _values(result, keys, figures).items()}


def _values(result: SetResult, keys: list[str], figures: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(result, name) for name in _FIRST}
    row |= {name: result.values[name] for name in keys}
    row |= {column_of(name, keys): result.figures.get(name) for name in figures}
    return row


def _cell(value: Any) -> Any:
    """A truth as in TOML; a list, the value of a key, as text."""
    return toml_of(value) if isinstance(value, bool | list) else value


def column_of(figure: str, keys: list[str]) -> str:
    """The column of a figure."""
    return f"figure.{figure}" if figure in keys or figure in _FIRST else figure


def _write_csv(file: IO[bytes], folder: Path, keys: list[str], figures: list[str]) -> None:
    names = [*_FIRST, *keys, *(column_of(name, keys) for name in figures)]
    writer = csv.DictWriter(_Text(file), names, lineterminator="\n")
    writer.writeheader()
    for result in read_results(folder):
        writer.writerow(row_of(result, keys, figures))


class _Text:
    """What a CSV writer writes to."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


def _write_parquet(file: IO[bytes], folder: Path, keys: list[str], figures: list[str]) -> None:
    # Takes time to load; hftbacktest brings it.
    import polars

    table = polars.scan_csv(folder / CSV, schema=_schema(folder, keys, figures, polars))
    try:
        table.sink_parquet(file.name)
    except (
        polars.exceptions.ComputeError
    ) as error:  # its name for a disk that is full while it writes the end
        raise OSError(errno.EIO, f"{PARQUET}: {str(error).partition(chr(10))[0]}") from None


def _schema(folder: Path, keys: list[str], figures: list[str], polars: Any) -> dict[str, Any]:
    """The type of each column: whole numbers, numbers, truths or texts, by the values of all results."""
    kinds: dict[str, set[type]] = {}
    for result in read_results(folder):
        for name, value in _values(result, keys, figures).items():
            found = kinds.setdefault(name, set())
            if value is not None:
                found.add(type(value))
    kinds["error"] = {str}  # of no set, perhaps
    return {name: _type_of(found, polars) for name, found in kinds.items()}


def _type_of(kinds: set[type], polars: Any) -> Any:
    if kinds == {int}:
        return polars.Int64
    if kinds == {bool}:
        return polars.Boolean
    return polars.Float64 if kinds <= {int, float} else polars.String

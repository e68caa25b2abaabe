"""The bound of the row cache: the longest unused goes first, what is in use stays, processes do not disturb others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.recording_files import write_pair
from support.venues import VENUES

from arb.commands.run_files import prune_cache
from arb.data.catalog.days import find_recordings
from arb.data.rows.cache import RowCache, Usage, prune, usage
from arb.data.rows.convert import Feed, convert
from arb.data.rows.row_files import Conversion

ROWS = 1_000


def entry(folder: Path, key: str, used_s: int, size: int = ROWS) -> list[Path]:
    """Rows of one recording, last used then."""
    paths = [folder / name for name in (f"rows-{key}.npy", f"book-{key}.npy", f"rows-{key}.json")]
    for path, length in zip(paths, (size - 20, 10, 10), strict=True):
        path.write_bytes(bytes(length))
        os.utime(path, (used_s, used_s))
    return paths


def names(folder: Path) -> set[str]:
    return {path.name.split(".")[0].partition("-")[2] for path in folder.iterdir() if path.suffix == ".npy"}


def test_the_longest_unused_goes_first_and_only_as_much_as_must(tmp_path: Path) -> None:
    for n, key in enumerate(("c", "a", "b")):
        entry(tmp_path, key, 100 + n)
    assert usage(tmp_path) == Usage(3, 9, 3 * ROWS)
    assert prune(tmp_path, 3 * ROWS) == Usage(0, 0, 0)
    assert prune(tmp_path, 3 * ROWS - 1) == Usage(1, 3, ROWS)
    assert names(tmp_path) == {"a", "b"}
    assert prune(tmp_path, 0) == Usage(2, 6, 2 * ROWS)
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_stays_until_it_is_let_go(tmp_path: Path) -> None:
    entry(tmp_path, "a", 100)
    entry(tmp_path, "b", 200)
    with RowCache(tmp_path) as cache:
        with cache.filling():
            cache.hold(tmp_path / "rows-a.npy")
        os.utime(tmp_path / "rows-a.npy", (100, 100))
        assert prune(tmp_path, 0) == Usage(1, 3, ROWS)
        assert names(tmp_path) == {"a"}
    assert prune(tmp_path, 0) == Usage(1, 3, ROWS)


def test_holding_is_using(tmp_path: Path) -> None:
    entry(tmp_path, "a", 100)
    entry(tmp_path, "b", 200)
    with RowCache(tmp_path) as cache:
        cache.hold(tmp_path / "rows-a.npy")
    prune(tmp_path, ROWS)
    assert names(tmp_path) == {"a"}


def test_reading_a_value_is_using_it(tmp_path: Path) -> None:
    cache = RowCache(tmp_path)
    for n, key in enumerate(("scan-a", "scan-b")):
        cache.put(key, [1])
        os.utime(tmp_path / f"{key}.json", (100 + n, 100 + n))
    assert cache.get("scan-a", list[int]) == [1]
    prune(tmp_path, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["scan-a.json"]


def test_nothing_is_deleted_while_somebody_converts(tmp_path: Path) -> None:
    entry(tmp_path, "a", 100)
    with RowCache(tmp_path).filling():
        assert prune(tmp_path, 0) is None
    assert names(tmp_path) == {"a"}


def test_files_of_others_stay_and_half_written_ones_go(tmp_path: Path) -> None:
    for name in ("notes.txt", "rows.npy", "rows-x.npy", ".rows-a.npy.tmp1", ".book-0.npy.zz", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    prune(tmp_path, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "rows.npy", "rows-x.npy", ".hidden"}


def test_no_bound_deletes_nothing(tmp_path: Path) -> None:
    cache = RowCache(tmp_path)
    entry(tmp_path, "a", 100)
    prune_cache(cache, 0.0)
    assert names(tmp_path) == {"a"}
    prune_cache(cache, 1e-9)
    assert names(tmp_path) == set()


def converted(data: Path, cache: RowCache) -> Conversion:
    return convert([Feed(VENUES[r.venue], [r], 0) for r in find_recordings(data)], cache)


def test_a_conversion_keeps_its_rows_and_makes_pruned_ones_again(tmp_path: Path) -> None:
    data = write_pair(tmp_path / "data")
    with RowCache(tmp_path / "cache") as cache:
        first = converted(data, cache)
        prune(cache.directory, 0)
        assert usage(cache.directory).recordings == 2
        rows = [file.load(is_first=True)[0].copy() for (file,) in first.files]
    prune(tmp_path / "cache", 0)
    assert usage(tmp_path / "cache") == Usage(0, 0, 0)
    with RowCache(tmp_path / "cache") as cache:
        again = converted(data, cache)
    assert again.offset_ns == first.offset_ns
    for (file,), expected in zip(again.files, rows, strict=True):
        assert file.load(is_first=True)[0].tobytes() == expected.tobytes()


def test_rows_that_were_loaded_outlive_their_file(tmp_path: Path) -> None:
    data = write_pair(tmp_path / "data")
    with RowCache(tmp_path / "cache") as cache:
        conversion = converted(data, cache)
        rows = conversion.files[0][0].load(is_first=True)[0]
    prune(tmp_path / "cache", 0)
    assert rows["local_ts"].min() > 0


PROGRAM = """
import sys
from pathlib import Path
from arb.data.rows.cache import RowCache
from arb.data.catalog.days import find_recordings
from arb.data.rows.convert import Feed, convert
from arb.data.rows.cache import prune
from connectors.binance import BinanceUsdm
folder = Path(sys.argv[2])
recordings = [r for r in find_recordings(Path(sys.argv[1])) if r.venue == "binance_usdm"]
sys.stdin.readline()
for _ in range(6):
    with RowCache(folder) as cache:
        conversion = convert([Feed(BinanceUsdm(), recordings, 0)], cache)
        prune(folder, 0)
        print(hash(conversion.files[0][0].load(is_first=True)[0].tobytes()))
    prune(folder, 0)
"""


@pytest.mark.slow
def test_processes_that_convert_and_prune_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    data = write_pair(tmp_path / "data", 200)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, data, tmp_path / "cache"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    lines = [line for out, _ in results for line in out.splitlines()]
    assert (len(lines), len(set(lines))) == (12, 1)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def test_thinned_rows_are_pruned_unless_a_run_holds_them(tmp_path: Path) -> None:
    held, free = (tmp_path / f"thin-{name}.npy" for name in ("aa", "bb"))
    for path in (held, free):
        path.write_bytes(bytes(100))
    with RowCache(tmp_path) as cache:
        with cache.filling():
            cache.hold(held)
        assert prune(tmp_path, 0) == Usage(0, 1, 100)
        assert [path.exists() for path in (held, free)] == [True, False]

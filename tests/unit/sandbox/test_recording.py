"""`arb sandbox record`: files that read back whole, the same bytes again, days, and one line for bad input."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from support.command_line import arb
from support.paths import everything
from support.recording_files import command_environment
from support.simulated import LISTINGS, START_NS
from support.venues import VENUES

from arb.data.catalog.days import find_recordings
from arb.errors import ExitCode, InputError
from arb.sandbox.recording import RecordingFiles
from connectors.model import Kind
from connectors.parsing.lines import LineDecoder
from connectors.units import SECOND as S

ALL = ",".join(LISTINGS)
MIDNIGHT = 1_704_153_600 * S


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from any configuration: what `arb init` would write counts."""
    monkeypatch.chdir(tmp_path)


def record(*words: str, code: ExitCode = ExitCode.DONE) -> Result:
    return arb("sandbox", "record", *words, code=code)


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def recorded(out: Path, *words: str) -> dict[str, bytes]:
    """The files of a recording that succeeds, by name."""
    record("--out", str(out), *words)
    return contents(out)


def lines_of(content: bytes) -> list[tuple[int, bytes]]:
    lines = gzip.decompress(content).splitlines()
    assert all(len(line.partition(b" ")[0]) == 19 for line in lines)
    return [(int(line[:19]), line[20:]) for line in lines]


def test_the_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    words = ("--duration", "6s", "--venues", ALL)
    first = recorded(tmp_path / "a", "--seed", "7", *words)
    assert first == recorded(tmp_path / "b", "--seed", "7", *words)
    other = recorded(tmp_path / "c", "--seed", "8", *words)
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)


def test_every_frame_is_read_fast_in_order_and_without_a_gap(tmp_path: Path) -> None:
    out = tmp_path / "a"
    recorded(out, "--duration", "12s", "--venues", ALL, "--symbols", "BTCUSDT,ETHUSDT")
    recordings = find_recordings(out)
    assert len(recordings) == 8
    for recording in recordings:
        content = recording.path.read_bytes()
        lines = lines_of(content)
        assert [at for at, _ in lines] == sorted(at for at, _ in lines)
        assert START_NS <= lines[0][0] < lines[-1][0] < START_NS + 12 * S
        decoder = LineDecoder(VENUES[recording.venue], recording.symbol)
        kinds = [
            int(kind)
            for piece in decoder.decode([gzip.decompress(content)])
            for kind in piece.messages["kind"]
        ]
        assert decoder.slow_frames == 0
        assert len(kinds) == len(lines)
        assert kinds.count(Kind.SNAPSHOT) == 1
        assert min(kinds.count(kind) for kind in (Kind.DELTA, Kind.BBO, Kind.TRADE)) > 10
        if recording.venue.startswith("binance"):
            assert kinds[: kinds.index(Kind.SNAPSHOT)].count(Kind.DELTA) >= 2


def test_a_recording_converts_without_a_gap_across_midnight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment(tmp_path / "cache")["XDG_CACHE_HOME"])
    out, venues = tmp_path / "a", ("binance_usdm", "bybit_linear")
    words = ("--duration", "66s", "--start", "2024-01-01T23:59", "--venues", ",".join(venues), "--seed", "3")
    files = recorded(out, *words)
    for venue in venues:
        before, after = (lines_of(files[f"{venue}/btcusdt_{day}.gz"]) for day in ("20240101", "20240102"))
        assert before[-1][0] < MIDNIGHT <= after[0][0]
        assert not any(b"lastUpdateId" in frame or b'orderbook.50.BTCUSDT","type":"snapshot"' in frame
                       for _, frame in after)  # fmt: skip
    reported = arb("convert", out, "--json")
    days = [json.loads(line) for line in reported.stdout.splitlines()]
    assert [day["gaps"] for day in days] == [0] * 4
    assert [day["is_carried"] for day in days] == [False, True] * 2


def test_each_file_is_named_and_says_beside_it_that_it_is_simulated(tmp_path: Path) -> None:
    reported = record("--out", "a", "--duration", "6s", "--seed", "12", "--json")
    lines = [json.loads(line) for line in reported.stdout.splitlines()]
    assert [line["venue"] for line in lines] == ["binance_spot", "bybit_spot"]
    for line in lines:
        path = Path(line["file"])
        assert (line["day"], line["symbol"]) == ("2024-01-01", "BTCUSDT")
        assert line["bytes"] == path.stat().st_size
        assert line["frames"] == len(lines_of(path.read_bytes()))
        assert path.read_bytes().startswith(b"\x1f\x8b\x08" + bytes(5)), "a header without name and time"
        origin = path.with_suffix(".origin").read_text()
        assert origin.startswith("simulated, not a recording of any venue: arb ")
        assert " --seed 12 --duration 6s --start 2024-01-01T00:00:00 " in origin
        assert origin.count("\n") == 1
    assert len(contents(Path("a"))) == 4


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (
            ("--venues", "kraken"),
            "--venues kraken: the sandbox has no such venue; it has binance_spot, binance_usdm",
        ),
        (("--venues", "binance_spot,"), "'binance_spot,' is no list of names with commas between them"),
        (("--symbols", "XYZUSDT"), "--symbols XYZUSDT: "),
        (("--duration", "5s"), "--duration 5s: it must be from 6s to 14d"),
        (("--minutes", "3"), "--minutes: the option is --duration; write --duration 3m"),
        (("--start", "yesterday"), "'yesterday' is neither a day nor a time; write it as 2024-08-08 or"),
        (("--start", "1999-01-01"), "--start 1999-01-01T00:00:00: it must lie in the years 2002 to 2199"),
        (("--out", "file/below"), "file/below: cannot be written"),
        (("--out", "file"), "file: "),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, words: tuple[str, ...], reported: str
) -> None:
    Path("file").touch()
    result = record("--out", "new", "--duration", "6s", *words, code=ExitCode.USER_INPUT)
    assert result.stderr.startswith("error: ")
    assert reported in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file"]


@pytest.mark.parametrize(
    ("symbol", "tick", "price"),
    [
        ("SOLUSDT", "0.01", 101.5),
        ("ETHBTC", "0.00001", 2_282.0 / 42_280.0),
        # Not in the list of assets, or on coarser ticks than that price allows: 10,000 ticks.
        ("FOOUSDT", "0.001", 10.0),
        ("XRPUSDT", "0.01", 100.0),
    ],
)
def test_every_symbol_has_a_price_to_begin_with(tmp_path: Path, symbol: str, tick: str, price: float) -> None:
    arb("init", "config")
    for name in ("binance.toml", "bybit.toml"):
        with (tmp_path / "config" / name).open("a") as file:
            file.write(f'[symbols.{symbol}]\ntick_size = "{tick}"\nlot_size = "0.001"\n')
    recorded(tmp_path / "new", "--duration", "6s", "--symbols", symbol)
    for venue in ("binance_spot", "bybit_spot"):
        (path,) = (tmp_path / "new" / venue).glob("*.gz")
        decoder = LineDecoder(VENUES[venue], symbol)
        rows = np.concatenate([piece.rows for piece in decoder.decode([gzip.decompress(path.read_bytes())])])
        assert np.median(rows["px"][rows["px"] > 0.0]) == pytest.approx(price, rel=0.01)


def test_wide_dislocations_are_another_market_and_named_beside_it(tmp_path: Path) -> None:
    modest = recorded(tmp_path / "a", "--duration", "30s")
    wide = recorded(tmp_path / "b", "--duration", "30s", "--dislocations", "wide")
    assert modest.keys() == wide.keys()
    for name, content in wide.items():
        assert content != modest[name]
        assert not name.endswith(".origin") or content.endswith(b" --dislocations wide\n")


def test_nothing_is_replaced(tmp_path: Path) -> None:
    before = recorded(tmp_path / "a", "--duration", "6s")
    result = record(
        "--out", str(tmp_path / "a"), "--duration", "6s", "--seed", "99", code=ExitCode.USER_INPUT
    )
    assert "btcusdt_20240101.gz: exists already; name another folder with --out" in result.stderr
    assert before == contents(tmp_path / "a")


def write_small(out: Path, *venues: str) -> None:
    """One frame a venue, published."""
    with RecordingFiles(out, "simulated") as files:
        for venue in venues:
            files.write(LISTINGS[venue], [(START_NS, "{}")])
        files.publish()


def test_what_appears_meanwhile_is_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    taken = tmp_path / "out" / "bybit_spot" / "btcusdt_20240101.gz"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"somebody else's")
    with pytest.raises(InputError, match=r"btcusdt_20240101\.gz: exists already"):
        write_small(tmp_path / "out", "binance_spot", "bybit_spot")
    assert everything(tmp_path) == ["out", "out/bybit_spot", "out/bybit_spot/btcusdt_20240101.gz"]
    assert taken.read_bytes() == b"somebody else's"


def test_an_end_before_time_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with RecordingFiles(tmp_path / "out" / "deep", "simulated") as files:
            files.write(LISTINGS["binance_spot"], [(START_NS, "{}")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert everything(tmp_path) == []


def test_a_full_disk_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = record("--out", "new", "--duration", "6s", code=ExitCode.USER_INPUT)
    assert result.stderr == (
        "error: new: cannot be written: No space left on device; name another folder with --out\n"
    )
    assert everything(tmp_path) == []


def test_where_links_are_not_known_files_are_still_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert len(recorded(tmp_path / "a", "--duration", "6s")) == 4
    with pytest.raises(InputError, match="exists already"):
        write_small(tmp_path / "a", "binance_spot")


def test_mark_prices_are_recorded_beside_the_same_market(tmp_path: Path) -> None:
    words = ("--duration", "30s", "--venues", "binance_usdm,bybit_linear,bybit_spot")
    funding = ("--streams", "markPrice", "--funding-interval", "10s", "--funding-rate=0.0001,-0.0003")
    plain = recorded(tmp_path / "a", *words)
    marked = recorded(tmp_path / "b", *words, *funding)
    assert marked == recorded(tmp_path / "c", *words, *funding)
    for name, content in plain.items():
        if not name.endswith(".gz"):
            continue
        lines = lines_of(marked[name])
        marks = [(at, frame) for at, frame in lines if b"markPrice" in frame]
        assert [line for line in lines if line not in marks] == lines_of(content)
        if name.startswith("bybit_spot"):
            assert not marks
            continue
        venue = VENUES[name.partition("/")[0]]
        rows = np.concatenate([venue.decode(frame).rows for _, frame in marks])
        assert len(rows) >= 28
        nexts = rows["ival"][rows["ival"] > 0]
        assert set(np.diff(np.unique(nexts))) == {10 * S}
        assert (nexts > rows["exch_ts"][rows["ival"] > 0]).all()
        assert set(rows["fval"][~np.isnan(rows["fval"])]) == {0.0001, -0.0003}
    origin = next(text for name, text in marked.items() if name.endswith(".origin")).decode()
    assert "--streams markPrice --funding-interval 10s --funding-rate=0.0001,-0.0003" in origin


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--streams markPrice", "none of the venues has it"),
        ("--streams markPrice,trade", "--streams trade: no such stream; there is markPrice"),
        ("--funding-interval 10s", "give --streams markPrice"),
        ("--streams markPrice --venues binance_usdm --funding-interval 1s", "from 2s to 1d"),
        (
            "--streams markPrice --venues binance_usdm --funding-rate 0.0001,1e-4",
            "--funding-rate 1e-4: it must be",
        ),
    ],
)
def test_funding_that_cannot_be_is_refused(tmp_path: Path, words: str, reason: str) -> None:
    result = record("--out", str(tmp_path / "a"), *words.split(), code=ExitCode.USER_INPUT)
    assert reason in result.stderr

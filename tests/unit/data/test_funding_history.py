"""Downloaded funding rates and mark prices: from Binance's files to rows for the venue's side of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype
from support.archives import SYMBOL, write_archive
from support.funding_history import (
    EIGHT_HOURLY,
    MARKS_HEADER,
    Rate,
    mark_at,
    marks_text,
    midnight_ms,
    rates_text,
    write_funding,
)
from support.recording_files import depth_lines, write_recording
from support.venues import VENUES

from arb.data.archives.funding import read_funding
from arb.data.catalog.archived import ArchiveKind
from arb.data.catalog.days import Day, find_days
from arb.data.catalog.funding import FundingFiles, funding_files
from arb.data.funding import count_funding
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.funding import DayFunding
from arb.data.rows.row_files import Conversion
from arb.errors import InputError
from connectors.model import FUNDING_EVENT, Instrument, Rows

DAY, NEXT = date(2024, 1, 1), date(2024, 1, 2)
MS = 1_000_000
HOUR = 3_600_000 * MS
USDM = "binance_usdm"


def ts(day: date, hour: float) -> int:
    return midnight_ms(day) * MS + round(hour * HOUR)


def files_of(folder: Path, rates: bytes, marks: bytes, day: date = DAY) -> FundingFiles:
    return FundingFiles(SYMBOL, day, *write_funding(folder, day, rates, marks))


# The files.


@pytest.mark.parametrize("has_header", [True, False])
@pytest.mark.parametrize("unit", [1, 1000])
def test_a_funding_time_has_the_rate_of_its_month_and_the_mark_price_of_its_minute(
    tmp_path: Path, has_header: bool, unit: int
) -> None:
    header = {} if has_header else {"header": None}
    months = {DAY - timedelta(days=1): EIGHT_HOURLY, DAY: EIGHT_HOURLY, NEXT: EIGHT_HOURLY}
    files = files_of(tmp_path, rates_text(months, unit=unit, **header), marks_text(DAY, unit=unit, **header))
    rows, spans = read_funding(files)
    assert rows["exch_ts"].tolist() == rows["local_ts"].tolist() == rows["ival"].tolist()
    assert rows["exch_ts"].tolist() == [ts(DAY, hour) for hour in (0, 8, 16)]
    assert rows["fval"].tolist() == [0.0001, -0.00005, 0.00012345]
    assert rows["px"].tolist() == [mark_at(0), mark_at(480), mark_at(960)]
    assert (rows["ev"] == EXCH_EVENT | FUNDING_EVENT).all()
    assert (rows["qty"] == 0.0).all()
    assert list(spans) == [(ts(DAY, hour - 8), ts(DAY, hour)) for hour in (0, 8, 16)]


def test_intervals_that_change_leave_no_hole_and_a_missing_line_does(tmp_path: Path) -> None:
    rates = [Rate(0, "0.1"), Rate(8, "1e-4"), Rate(12, "0.1", 4), Rate(13, "0.1", 1), Rate(16, "0.1", 1)]
    _, spans = read_funding(files_of(tmp_path, rates_text({DAY: rates}), marks_text(DAY)))
    hours = [(-8, 0), (0, 8), (8, 12), (12, 13), (15, 16)]
    assert list(spans) == [(ts(DAY, begin), ts(DAY, end)) for begin, end in hours]
    assert count_funding(spans, ts(DAY, 0.5), ts(DAY, 16.5))[:2] == (6, 2)


def test_a_funding_time_without_a_mark_price_has_no_data(tmp_path: Path) -> None:
    marks = marks_text(DAY, minutes=[minute for minute in range(1440) if minute != 480])
    rows, spans = read_funding(files_of(tmp_path, rates_text({DAY: EIGHT_HOURLY}), marks))
    assert rows["ival"].tolist() == [ts(DAY, 0), ts(DAY, 16)]
    assert count_funding(spans, ts(DAY, 0.5), ts(DAY, 23)) == (2, 1, True)


@pytest.mark.parametrize(
    ("rates", "marks", "reported"),
    [
        (b"", None, "fundingRate-2024-01.zip: there is nothing in it; download it again"),
        (b"calc_time,rate\n", None, "fundingRate-2024-01.zip, line 1: no column 'funding_interval_hours'"),
        (b"1704067200000,8,x\n", None, "fundingRate-2024-01.zip, line 1: 'x' is not a decimal number"),
        (b"1704067200000,0,0.1\n", None, "fundingRate-2024-01.zip, line 1: '0' is no interval in hours"),
        (b"soon,8,0.1\n1704067200000,8\n", None, "fundingRate-2024-01.zip, line 1: no column 'calc_time'"),
        (b"1704067200000,8\n", None, "fundingRate-2024-01.zip, line 1: 2 columns, where 3 belong"),
        (b"1704067200000,8,0.1\n" * 2, None, "two rates of 2024-01-01 00:00:00 UTC; download it again"),
        (None, marks_text(NEXT), "line 2: the time 2024-01-02 00:00:00 UTC is not of 2024-01-01"),
        (None, f"{MARKS_HEADER}\n1704067200000,-1,1,1,1,0,0,0,0,0,0,0\n".encode(), "line 2: '-1' is not a decimal"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_with_file_and_line(
    tmp_path: Path, rates: bytes | None, marks: bytes | None, reported: str
) -> None:
    rates = rates_text({DAY: EIGHT_HOURLY}) if rates is None else rates
    with pytest.raises(InputError) as caught:
        read_funding(files_of(tmp_path, rates, marks_text(DAY) if marks is None else marks))
    assert reported in str(caught.value)


def test_both_files_are_needed(tmp_path: Path) -> None:
    write_touch(tmp_path, DAY, [1.0])
    (day,) = find_days(tmp_path)
    _, marks = write_funding(tmp_path, DAY, rates_text({DAY: EIGHT_HOURLY}), marks_text(DAY))
    assert funding_files(day) is not None
    # They are no days of their own.
    assert find_days(tmp_path) == [day]
    marks.unlink()
    assert funding_files(day) is None


# Among the rows of days.


def write_touch(folder: Path, day: date, hours: Sequence[float]) -> None:
    """An archive's best bid and offer at some hours of a day."""
    header = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
    rows = [
        f"{n + 1},42000.0,1.000,42000.1,{n + 1}.000,{ts(day, hour) // MS},{ts(day, hour) // MS}\n"
        for n, hour in enumerate(hours)
    ]
    write_archive(folder, "binance", USDM, ArchiveKind.TOUCH, (header + "".join(rows)).encode(), day=day)


def write_history(folder: Path, *days: date, rates: Sequence[Rate] = EIGHT_HOURLY) -> None:
    for day in days:
        write_funding(folder, day, rates_text(dict.fromkeys(days, rates)), marks_text(day))


def converted(folder: Path, *feeds: Sequence[Day]) -> Conversion:
    instrument = Instrument(USDM, SYMBOL, 0.1, 0.001)
    chosen = feeds or (find_days(folder),)
    return convert(
        [Feed(VENUES[USDM], days, 10 * MS, instrument) for days in chosen], RowCache(folder / "cache")
    )


def split(arrays: Sequence[Rows]) -> tuple[Rows, Rows]:
    """The rows of funding, and the others; after a check of the order of both sides."""
    rows = np.concatenate(arrays)
    for flag, time in ((EXCH_EVENT, "exch_ts"), (LOCAL_EVENT, "local_ts")):
        own = rows[time][rows["ev"] & np.uint64(flag) != 0]
        assert (own[1:] >= own[:-1]).all()
    is_funding = rows["ev"] & np.uint64(0xFF) == FUNDING_EVENT
    assert not (rows["ev"][is_funding] & np.uint64(LOCAL_EVENT)).any()
    return rows[is_funding], rows[~is_funding]


def test_funding_times_are_rows_of_the_venues_side_and_change_no_other_row(tmp_path: Path) -> None:
    hours = [0.001 + 0.5 * n for n in range(47)]
    for day in (DAY, NEXT):
        write_touch(tmp_path, day, [*hours, 8.0, 23.9] if day == NEXT else hours)
    plain = converted(tmp_path)
    assert [file.funding_rows for file in plain.files[0]] == [0, 0]
    write_history(tmp_path, DAY, NEXT)
    conversion = converted(tmp_path)
    funding, others = split(conversion.rows(0))
    # Before the first row there is no position, after the last one no run.
    assert funding["exch_ts"].tolist() == [ts(DAY, 8), ts(DAY, 16), ts(NEXT, 0), ts(NEXT, 8), ts(NEXT, 16)]
    assert others.tobytes() == np.concatenate(plain.rows(0)).tobytes()
    assert [file.funding_rows for file in conversion.files[0]] == [3, 3]
    spans = [span for file in conversion.files[0] for span in file.funding]
    assert count_funding(spans, ts(DAY, 0.1), ts(NEXT, 23)) == (5, 0, False)
    # Of equal times the market's rows are first: the payment is that of the position after them.
    rows = np.concatenate(conversion.rows(0))
    (at,) = np.flatnonzero((rows["ev"] == EXCH_EVENT | FUNDING_EVENT) & (rows["exch_ts"] == ts(NEXT, 8)))
    assert rows["exch_ts"][at - 1] == ts(NEXT, 8)
    assert rows["exch_ts"][at + 1] > ts(NEXT, 8)


def test_funding_times_between_recorded_days_are_passed_with_a_position(tmp_path: Path) -> None:
    for day, hour in ((DAY, 10), (NEXT, 9)):
        write_recording(tmp_path, USDM, depth_lines(20, start_ns=ts(day, hour)), day=f"{day:%Y%m%d}")
    plain = np.concatenate(converted(tmp_path).rows(0))
    write_history(tmp_path, DAY, NEXT)
    conversion = converted(tmp_path)
    funding, others = split(conversion.rows(0))
    assert funding["exch_ts"].tolist() == [ts(DAY, 16), ts(NEXT, 0), ts(NEXT, 8)]
    assert others.tobytes() == plain.tobytes()


def test_a_day_that_continues_the_book_of_the_one_before_begins_with_its_funding_time(tmp_path: Path) -> None:
    lines = depth_lines(100, start_ns=ts(NEXT, 0) - 5_050 * MS)
    later = [line for line in lines if int(line.split()[0]) >= ts(NEXT, 0)]
    write_recording(tmp_path, USDM, lines[: -len(later)], day=f"{DAY:%Y%m%d}")
    write_recording(tmp_path, USDM, later, day=f"{NEXT:%Y%m%d}")
    plain = np.concatenate(converted(tmp_path).rows(0))
    write_history(tmp_path, DAY, NEXT)
    conversion = converted(tmp_path)
    assert conversion.files[0][1].carry_path
    funding, others = split(conversion.rows(0))
    assert funding["exch_ts"].tolist() == [ts(NEXT, 0)]
    assert others.tobytes() == plain.tobytes()
    # A run of the second day alone begins with the book, and without the payment before it.
    alone = converted(tmp_path, [find_days(tmp_path)[1]])
    assert len(split(alone.rows(0))[0]) == 0


@pytest.mark.parametrize("seed", range(30))
def test_any_division_into_pieces_gives_the_same_rows(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = np.zeros(60, event_dtype)
    hours = np.sort(random.choice([0, 7.9, 8, 8.1, 12, 16, 16.2, 23], 60)[: random.integers(1, 60)])
    rows = rows[: len(hours)]
    rows["exch_ts"] = [ts(DAY, hour) for hour in hours]
    rows["local_ts"] = rows["exch_ts"] + 1
    rows["order_id"] = np.arange(len(rows))
    # Late rows are two: for the strategy alone, and for the venue's side alone.
    rows["ev"] = random.choice(
        np.array([EXCH_EVENT, LOCAL_EVENT, EXCH_EVENT | LOCAL_EVENT], np.uint64), len(rows)
    )
    files = files_of(tmp_path, rates_text({DAY: EIGHT_HOURLY}), marks_text(DAY))
    cuts = np.sort(random.integers(0, len(rows) + 1, 5))
    funding = DayFunding(files, [])
    merged = np.concatenate(list(funding.among(iter(np.split(rows, cuts)))))
    inserted, others = split([merged])
    assert others.tobytes() == rows.tobytes()
    assert inserted["exch_ts"].tolist() == [ts(DAY, hour) for hour in (0, 8, 16)]
    seen = rows["exch_ts"][rows["ev"] & np.uint64(EXCH_EVENT) != 0]
    is_seen = merged["ev"] & np.uint64(EXCH_EVENT) != 0
    for hour in (0, 8, 16):
        (at,) = np.flatnonzero((merged["exch_ts"] == ts(DAY, hour)) & (merged["ev"] & np.uint64(0xFF) != 0))
        assert np.count_nonzero(is_seen[:at]) == np.count_nonzero(seen <= ts(DAY, hour)) + (hour // 8)
    assert (merged["ev"][: funding.before] & np.uint64(0xFF) == FUNDING_EVENT).all()
    assert (merged["ev"][len(merged) - funding.after :] & np.uint64(0xFF) == FUNDING_EVENT).all()


def test_a_leg_whose_data_end_early_has_the_funding_times_up_to_the_end_of_the_run(tmp_path: Path) -> None:
    write_touch(tmp_path, DAY, [1.0, 7.0])
    write_history(tmp_path, DAY)
    (day,) = find_days(tmp_path)
    write_touch(tmp_path / "other", DAY, [1.0, 15.0])
    (other,) = find_days(tmp_path / "other")
    conversion = converted(tmp_path, [day], [other])
    assert split(conversion.rows(0))[0]["exch_ts"].tolist() == [ts(DAY, 8)]
    assert len(split(conversion.rows(1))[0]) == 0


def test_changed_files_give_new_rows_and_another_hash(tmp_path: Path) -> None:
    write_touch(tmp_path, DAY, [1.0, 9.0])
    write_history(tmp_path, DAY)
    (one,) = converted(tmp_path).files[0]
    assert len(one.raw_sha256.split("+")) == 3
    assert converted(tmp_path).files[0] == [one]
    write_history(tmp_path, DAY, rates=[Rate(8, "0.00020000")])
    conversion = converted(tmp_path)
    (other,) = conversion.files[0]
    assert other.raw_sha256 != one.raw_sha256
    assert split(conversion.rows(0))[0]["fval"].tolist() == [0.0002]


def test_a_recording_with_funding_frames_uses_no_downloaded_ones(tmp_path: Path) -> None:
    start = ts(DAY, 7.999)
    lines = depth_lines(100, start_ns=start)
    for n, next_hour in ((20, 8), (90, 16)):
        at = start + n * 100 * MS
        frame = (
            f'{{"stream":"btcusdt@markPrice@1s","data":{{"e":"markPriceUpdate","E":{at // MS},"s":"BTCUSDT",'
            f'"p":"42000.5","i":"42000.1","P":"42000","r":"0.00030000","T":{ts(DAY, next_hour) // MS}}}}}'
        )
        lines.insert(n + 2, f"{at + 50 * MS} {frame}")
    write_recording(tmp_path, USDM, lines, day=f"{DAY:%Y%m%d}")
    plain = converted(tmp_path)
    write_history(tmp_path, DAY)
    conversion = converted(tmp_path)
    assert conversion.files == plain.files
    (file,) = conversion.files[0]
    assert file.funding_rows == 2
    assert list(file.funding) == [(start + 2000 * MS, ts(DAY, 8)), (start + 9000 * MS, ts(DAY, 16))]
    funding, _ = split(conversion.rows(0))
    assert funding["fval"].tolist() == [0.0003, 0.0003]

"""How servers are asked: what their answers mean, how long they are waited for, where the key goes."""

from __future__ import annotations

import re
import socket
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.archive_downloads import LINEAR, SPOT, Place, fetched, gz, plan_of, refusal
from support.archive_server import ArchiveServer, Fault

from arb.data.download.choice import RemoteFile
from arb.data.download.client import FILE_ATTEMPTS_MAX, SMALL_ATTEMPTS_MAX

FREE = date(2024, 1, 1)
KEYED = date(2024, 1, 2)
NEVER = Fault(status=500, is_lasting=True)


@pytest.mark.parametrize("status", [408, 500])
def test_a_fault_that_passes(place: Place, touch: RemoteFile, status: int) -> None:
    place.server.head_faults[f"/{touch.path}"] = [Fault(status=status)]
    place.server.faults[f"/{touch.path}"] = [Fault(status=status)]
    fetched(place, touch)
    # Those of the sizes of files that are not there were not needed.
    assert len(place.pauses) == 2


def test_a_fault_that_lasts_is_given_up(place: Place, touch: RemoteFile) -> None:
    plan = plan_of(place, touch)
    place.server.faults[f"/{touch.path}"] = [NEVER]
    reported = refusal(lambda: place.carry_out(plan))
    assert re.fullmatch(
        rf"http\S+{touch.name}: the server answers 500 \S.*; given up after 6 attempts", reported
    )
    assert len(place.pauses) == FILE_ATTEMPTS_MAX - 1
    assert sum(place.pauses) <= 31


def test_retry_after_is_heeded(place: Place, touch: RemoteFile) -> None:
    plan = plan_of(place, touch)
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    place.server.faults[f"/{touch.path}"] = [
        Fault(status=429, headers={"Retry-After": "17"}),
        Fault(status=503, headers={"Retry-After": at}),
        Fault(status=503, headers={"Retry-After": "soon"}),
    ]
    assert place.carry_out(plan) == 1
    first, second, third = place.pauses
    assert first == 17
    assert 90 < second <= 100
    assert 2 <= third <= 4


def test_a_server_that_asks_for_an_hour_is_reported_of(place: Place, touch: RemoteFile) -> None:
    plan = plan_of(place, touch)
    place.server.faults[f"/{touch.path}"] = [Fault(status=429, headers={"Retry-After": "3600"})]
    assert "the server asks to wait 3,600 s" in refusal(lambda: place.carry_out(plan))
    assert place.pauses == []


def test_an_odd_status_is_an_error_at_once(place: Place, touch: RemoteFile) -> None:
    plan = plan_of(place, touch)
    place.server.faults[f"/{touch.path}"] = [Fault(status=418, is_lasting=True)]
    assert "the server answers 418" in refusal(lambda: place.carry_out(plan))
    assert place.pauses == []


def test_no_network_is_one_line(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    services = place.services()
    place.services = lambda: services._replace(  # type: ignore[method-assign]
        urls=dict.fromkeys(services.urls, f"http://127.0.0.1:{port}")
    )
    reported = refusal(lambda: place.plan([SPOT], [FREE]))
    assert "no connection to 127.0.0.1: " in reported
    assert "Connection refused" in reported or "Connect call failed" in reported
    assert reported.endswith(
        f"given up after {SMALL_ATTEMPTS_MAX} attempts; nothing was fetched, the same command tries again"
    )
    assert not place.directory.exists()


def test_redirects_are_followed_and_the_key_stays_behind(place: Place) -> None:
    (file,) = place.serve(SPOT, KEYED, "tardis", kinds="book")
    place.key = place.server.key
    with ArchiveServer() as other:
        other.files = place.server.files
        target = {"Location": f"{other.url}/{file.path}"}
        for faults in (place.server.faults, place.server.head_faults):
            faults[f"/{file.path}"] = [Fault(status=302, headers=target, is_lasting=True)]
        fetched(place, file)
        assert [method for method, _, _ in other.requests] == ["HEAD", "GET"]
        assert not any("authorization" in headers for _, _, headers in other.requests)
    sent = [
        headers.get("authorization") for _, path, headers in place.server.requests if path == f"/{file.path}"
    ]
    assert set(sent) == {f"Bearer {place.server.key}"}


def test_a_redirect_on_the_same_server_may_be_relative(place: Place, book: RemoteFile) -> None:
    place.server.put("/elsewhere", place.content(book))
    for faults in (place.server.faults, place.server.head_faults):
        faults[f"/{book.path}"] = [Fault(status=307, headers={"Location": "/elsewhere"}, is_lasting=True)]
    fetched(place, book)


@pytest.mark.parametrize("target", ["http://example.com/a.zip", ""])
def test_redirects_out_of_tls_or_to_nowhere_are_refused(place: Place, book: RemoteFile, target: str) -> None:
    place.server.head_faults[f"/{book.path}"] = [Fault(status=301, headers={"Location": target})]
    assert f"redirected to {target!r}, which is not followed" in refusal(lambda: plan_of(place, book))


def test_a_circle_of_redirects_ends(place: Place, book: RemoteFile) -> None:
    there = {"Location": f"/{book.path}"}
    place.server.head_faults[f"/{book.path}"] = [Fault(status=302, headers=there, is_lasting=True)]
    assert "redirected more than 5 times" in refusal(lambda: plan_of(place, book))


def test_the_key_goes_to_tardis_alone(place: Place) -> None:
    place.key = place.server.key
    place.server.needs_key = lambda path: path.startswith("/v1/")
    place.serve(SPOT, KEYED, "tardis")
    place.serve(LINEAR, KEYED, "bybit")
    assert place.carry_out(place.plan([SPOT], [KEYED])) == 3
    assert place.carry_out(place.plan([LINEAR], [KEYED], "bybit")) == 2
    for _, path, headers in place.server.requests:
        assert ("authorization" in headers) == path.startswith("/v1/")


def test_a_refused_key_names_the_variable_and_not_the_key(place: Place) -> None:
    place.serve(SPOT, KEYED, "tardis")
    place.server.needs_key = lambda path: True
    place.key = "TD.wrong-one"
    reported = refusal(lambda: place.plan([SPOT], [KEYED]))
    assert reported.startswith("binance_spot:BTCUSDT 2024-01-02: tardis refuses v1/binance/")
    assert "does not accept the key in TARDIS_API_KEY" in reported
    assert "wrong-one" not in reported


def test_a_day_that_should_be_free_and_is_not_names_the_variable(place: Place) -> None:
    place.serve(SPOT, FREE, "tardis")
    place.server.needs_key = lambda path: True
    reported = refusal(lambda: place.plan([SPOT], [FREE]))
    assert "(401 Unauthorized); set the environment variable TARDIS_API_KEY to a key of Tardis" in reported


def test_a_venue_that_forbids_a_file_counts_as_not_having_it(place: Place) -> None:
    place.serve(LINEAR, KEYED, "bybit")
    trades = "/trading/BTCUSDT/BTCUSDT2024-01-02.csv.gz"
    place.server.head_faults[trades] = [Fault(status=403, is_lasting=True)]
    assert place.plan([LINEAR], [KEYED]).choices[0].holds == "order book"


def test_a_venue_that_forbids_after_the_plan_says_so(place: Place, book: RemoteFile) -> None:
    plan = plan_of(place, book)
    place.server.faults[f"/{book.path}"] = [Fault(status=403)]
    reported = refusal(lambda: place.carry_out(plan))
    assert "bybit refuses orderbook/linear/" in reported
    assert "it may not serve the country" in reported


def test_a_server_without_head_tells_the_size_by_a_range(place: Place, book: RemoteFile) -> None:
    place.server.head_faults[f"/{book.path}"] = [Fault(status=405, is_lasting=True)]
    assert plan_of(place, book).bytes_to_come == len(place.content(book))


@pytest.mark.parametrize("parallel", [1, 3])
def test_so_many_at_a_time_and_no_more(place: Place, parallel: int) -> None:
    days = [KEYED + timedelta(days=n) for n in range(6)]
    for day in days:
        place.serve(LINEAR, day, "bybit", 20_000)
    place.parallel = parallel
    plan = place.plan([LINEAR], days)
    place.server.gather = parallel
    assert place.carry_out(plan) == 12
    assert place.server.most_at_once == parallel


def test_gzip_files_stay_as_they_are_where_a_server_calls_that_an_encoding(place: Place) -> None:
    (file,) = place.serve(LINEAR, KEYED, "bybit", kinds="trades")
    content = gz(5_000)
    place.server.put(f"/{file.path}", content)
    headers = {"Content-Encoding": "gzip"}
    place.server.faults[f"/{file.path}"] = [Fault(status=200, headers=headers, body=content)]
    fetched(place, file)


def test_a_size_of_nothing_is_no_answer(place: Place, book: RemoteFile) -> None:
    place.server.head_faults[f"/{book.path}"] = [Fault(status=200, is_lasting=True)]
    assert plan_of(place, book).bytes_to_come == len(place.content(book))


def test_a_server_that_hides_the_length(place: Place, book: RemoteFile) -> None:
    hides = Fault(hides_length=True, ignores_range=True, is_lasting=True)
    for faults in (place.server.faults, place.server.head_faults):
        faults[f"/{book.path}"] = [hides]
    plan = plan_of(place, book)
    assert (plan.bytes_to_come, plan.unknown_sizes) == (0, 1)
    assert plan.needs_consent(1e12)
    assert place.carry_out(plan) == 1
    assert place.path(book).read_bytes() == place.content(book)


def test_a_cut_of_unknown_length_is_found_by_the_proof(place: Place, book: RemoteFile) -> None:
    cut = Fault(hides_length=True, cut_after=200_000)
    plan = plan_of(place, book)
    (state,) = plan.states.values()
    plan = plan._replace(states={book: state._replace(size=None)})
    place.server.faults[f"/{book.path}"] = [cut]
    assert place.carry_out(plan) == 1
    assert place.path(book).read_bytes() == place.content(book)
    assert place.server.gets(f"/{book.path}") == 2

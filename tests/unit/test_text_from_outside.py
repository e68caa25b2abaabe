"""Text of venues and files that reaches a person, a log or the report: no control character, no forged line."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.cli_tables import session_view
from support.finished_runs import small_run

from arb.cli.doctor import check_table
from arb.cli.options import CommandGroup, echo, echo_json
from arb.cli.record_view import JsonView, LineView, progress_table, silences
from arb.cli.recordings import _show
from arb.cli.session_view import session_screen
from arb.commands.checks import Check, Level
from arb.commands.record import Line, Progress, refusal_text
from arb.data.recordings.journal import DayKey
from arb.data.recordings.recorder import RecorderState
from arb.data.recordings.sidecar import Sidecar, read_events
from arb.errors import InputError
from arb.report.charts import charts_of
from arb.report.html import page
from arb.report.terminal import summary_view
from arb.runtime.display import write_error
from arb.runtime.output import SessionOutput
from arb.runtime.view import EventLine
from connectors.feed.status import FeedStatus, InstrumentState
from connectors.text import json_line, one_line, printable

EVIL = (
    "\x1b]0;PWNED\x07\x1b[2J\x1b[31mEVIL\r\x9b31m\u202e\u2066\u200b\u2028\x85\x00\x7f[red]\n"
    "FAKE LINE 2026-01-01 synced"
)
#: What a terminal obeys, or what changes the order of what is read, or begins a line.
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]|^FAKE", re.MULTILINE)


def is_clean(text: str) -> bool:
    """Whether `text` has EVIL's words, escaped."""
    return "EVIL" in text and BAD.search(text) is None


def drawn(thing: Any) -> str:
    """What a terminal without colours would get."""
    out = io.StringIO()
    Console(file=out, width=400, color_system=None).print(thing)
    return out.getvalue()


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    assert printable(text).isprintable()
    assert one_line(text).isprintable()
    line = json_line({"text": text})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"text": text}


def test_printable_text_stays_as_it_is() -> None:
    assert printable("Größe  500 µs") == one_line("Größe\t500\nµs").replace(" 500", "  500")


def run(body: Any) -> Any:
    @click.group(cls=CommandGroup)
    def group() -> None: ...

    @group.command()
    def work() -> None:
        body()

    return CliRunner().invoke(group, ["work"], prog_name="arb")


def raising(error: Exception) -> Any:
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize("error", [InputError(EVIL), ValueError(EVIL)])
def test_errors_of_commands(error: Exception) -> None:
    reported = run(raising(error)).stderr
    assert is_clean(reported)
    assert re.search(r"^error: .*\\x1b\]0;PWNED", reported, re.MULTILINE)


def test_lines_of_standard_output() -> None:
    assert is_clean(run(lambda: echo(EVIL)).stdout)
    reported = run(lambda: echo_json({"text": EVIL})).stdout
    assert is_clean(reported)
    assert json.loads(reported) == {"text": EVIL}


def test_lines_of_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    write_error(EVIL)
    reported = capsys.readouterr().err
    assert is_clean(reported)
    assert reported.count("\n") == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_the_log_of_a_session(tmp_path: Path, *, as_json: bool) -> None:
    echoed: list[str] = []
    with SessionOutput(tmp_path / "log.txt", as_json=as_json, echo=echoed.append) as log:
        log.event("error", EVIL)
        logging.getLogger("library").warning("%s", EVIL)
    written = (tmp_path / "log.txt").read_text()
    assert is_clean(echoed[0])
    assert is_clean(written)
    assert written.count("\n") == 2
    if as_json:
        assert all(json.loads(line)["time"] for line in written.splitlines())


def progress(*, is_refused: bool) -> Progress:
    state = InstrumentState("BTCUSDT", FeedStatus.DOWN, 0.0, 0.0, 0.0, 0, 0, -1, 0, 0, ())
    line = Line("bybit_spot", state, EVIL, {"publicTrade.BTCUSDT": EVIL} if is_refused else {})
    return Progress(10**18, 60.0, (line,), RecorderState(0, 0, 0, 0, 0, None))


@pytest.mark.parametrize("is_refused", [False, True])
def test_what_arb_record_shows(*, is_refused: bool) -> None:
    moment = progress(is_refused=is_refused)
    assert is_clean(run(lambda: LineView().show(moment)).stdout)
    reported = run(lambda: JsonView().show(moment)).stdout
    assert is_clean(reported)
    assert json.loads(reported)["instruments"][0]["problem"] == EVIL
    assert is_clean(drawn(progress_table(moment)))


def test_the_last_lines_of_arb_record(capsys: pytest.CaptureFixture[str]) -> None:
    for text in (*silences(progress(is_refused=False)), refusal_text(progress(is_refused=True))):
        write_error(f"warning: {text}")
        assert is_clean(capsys.readouterr().err)


def test_the_table_of_a_session() -> None:
    view = session_view()._replace(name=EVIL, events=[EventLine(0, "error", EVIL)])
    assert is_clean(drawn(session_screen(view)))


def test_the_table_of_arb_doctor() -> None:
    assert is_clean(drawn(check_table([Check(EVIL, Level.FAIL, EVIL, EVIL)])))


@pytest.mark.parametrize("as_json", [False, True])
def test_names_of_folders(*, as_json: bool) -> None:
    reported = run(lambda: _show([{"venue": EVIL, "bytes": 1}], as_json)).stdout
    assert is_clean(re.sub(r"\s*\n\s*", "", reported))


def test_the_report_of_a_run() -> None:
    shown = small_run(notes=[f"binance_spot:BTCUSDT: {EVIL}"])
    assert is_clean(page(shown, charts_of(shown)))
    assert is_clean(drawn(summary_view(shown.summary)))


def test_event_files_of_recordings(tmp_path: Path) -> None:
    key = DayKey("binance_spot", "btcusdt", "20240808")
    sidecar = Sidecar(tmp_path)
    sidecar.write(key, 1, "refused", EVIL)
    sidecar.write(key, 2, "recorder.repair", {"first": EVIL})
    sidecar.close()
    text = key.events(tmp_path).read_text()
    assert is_clean(text)
    assert text.count("\n") == 2
    assert [event.detail for event in read_events(key.events(tmp_path))] == [EVIL, {"first": EVIL}]

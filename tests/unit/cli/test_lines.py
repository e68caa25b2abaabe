"""What all commands share: errors in one line, exit codes, days, help."""

from __future__ import annotations

import signal
from typing import Any

import click
import pytest
from click.testing import CliRunner

from arb.cli import cli
from arb.cli.options import CommandGroup, Duration, ReadingProgress, Span
from arb.errors import ConfigError, ExitCode, InputError, InvariantError, StrategyError
from connectors.errors import ConnectorError


def run(error: BaseException | None = None, *words: str) -> Any:
    """A group whose one command raises."""

    @click.group(cls=CommandGroup)
    def group() -> None: ...

    @group.command()
    @click.option("--long", type=Duration())
    @click.option("--speed", type=Span(0.5, 20))
    def work(long: float | None, speed: float | None) -> None:
        if error is not None:
            raise error
        click.echo(repr(speed if long is None else long))

    return CliRunner().invoke(group, ["work", *words], prog_name="arb")


def refusal(*words: str) -> str:
    """The line with which `arb` refuses these words."""
    reported = CliRunner().invoke(cli, words, prog_name="arb")
    assert reported.exit_code == ExitCode.USER_INPUT
    assert reported.stderr.startswith("error: ")
    assert reported.stderr.count("\n") == 1
    return reported.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a\n  b\tc\n"), ExitCode.USER_INPUT, "a b c"),
        (ConfigError("not this"), ExitCode.USER_INPUT, "not this"),
        (ConnectorError("line cut"), ExitCode.USER_INPUT, "line cut"),
        (StrategyError("not this"), ExitCode.OUR_FAULT, "not this"),
        (InvariantError("not this"), ExitCode.OUR_FAULT, "not this"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
    ],
)
def test_foreseen_errors_are_one_line_and_their_code(error: BaseException, code: int, line: str) -> None:
    reported = run(error)
    assert (reported.exit_code, reported.stderr, reported.stdout) == (code, f"error: {line}\n", "")


def test_sigterm_is_130_and_what_was_begun_is_put_away() -> None:
    put_away: list[bool] = []

    @click.group(cls=CommandGroup)
    def group() -> None: ...

    @group.command()
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            put_away.append(True)

    before = signal.getsignal(signal.SIGTERM)
    reported = CliRunner().invoke(group, ["work"])
    assert (reported.exit_code, reported.stderr) == (ExitCode.INTERRUPTED, "error: interrupted\n")
    assert put_away == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_unforeseen_error_is_ours_and_keeps_its_traceback() -> None:
    reported = run(RuntimeError("what now"))
    assert reported.exit_code == ExitCode.OUR_FAULT
    assert "Traceback" in reported.stderr
    assert reported.stderr.splitlines()[-1].startswith("error: RuntimeError: what now (a fault of arb")


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        *(
            (["--long", text], f"Invalid value for '--long': {text!r} is no time; write it as 90s, 15m")
            for text in ("", "1", "h", "-1s", "0s", "0.0001d", "1 hour", "nans", "1e9s", "9999999999s")
        ),
        *(
            (["--speed", text], f"Invalid value for '--speed': {text} is not in the range 0.5<=x<=20")
            for text in ("nan", "inf", "-inf", "1e-300", "-1.0", "0.0", "1e+300", "20.01")
        ),
        (["--nights"], "No such option '--nights'"),
        (["more"], "Got unexpected extra argument (more)"),
    ],
)
def test_usage_errors_are_one_line_with_the_way_to_the_help(words: list[str], reported: str) -> None:
    result = run(None, *words)
    assert result.exit_code == ExitCode.USER_INPUT
    assert result.stderr.startswith(f"error: {reported}")
    assert result.stderr.endswith("; see arb work --help\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "text", "value"),
    [
        *(("--long", text, 90.0) for text in ("90s", "1.5m", " 90s ")),
        ("--long", "1d", 86_400.0),
        ("--long", "0.001s", 0.001),
        *(("--speed", text, float(text)) for text in ("0.5", "20", "1e1")),
    ],
)
def test_a_value_is_converted(word: str, text: str, value: object) -> None:
    assert run(None, word, text).stdout == f"{value!r}\n"
    assert word != "--long" or Duration().convert(value, None, None) == value


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e-300", "1e300", "-1", "0"])
@pytest.mark.parametrize(
    "words",
    [
        ["dry-run", "--start", "2024-08-08", "--speed"],
        ["dry-run", "--sandbox", "--duration"],
        ["dry-run", "--sandbox", "--port-base"],
        ["record", "--sandbox", "--duration"],
        ["doctor", "--sandbox", "--timeout"],
        ["data", "check", "none", "--hole"],
        ["sandbox", "record", "--out", "none", "--duration"],
        ["sandbox", "serve", "--speed"],
    ],
)
def test_numbers_that_are_no_use_are_refused(words: list[str], value: str) -> None:
    assert words[-1] in refusal(*words, value)


@pytest.mark.parametrize("value", ["1e300", "-1", str(2**63)])
@pytest.mark.parametrize("words", [["serve"], ["record", "--out", "none"]])
def test_a_seed_is_a_whole_number(words: list[str], value: str) -> None:
    assert "'--seed'" in refusal("sandbox", *words, "--seed", value)


@pytest.mark.parametrize("words", [["bogus"], ["--bogus"], ["backtest", "--start"], ["convert"]])
def test_the_command_line_itself_answers_in_one_line(words: list[str]) -> None:
    assert refusal(*words)


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["backtest", "--help"], ["data", "list", "-h"], ["--version"]]
)
def test_help_is_no_error(words: list[str]) -> None:
    reported = CliRunner().invoke(cli, words, prog_name="arb")
    assert (reported.exit_code, reported.stderr) == (0, "")
    assert "arb" in reported.stdout


@pytest.mark.parametrize("words", [[], ["data"]])
def test_a_bare_group_shows_its_help(words: list[str]) -> None:
    assert "Commands:" in CliRunner().invoke(cli, words, prog_name="arb").output


def test_reading_is_quiet_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with ReadingProgress("reading") as begin:
        begin(2_000_000)(1_000_000)
    assert capsys.readouterr() == ("", "")

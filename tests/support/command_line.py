"""`arb` in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from arb.cli import cli


def arb(*words: object, code: int | None = 0) -> Result:
    """Runs `arb` with these words; its exit code must be `code`, unless None. Unhandled exceptions are raised."""
    done = CliRunner().invoke(cli, [str(word) for word in words], prog_name="arb", catch_exceptions=False)
    assert code in (None, done.exit_code), done.output
    return done

"""`arb` in this process."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from arb.cli import cli
from arb.cli.compilation_bar import CompilationBar


def arb(*words: object, code: int | None = 0) -> Result:
    """Runs `arb` with these words; its exit code must be `code`, unless None. Unhandled exceptions are raised.

    That functions are compiled is not said: it depends on what earlier tests have compiled, and on the machine's load.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompilationBar, "_write_line", lambda bar: None)
        done = CliRunner().invoke(cli, [str(word) for word in words], prog_name="arb", catch_exceptions=False)
    assert code in (None, done.exit_code), done.output
    return done

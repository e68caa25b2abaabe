"""The whole suite: property tests draw the same examples in every run, so that a red one stays red; no network."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.internal.conjecture import providers
from support.guard.loopback_only import forbid
from support.guard.markers import REPORTS
from support.suite_secrets import SEARCH

from arb.sweep.free_memory import give_back

settings.register_profile("suite", derandomize=True, deadline=None)
# For runs in which only whether something fails counts: the smallest example that does is searched for long.
settings.register_profile("unshrunk", settings.get_profile("suite"), phases=(Phase.explicit, Phase.generate))
settings.load_profile("suite")
# Otherwise examples also have constants of all modules that were imported by then: of files that ran before.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants
forbid()
# Bytecode saves every process that a test starts, and the next run, half a second and more of compiling.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Journals and flags of sessions, also of processes that tests start, are not the user's.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="arb-data-")
atexit.register(shutil.rmtree, os.environ["XDG_DATA_HOME"], ignore_errors=True)
# Where workers, and processes that have inherited a key of a test, say so to the process that runs the suite.
if REPORTS not in os.environ:
    os.environ[REPORTS] = tempfile.mkdtemp(prefix="arb-reports-")
    atexit.register(shutil.rmtree, os.environ[REPORTS], ignore_errors=True)
SEARCH.follow_processes()
# A shell ignores Ctrl+C in what it starts in the background, and `nohup` ignores SIGHUP; processes that tests start
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """The tests themselves stay until the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Behind each file and its fixtures, what is left of them is freed and given back.

    What then still exists is modules and compiled code, which stay: no collection looks at them again. It is done when
    the values of the last test's fixtures are no longer referenced: what is garbage only later would stay for ever.
    """
    result = yield
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
        give_back()
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Searches what a test has printed and logged, and its error."""
    SEARCH.look("".join(text for _, text in report.sections) + report.longreprtext, report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Searches the files of the tests; with several processes each its own, and the first one collects."""
    reports = Path(os.environ[REPORTS])
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    factory = session.config._tmp_path_factory  # type: ignore[attr-defined]  # no public way at the end
    if worker is not None or not getattr(session.config.option, "numprocesses", None):
        SEARCH.look_through(Path(os.environ["XDG_DATA_HOME"]))
        SEARCH.look_through(factory.getbasetemp())
    if worker is not None:
        (reports / worker).write_text("\n".join(SEARCH.found))
        return
    SEARCH.found += [line for path in sorted(reports.iterdir()) for line in path.read_text().splitlines()]
    if SEARCH.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names where keys of tests were found."""
    for place in dict.fromkeys(SEARCH.found):
        terminalreporter.write_line(f"a key of the tests is in: {place}", red=True)

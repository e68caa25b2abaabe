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
from support.real_time import KEPT, PROPERTY, Failures, RealTime, select
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
_IN_REAL_TIME = RealTime()
_IN_REAL_TIME.watch()
_FAILURES = Failures()
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--again`."""
    parser.addoption(
        "--again",
        action="store_true",
        help="only the tests in real time that failed in the last run; an error where other tests failed too",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--again`, leaves the tests that are to be run again."""
    if not config.getoption("again"):
        return
    if not (again := config.cache.get(KEPT, [])):  # type: ignore[union-attr]  # there unless switched off
        raise pytest.UsageError(
            "the last run has other failures than of tests in real time, or too many: see above"
        )
    config.hook.pytest_deselected(items=select(items, again))
    if len(items) != len(again):
        raise pytest.UsageError(f"of {len(again)} tests to be run again, {len(items)} were found")


def _keep(config: pytest.Config, again: list[str]) -> None:
    if hasattr(config, "cache"):  # not with `-p no:cacheprovider`
        config.cache.set(KEPT, again)  # type: ignore[union-attr]


def pytest_sessionstart(session: pytest.Session) -> None:
    """What an earlier run left to be run again counts for `--again` alone."""
    if not (session.config.getoption("again") or "PYTEST_XDIST_WORKER" in os.environ):
        _keep(session.config, [])


def pytest_collection_finish() -> None:
    """The tests themselves stay until the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()
    _IN_REAL_TIME.count = 0


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
        _IN_REAL_TIME.count = 0
        gc.collect()
        gc.freeze()
        give_back()
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> None:
    """Says of a test whether it, a fixture or a test before it in its file was in real time."""
    if _IN_REAL_TIME.count and (PROPERTY, True) not in item.user_properties:
        item.user_properties.append((PROPERTY, True))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Counts files that could not be read."""
    _FAILURES.add(report)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counts failures; searches what a test has printed and logged, and its error."""
    _FAILURES.add(report)
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
    if session.exitstatus == pytest.ExitCode.TESTS_FAILED and not (
        session.config.option.maxfail or SEARCH.found
    ):
        _keep(session.config, _FAILURES.to_repeat())
    if SEARCH.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names where keys of tests were found."""
    for place in dict.fromkeys(SEARCH.found):
        terminalreporter.write_line(f"a key of the tests is in: {place}", red=True)

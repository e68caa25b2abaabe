"""The whole suite: property tests draw the same examples in every run, so that a red one stays red; no network."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import Phase, settings
from hypothesis.internal.conjecture import providers
from support.guard.loopback_only import forbid

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
# A shell ignores Ctrl+C in what it starts in the background, and `nohup` ignores SIGHUP; processes that tests start
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
#: Gives freed memory back to the system; glibc's.
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)


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
        if _TRIM is not None:
            _TRIM(0)
    return result

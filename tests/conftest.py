"""The whole suite: property tests draw the same examples in every run, so that a red one stays red; no network."""

from __future__ import annotations

import os
import signal
import sys

from hypothesis import settings
from support.guard.loopback_only import forbid

settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")
forbid()
# Bytecode saves every process that a test starts, and the next run, half a second and more of compiling.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell ignores Ctrl+C in what it starts in the background, and `nohup` ignores SIGHUP; processes that tests start
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

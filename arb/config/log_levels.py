"""`ARB_LOG` in the environment: how much the log of a session has beside its events, and `arb watch` writes.

`info` or `debug` for all of `arb`, `MODULE=info` or `MODULE=debug` for a part of it; several are separated by commas.
Libraries keep to warnings: some of them write at `debug` what they send, keys and signatures included.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping

from arb.config.secrets import Variable
from arb.errors import ConfigError

_LEVELS = {"info": logging.INFO, "debug": logging.DEBUG}
#: The packages of this project.
_OWN = ("arb", "connectors")
_FORM = "it is info, debug or MODULE=debug; several are separated by commas"


def log_levels(environment: Mapping[str, str] | None = None) -> dict[str, int]:
    """Levels of `logging` by name of the logger; none without `ARB_LOG`. environment: replaces the process's.

    Raises ConfigError for a level or a module that does not exist.
    """
    found: dict[str, int] = {}
    for part in (Variable("${ARB_LOG}").value(environment) or "").split(","):
        name, equals, level = part.strip().rpartition("=")
        if not level and not equals:
            continue
        if level not in _LEVELS:
            raise ConfigError(f"ARB_LOG: there is no level {level!r}: {_FORM}")
        if equals and not _is_own(name):
            raise ConfigError(f"ARB_LOG: {name!r} is no module of arb, such as arb.runtime: {_FORM}")
        found |= dict.fromkeys((name,) if equals else _OWN, _LEVELS[level])
    return found


@contextlib.contextmanager
def levels_set(levels: Mapping[str, int]) -> Iterator[None]:
    """Inside the context, these loggers have these levels."""
    before = {name: logging.getLogger(name).level for name in levels}
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _is_own(name: str) -> bool:
    if name.partition(".")[0] not in _OWN:
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False

"""`arb doctor`: checks this machine, its clock and the configuration for what would prevent a recording or a run.

A check is a line: the state, and the next step if it is not OK. `arb.commands.venue_checks` checks the venues.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import shutil
import uuid
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from arb.config.venue_schema import Symbol
from arb.runtime.listings import plain, unlisted_steps
from connectors.jit.compilation import cache_folder
from connectors.model import Listing

_GB = 1e9
#: Open files per recorded instrument, per venue, and of the process itself.
_FILES_SYMBOL, _FILES_VENUE, _FILES_SELF = 4, 8, 64
#: Warns below this much free space beyond the reserve: a busy instrument fills about a gigabyte a day.
_ROOM_GB = 5.0


class Level(Enum):
    """Result of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(NamedTuple):
    """One line. `next_step` is empty if nothing needs to be done."""

    name: str
    level: Level
    text: str
    next_step: str = ""


def python_check() -> Check:
    """The interpreter, and the event loop that feeds run on."""
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if importlib.util.find_spec("uvloop") is None:
        return Check("python", Level.WARN, f"{text}, asyncio's own event loop", "pip install uvloop")
    return Check("python", Level.OK, f"{text}, uvloop")


def disk_check(directory: Path, reserve_gb: float) -> Check:
    """Whether the folder of the recordings can be written, and its free space."""
    folder = next((one for one in (directory, *directory.absolute().parents) if one.exists()), directory)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        step = "give this user the right to write there, or name another folder in [data] directory"
        return Check("disk", Level.FAIL, f"{folder} cannot be written", step)
    free_gb = shutil.disk_usage(folder).free / _GB
    text = f"{free_gb:,.1f} GB free for {directory}, of which [record] reserve_gb = {reserve_gb:g} stay free"
    if free_gb < reserve_gb:
        return Check("disk", Level.FAIL, text, "make room, or lower reserve_gb: nothing would be recorded")
    if free_gb < reserve_gb + _ROOM_GB:
        return Check("disk", Level.WARN, text, "make room: a busy instrument takes about 1 GB a day")
    return Check("disk", Level.OK, text)


def files_check(venues: int, symbols: int) -> Check:
    """Whether the limit of open files suffices for a recording of that many venues and instruments."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = _FILES_SELF + _FILES_VENUE * venues + _FILES_SYMBOL * symbols
    if limit == resource.RLIM_INFINITY or limit >= need:
        shown = "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,} may be open"
        return Check("open files", Level.OK, f"{shown}, {need} are needed")
    step = f"ulimit -n {max(1024, 2 * need)} in the shell that starts arb"
    return Check("open files", Level.FAIL, f"{limit:,} may be open, {need} are needed", step)


def compiled_check() -> Check:
    """Whether compiled code can be cached between starts."""
    folder = cache_folder()
    probe = folder / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        step = "let this user write there, or set XDG_CACHE_HOME: until then every start compiles for half a minute"
        return Check("compiled code", Level.WARN, f"{folder} cannot be written: {error.strerror}", step)
    count = sum(1 for _ in folder.iterdir())
    return Check("compiled code", Level.OK, f"{count:,} files in {folder}")


def listing_checks(name: str, file: str, symbol: Symbol, listing: Listing | None) -> list[Check]:
    """Compares the venue's listing of an instrument with its file; `name` is `venue:SYMBOL`."""
    label = name.partition(":")[2]
    if listing is None:
        step = f"take [symbols.{label}] out of {file}, or look up the venue's name for it"
        return [Check(name, Level.FAIL, "the venue does not list it", step)]
    checks = [] if listing.is_trading else [_no_trading(name)]
    for key, own, theirs, level in _filters(symbol, listing):
        if theirs and Decimal(own) != Decimal(theirs):
            step = f"set {_setting(key, theirs)} in [symbols.{label}] of {file}"
            checks.append(
                Check(name, level, f"{key} is {plain(own)} in the file, {plain(theirs)} at the venue", step)
            )
    checks += [
        Check(
            name,
            Level.WARN,
            f"the venue's listing has no {key}",
            f"compare {key} in {file} with the venue's documentation",
        )
        for key in unlisted_steps(listing)
    ]
    texts = f"tick {plain(symbol.tick_size)}, lot {plain(symbol.lot_size)}"
    return checks or [Check(name, Level.OK, f"listed, trading; {texts} and the minima as in {file}")]


def worst(checks: Sequence[Check]) -> Level:
    """The worst level among the checks."""
    levels = {check.level for check in checks}
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)


def _no_trading(name: str) -> Check:
    return Check(
        name, Level.FAIL, "listed, but not trading now", "leave it out until the venue trades it again"
    )


def _filters(symbol: Symbol, listing: Listing) -> list[tuple[str, str, str, Level]]:
    """Key, our value, the venue's, and the level of a difference: wrong steps break books and orders, minima orders."""
    min_qty = symbol.lot_size if symbol.min_qty is None else repr(symbol.min_qty)
    return [
        ("tick_size", symbol.tick_size, listing.tick_size, Level.FAIL),
        ("lot_size", symbol.lot_size, listing.lot_size, Level.FAIL),
        ("min_qty", min_qty, listing.min_qty, Level.WARN),
        ("min_notional", repr(symbol.min_notional), listing.min_notional, Level.WARN),
    ]


def _setting(key: str, value: str) -> str:
    return f'{key} = "{plain(value)}"' if key in ("tick_size", "lot_size") else f"{key} = {plain(value)}"

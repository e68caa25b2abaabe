"""`arb verify`: derives a run again from its inputs and lists every difference from its folder.

Hashes are checked first: of the manifest, of the folder's files, of the code. No code of a run is executed before that.
Then the run is replayed: a live session by `arb.commands.verify_session`, recorded days by `arb.commands.verify_days`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import hftbacktest
import numba
import numpy as np

import arb
from arb.commands.legs import legs_of, with_openings
from arb.commands.run_files import adapters_of
from arb.commands.run_setup import Setup, setup_of
from arb.commands.session_folder import finish_killed
from arb.commands.verify_days import replays_of_days
from arb.commands.verify_figures import figure_differences, simulated_differences
from arb.commands.verify_live import Proof, proofs_of_live
from arb.commands.verify_session import replay_of_session
from arb.config import Config, config_of
from arb.errors import ArbError, InputError
from arb.results.evidence import Changed, as_json, changed_files, changed_parts
from arb.results.figures.simulated import SIMULATED_FIGURES
from arb.results.figures.summary import group_of
from arb.results.reader import read_manifest, read_run
from arb.runtime.session_files import SESSION
from arb.strategies.source_code import code_of, our_code, refuse_changed, refuse_untrusted
from arb.verify.reconcile import Difference


class Verdict(Enum):
    """The result of a verification. The last two are exit code 4."""

    PROVEN = "proven"
    NOT_PROVEN = "not proven"
    """Every difference has a known cause; the run is still not proven."""
    DIFFERS = "differs"


class Replay(NamedTuple):
    """One replay of a run, and its differences."""

    engine: str
    fills: int
    differences: list[Difference]


class Verification(NamedTuple):
    """Result of `arb verify`. own: differences other than the replays'. facts: what was compared, one line each."""

    folder: Path
    own: list[Difference]
    replays: list[Replay]
    facts: list[str]
    #: Of a session whose orders venues answered.
    proofs: Sequence[Proof] = ()
    #: The figures of its orders beside the simulated exchange, by leg.
    simulated: Sequence[Mapping[str, Any]] = ()

    @property
    def differences(self) -> list[Difference]:
        parts = [one.differences for one in self.replays] + [one.differences for one in self.proofs]
        return self.own + [difference for part in parts for difference in part]

    @property
    def verdict(self) -> Verdict:
        """A difference without a known cause outweighs those with one."""
        if not self.differences:
            return Verdict.PROVEN
        return Verdict.NOT_PROVEN if all(one.cause for one in self.differences) else Verdict.DIFFERS

    @property
    def is_proven(self) -> bool:
        """Whether nothing differs."""
        return self.verdict == Verdict.PROVEN

    @property
    def causes(self) -> list[str]:
        """The causes of differences, each once."""
        return list(dict.fromkeys(one.cause for one in self.differences if one.cause))


def verify(folder: Path, data: Path | None = None, *, is_trusted: bool = True) -> Verification:
    """Replays a run and compares it. data: folder of the recorded days, instead of the one the run was given.

    is_trusted: whether a strategy or adapter outside the installed packages and the working directory may be executed.
    The folder of a killed session is first completed from its journal. Raises InputError for a folder that is not a run
    or is incomplete, or whose code has changed since or may not be executed.
    """
    finish_killed(folder)
    manifest = read_manifest(folder)
    if changed := changed_parts((folder / "manifest.json").read_bytes()):
        return _without_replay(folder, changed, "manifest.json is not what the run wrote")
    # An interrupted session with an error: its strategy was held at a call of the bot.
    if manifest["outcome"] == "hung" or (manifest["outcome"] == "interrupted" and manifest["error"]):
        raise InputError(
            f"{folder}: its strategy did not return ({manifest['error']}), and would not in a replay"
        )
    changed = changed_files(folder, manifest)
    if any(one.name == SESSION for one in changed):
        return _without_replay(folder, changed, f"{SESSION} is not what the session wrote")
    try:
        return _replayed(folder, manifest, changed, data, is_trusted=is_trusted)
    except ArbError:
        raise
    except Exception as error:
        if not changed:
            raise
        names = ", ".join(one.name for one in changed)
        raise InputError(
            f"{folder}: not what the run wrote: {names}; it cannot be replayed: {type(error).__name__}: {error}"
        ) from error


def _without_replay(folder: Path, changed: Sequence[Changed], what: str) -> Verification:
    return Verification(folder, _file_differences(changed), [], [f"{what}: nothing was executed"])


def _replayed(
    folder: Path, manifest: Mapping[str, Any], changed: list[Changed], data: Path | None, *, is_trusted: bool
) -> Verification:
    # Every file that a report needs must be readable.
    output, result = read_run(folder)
    config = with_openings(config_of(manifest["config"], str(folder / "manifest.json")), manifest)
    _check_code(config, manifest, is_trusted=is_trusted)
    setup = setup_of(config)
    legs = legs_of(config)
    versions = _version_differences(manifest, setup)
    cause = "; ".join(one.cause for one in versions)
    figures, changed = figure_differences(folder, result, changed)
    figures += _argument_differences(manifest, setup)
    proofs: list[Proof] = []
    simulated: list[dict[str, Any]] = []
    replays: list[tuple[str, list[Difference]]] = []
    if manifest["command"] == "live":
        proofs, facts, orders = proofs_of_live(folder, manifest, config, setup, legs, output)
        figures += simulated_differences(folder, output.simulated, orders)
        if not isinstance(orders, Exception):
            simulated = as_json(group_of(SIMULATED_FIGURES, replace(result, simulated=orders)))
        proofs = [one._replace(differences=_caused(one.differences, cause)) for one in proofs]
    elif "session" in manifest:
        replays, facts = replay_of_session(folder, manifest, config, setup, legs, output)
    else:
        replays, facts = replays_of_days(manifest, config, setup, legs, output, data)
    own = _file_differences(changed) + versions + _caused(figures, cause)
    return Verification(
        folder,
        own,
        [Replay(engine, len(output.trades), _caused(differences, cause)) for engine, differences in replays],
        facts,
        proofs,
        simulated,
    )


def _check_code(config: Config, manifest: Mapping[str, Any], *, is_trusted: bool) -> None:
    """Raises InputError for code that may not be executed, or differs from the run's. Executes nothing."""
    adapters = manifest.get("adapters") or {}
    code_then = {config.strategy.function: manifest["strategy"]} | {
        spec: adapters.get(spec, {}) for spec in adapters_of(config)
    }
    for spec, then in code_then.items():
        code = code_of(spec)
        if not is_trusted:
            refuse_untrusted(spec, code)
        refuse_changed(spec, code, then)


def _file_differences(changed: Iterable[Changed]) -> list[Difference]:
    return [Difference("file", one.name, 0, one.then, one.now) for one in changed]


def _version_differences(manifest: Mapping[str, Any], setup: Setup) -> list[Difference]:
    """Versions of arb and libraries that differ from the run's: this replay then proves nothing about the run."""
    ours = "the code of arb"
    then = {name: str(manifest.get(name)) for name in ("arb", "hftbacktest", "numba", "numpy")}
    then[ours] = str(manifest.get("arb_sha256"))
    now = {
        "arb": arb.__version__,
        ours: our_code(),
        "hftbacktest": hftbacktest.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
    }
    # The patch version of Python does not change results.
    then["python"] = str(manifest.get("python")).rpartition(".")[0]
    now["python"] = platform.python_version().rpartition(".")[0]
    packages = manifest["strategy"].get("packages") or {}
    then |= {str(name): str(version) for name, version in packages.items()}
    now |= {name: setup.strategy.code.packages.get(name, "none") for name in packages}
    return [
        Difference("version", name, 0, then[name], now[name], f"{name} has changed since the run")
        for name in then
        if then[name] != now[name]
    ]


def _argument_differences(manifest: Mapping[str, Any], setup: Setup) -> list[Difference]:
    """Strategy arguments that differ from the manifest's."""
    then = manifest["strategy"]
    now = {"params": setup.arguments.params, "arguments": dict(setup.arguments.numbers)}
    return [
        Difference("manifest", f"strategy.{name}", 0, str(then.get(name)), str(value))
        for name, value in now.items()
        if then.get(name) != as_json(value)
    ]


def _caused(differences: Iterable[Difference], cause: str) -> list[Difference]:
    """Adds a cause to differences that have none, except to changed inputs, which are causes themselves."""
    return [one if one.cause or one.what == "input" else one._replace(cause=cause) for one in differences]

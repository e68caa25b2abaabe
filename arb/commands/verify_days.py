"""Replays recorded days in hftbacktest's engine and in the dry-run's simulation, and compares with a run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from arb.commands.backtest import in_hftbacktest
from arb.commands.dryrun import replay_inputs
from arb.commands.measured_edges import with_edges
from arb.commands.recorded_days import Replayed, beyond_hftbacktest
from arb.commands.run_files import (
    Inputs,
    days_of_run,
    inputs_manifest,
    latency_hashes,
    limits_of,
    read_inputs,
)
from arb.commands.run_setup import Setup, ended_manifest
from arb.config import Config
from arb.data.rows.cache import RowCache
from arb.data.rows.window import Window
from arb.errors import ExitCode, InputError
from arb.leg import Leg
from arb.results.evidence import as_json
from arb.results.result import RunOutput
from arb.verify.reconcile import Difference, differences_of

#: Keys of the manifest that are not compared; notes may have other sources.
_NOT_DERIVED = ("notes",)


def replays_of_days(
    manifest: Mapping[str, Any],
    config: Config,
    setup: Setup,
    legs: Sequence[Leg],
    recorded: RunOutput,
    data: Path | None,
) -> tuple[list[tuple[str, list[Difference]]], list[str]]:
    """(engine, differences) of both replays, and what was compared. Raises InputError for an interrupted run."""
    if manifest["outcome"] == "interrupted":
        raise InputError(
            "the run was interrupted: the moment of the interruption cannot be replayed; run it again"
        )
    if data is not None:
        config = replace(config, data=msgspec.structs.replace(config.data, directory=str(data)))
    first, last = date.fromisoformat(manifest["first_day"]), date.fromisoformat(manifest["last_day"])
    days = days_of_run(config, legs, first, last)
    texts = manifest.get("window")
    window = None if texts is None else Window.of_texts(texts)
    names = [leg.name for leg in legs]
    with RowCache() as cache:
        offset_ns = int(manifest["clock_offset_ns"])
        inputs = read_inputs(config, legs, days, cache, window=window, offset_ns=offset_ns)
        changed = _changed_inputs(manifest, legs, inputs)
        is_in_ours = config.backtest.engine == "arb" or bool(beyond_hftbacktest(config, inputs))
        is_random = manifest["command"] == "backtest" and not is_in_ours
        worlds: list[tuple[str, Callable[..., Replayed]]] = [("dry-run", replay_inputs)]
        if not is_in_ours:
            # It fills in a random order, so it cannot prove a run of the other engine.
            worlds.insert(0, ("hftbacktest's engine", in_hftbacktest))
        replays = []
        for engine, replay in worlds:
            limits = limits_of(config)
            replayed = replay(config, setup, inputs, limits)
            if replayed.exit_code == ExitCode.INTERRUPTED:
                raise KeyboardInterrupt
            if recorded.edges is not None:
                replayed = with_edges(replayed, config, setup.arguments.params, inputs, replay)
            found, outcome, _, error, _ = replayed
            ended, refusals = ended_manifest(outcome, error), limits.refusals_of(inputs.legs)
            derived = inputs_manifest(config, inputs) | ended | {"refusals": refusals}
            differences = changed + _manifest_differences(manifest, derived)
            random_sums = names if is_random or engine != "dry-run" else ()
            differences += differences_of(recorded, found, random_sums=random_sums)
            replays.append((engine, differences))
    rows = sum(file.rows for files in inputs.conversion.files for file in files)
    of_days = f"{rows:,} rows of {manifest['first_day']} to {manifest['last_day']}"
    return replays, [of_days if window is None else f"{of_days}, {window.text}"]


def _manifest_differences(manifest: Mapping[str, Any], derived: Mapping[str, Any]) -> list[Difference]:
    """Where the manifest differs from what the replay would write."""
    return [
        Difference("manifest", key, 0, str(manifest.get(key)), str(value))
        for key, value in derived.items()
        if key not in _NOT_DERIVED and manifest.get(key) != as_json(value)
    ]


def _changed_inputs(manifest: Mapping[str, Any], legs: Sequence[Leg], inputs: Inputs) -> list[Difference]:
    then = {(row["leg"], row["day"]): str(row["raw_sha256"]) for row in manifest["inputs"]}
    now = {
        (leg.name, str(day.day)): file.raw_sha256
        for leg, days, files in zip(legs, inputs.days, inputs.conversion.files, strict=True)
        for day, file in zip(days, files, strict=True)
    }
    then |= {(leg, "latencies"): sha for leg, sha in manifest.get("order_latencies", {}).items()}
    now |= {(leg, "latencies"): sha for leg, sha in latency_hashes(legs).items()}
    return [
        Difference("input", f"{key[0]} {key[1]}", 0, then.get(key, "none"), now.get(key, "none"))
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]

"""Removes rules of a list one at a time, and checks that a test fails without each.

    PYTHONPATH=tests python -m tests.soak.safety_rules [--list thinning_rules] [--parts gate guard] [--rules 3 17]

Each rule is one edit of one file, made in a copy of the sources; then the tests of its part run there. The lists:
`tests/safety_rules.toml`, the safety rules of `arb live`, and `tests/thinning_rules.toml`, the conditions of thinned
rows. Exit code 4 if the tests pass without a rule, or fail with all of them. About half an hour, and ten minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.safety_rules import LISTS, Rule, read_rules

COPY = ROOT / "build" / "safety_rules"
#: What the tests need; recordings are found beside the checkout.
COPIED = (
    "arb",
    "connectors",
    "config",
    "examples",
    "tests",
    "docs",
    "pyproject.toml",
    "README.md",
    "Makefile",
)
#: Longest run of a part's tests: without a rule they may wait for ever.
LONGEST_S = 600.0


def outcome(copy: Path, tests: tuple[str, ...]) -> tuple[bool, str]:
    """Whether the tests pass, and their last line."""
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile",
        "unshrunk",
        *tests,
    ]
    environment = {**os.environ, "PYTHONPATH": f"{copy}:{copy / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            words, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"no end after {LONGEST_S:g} s"
    if done.returncode not in (0, 1):
        raise SystemExit(f"the tests cannot run: {(done.stdout + done.stderr)[-2000:]}")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return done.returncode == 0, (failed or done.stdout.strip().splitlines())[-1][:150]


def without(copy: Path, rule: Rule) -> tuple[bool, str]:
    """Removes a rule, runs its tests, and puts it back."""
    path = copy / rule.file
    whole = path.read_text()
    path.write_text(rule.removed_from(whole))
    try:
        return outcome(copy, rule.tests)
    finally:
        path.write_text(whole)


def _copied() -> Path:
    """A new copy of the sources; always the same folder, so that what was compiled there is found again."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for one in COPIED:
        source = ROOT / one
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, COPY / one)
    shared = COPY.parent / "shared"
    if (ROOT.parent / "shared").exists() and not shared.exists():
        shared.symlink_to(ROOT.parent / "shared")
    return COPY


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", choices=LISTS, default=LISTS[0])
    parser.add_argument("--parts", nargs="+")
    parser.add_argument("--rules", nargs="+", type=int, default=[])
    given = parser.parse_args()
    rules = read_rules(given.list)
    known = list(dict.fromkeys(rule.part for rule in rules))
    parts = given.parts or known
    if not set(parts) <= set(known):
        parser.error(f"--parts: {given.list} has {', '.join(known)}")
    chosen = [
        (no, rule)
        for no, rule in enumerate(rules, 1)
        if rule.part in parts and (no in given.rules or not given.rules)
    ]
    copy = _copied()
    for tests in dict.fromkeys(rule.tests for _, rule in chosen):
        passed, text = outcome(copy, tests)
        print(f"with every rule: {text}: {' '.join(tests)}", flush=True)
        if not passed:
            return 4
    survivors = 0
    for no, rule in chosen:
        begun = time.monotonic()
        passed, text = without(copy, rule)
        survivors += passed
        what = "SURVIVES" if passed else "fails"
        print(
            f"{no:3} {rule.part}: {rule.text}: {what} ({time.monotonic() - begun:.0f} s): {text}", flush=True
        )
    print(f"{len(chosen)} rules, {survivors} without a test that fails", flush=True)
    return 4 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

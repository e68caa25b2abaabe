"""The commands that pages show: in their code blocks, to be run, and within their sentences, to be looked up."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from arb.cli import cli
from support.paths import ROOT

#: What a reader can type.
_COMMAND = re.compile(r"(arb|make|python) ")


def pages() -> list[Path]:
    """README.md, the pages of docs/, without its folders, and the first hours of examples/."""
    hours = [ROOT / "examples" / name for name in ("dry_run.md", "live_rehearsal.md")]
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *hours]


def blocks(page: Path, language: str = "") -> list[str]:
    """The code blocks of a language, without the fences."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def block_commands(page: Path) -> list[str]:
    """The commands of its code blocks, without their comments, in order."""
    lines = [line for block in blocks(page) for line in block.splitlines() if _COMMAND.match(line)]
    return [re.split(r"\s+#", line)[0] for line in lines]


def all_commands(page: Path) -> list[str]:
    """The same, and those in code style within its sentences and tables."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    spans = [" ".join(span.replace("\\|", "|").split()) for span in re.findall(r"`([^`]+)`", text)]
    return block_commands(page) + [span for span in spans if _COMMAND.match(span)]


def needed(command: str) -> list[str]:
    """The words of a command without what it shows in brackets as optional."""
    return shlex.split(re.sub(r" \[--[^\]]*\]", "", command))


def unknown_words(command: str) -> list[str]:
    """What does not exist of a command: a command or an option of `arb`, a target, a file or a module."""
    if command.startswith("python "):
        return _absent_files(command.split()[1:])
    if command.startswith("make "):
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return [word for word in command.split()[1:] if word.isalpha() and word not in targets]
    command = re.sub(r"\$\(.*?\)", "", command)
    options: set[str] = set()
    found: click.Command = cli
    for word in re.findall(r"[^\s\[\]]+", command)[1:]:
        if word.startswith("-"):
            break
        if not isinstance(found, click.Group):
            break
        if word not in found.commands:
            return [word]
        found = found.commands[word]
    # `arb run` passes on what its modes take.
    takers = [found, *([cli.commands["backtest"], cli.commands["dry-run"]] if found.name == "run" else [])]
    for option in (option for taker in takers for option in taker.params):
        options.update(option.opts)
    named = re.findall(r"(?:^|[\s\[|])(--?[a-z][a-z-]*)", command)
    return [word for word in named if word not in options and word != "--help"]


def _absent_files(words: list[str]) -> list[str]:
    if words[0] == "-m":
        module = ROOT / words[1].replace(".", "/")
        return [] if module.with_suffix(".py").is_file() or module.is_dir() else [words[1]]
    is_named = words[0].endswith(".py") and "..." not in words[0]
    return [words[0]] if is_named and not (ROOT / words[0]).is_file() else []

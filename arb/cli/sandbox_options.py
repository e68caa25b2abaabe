"""The options `--sandbox`, `--port-base` and `--seed`, of every command that can run on a simulated market."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from arb.cli.options import given
from arb.commands.sandbox_choice import SANDBOX_SEED, SandboxChoice
from arb.errors import InputError

#: Default of `arb sandbox serve`: this port and the three after it.
PORT_BASE = 8900
#: Type of `--seed`.
SEED = click.IntRange(0, 2**63 - 1)


def sandbox_options(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds the options to a command, which takes them as `sandbox: SandboxChoice | None`. text: of `--sandbox`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def chosen(*, is_sandbox: bool, port_base: int | None, seed: int | None, **rest: Any) -> None:
            command(sandbox=_choice(is_sandbox=is_sandbox, port_base=port_base, seed=seed), **rest)

        options = (
            click.option("--sandbox", "is_sandbox", is_flag=True, help=text),
            click.option(
                "--port-base",
                type=click.IntRange(1, 65_532),
                metavar="PORT",
                help=f"With --sandbox: use the arb sandbox serve that runs there ({PORT_BASE} by default).",
            ),
            click.option(
                "--seed", type=SEED, metavar="N", help=f"With --sandbox: of the market [{SANDBOX_SEED}]."
            ),
        )
        for option in reversed(options):
            chosen = option(chosen)
        return chosen

    return decorate


def _choice(*, is_sandbox: bool, port_base: int | None, seed: int | None) -> SandboxChoice | None:
    names = given({"--port-base": port_base, "--seed": seed})
    if not is_sandbox:
        if names:
            raise InputError(f"{' and '.join(names)}: only of a sandbox; give --sandbox as well")
        return None
    if len(names) > 1:
        raise InputError(
            "--port-base and --seed exclude each other: the running sandbox has the seed of its own start"
        )
    return SandboxChoice(SANDBOX_SEED if seed is None else seed, port_base)

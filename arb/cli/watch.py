"""The `arb watch` command: options and output."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from arb.cli.examples import examples
from arb.cli.options import echo, set_option
from arb.errors import InputError

if TYPE_CHECKING:
    from arb.config import AlertsConfig

FC = TypeVar("FC", bound=Callable[..., Any])
#: Where runs are written, and the usual port.
RUNS, PORT = Path("runs"), 8080
#: Where the main configuration file usually is.
CONFIG = Path("config/arbitrage.toml")


def config_option(purpose: str) -> Callable[[FC], FC]:
    """`-c`, which may be omitted. purpose: what the command reads the configuration for."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        help=f"Main configuration file, for {purpose}; without it {CONFIG}, if there is one.",
    )


@click.command(epilog=examples("arb watch", "arb watch my/runs --port 8081"))
@click.argument("folders", metavar="[FOLDER]...", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0: any free one."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Another needs a token: ARB_WATCH_TOKEN."
)
@click.option(
    "--allow-host", "allowed", multiple=True, metavar="NAME", help="A further name of the page's address."
)
@config_option("[alerts]")
@set_option
@click.option("--beside", type=int, hidden=True, help="The process of the session that it was started for.")
def watch(
    folders: tuple[Path, ...],
    port: int,
    host: str,
    allowed: tuple[str, ...],
    config_path: Path | None,
    overrides: tuple[str, ...],
    beside: int | None,
) -> None:
    """Show the sessions in FOLDER (without it runs/) on a page, while they go on and after: read only.

    With [alerts] in the configuration it sends messages about them, too.
    """
    from arb.commands.watch import run_watch

    def started(address: str) -> None:
        with contextlib.suppress(OSError):
            echo(f"watching {', '.join(map(str, places))}: {address}")

    places = folders or (RUNS,)
    config = alerts_config(config_path, overrides)
    run_watch(places, host, port, allowed, started=started, beside=beside, config=config)


def alerts_config(path: Path | None, overrides: Sequence[str]) -> AlertsConfig:
    """What the main file, without one the usual file, if there is one, says of alerts. Raises ConfigError."""
    from arb.config import load_alerts

    return load_alerts(path or (CONFIG if CONFIG.is_file() else None), overrides)


#: Of commands that run a session.
watch_option = click.option(
    "--watch",
    "watch_port",
    type=click.IntRange(1, 65_535),
    is_flag=False,
    flag_value=PORT,
    metavar="[PORT]",
    help=f"Start arb watch beside the session, on port {PORT} or this one.",
)


def start_watcher(port: int | None, out: Path | None, config_path: Path, overrides: Sequence[str]) -> None:
    """Starts `arb watch` for a session into `out`, if a port is given, and prints its address; if it cannot be
    started, a line: the session runs without it. config_path, overrides: of the session; the watcher sends its alerts.

    Raises ConfigError for a channel that cannot be used.
    """
    if port is None:
        return
    from arb.commands.alert_channels import alert_channels, bot_token, channel_variables
    from arb.commands.watch_beside import start_beside
    from arb.config import load_alerts
    from arb.config.load import is_of_alerts

    own = [text for text in overrides if is_of_alerts(text)]
    file = config_path if config_path.is_file() else None
    config = load_alerts(file, own)
    variables = channel_variables(config)
    alert_channels(config, variables)
    bot_token(config, variables)
    words = [] if file is None else ["--config", str(file)]
    words += [word for text in own for word in ("--set", text)]
    try:
        line = f"watch: {start_beside(out or RUNS, port, words, variables).address}"
    except InputError as error:
        line = f"watch: {error}; the session runs without it"
    echo(line, err=True)

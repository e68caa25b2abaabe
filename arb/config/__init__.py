"""The configuration: strict TOML in, frozen values out, and the templates that `arb init` writes.

Start with `load`. Only the composition root calls it and passes parts of the `Config` on; no lower module takes the
whole `Config`. `arb.config.secrets` is the only module of the project that reads the environment; `environment` has the
addresses of a session with orders, `account_keys` what signs for its accounts.
"""

from __future__ import annotations

from arb.config.files import KeptFiles
from arb.config.load import (
    AlertsConfig,
    config_of,
    load,
    load_alerts,
    load_grids,
    load_venues,
    on_data_grid,
    on_grids,
)
from arb.config.model import Config, VenueConfig
from arb.config.templates import write_templates

__all__ = [
    "AlertsConfig",
    "Config",
    "KeptFiles",
    "VenueConfig",
    "config_of",
    "load",
    "load_alerts",
    "load_grids",
    "load_venues",
    "on_data_grid",
    "on_grids",
    "write_templates",
]

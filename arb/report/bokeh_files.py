"""The script files of the charts' library: they come with the package `bokeh`, which is not imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from arb.errors import InputError

#: In the order in which a page loads them.
CHART_FILES = ("bokeh.min.js", "bokeh-api.min.js")


def chart_files() -> tuple[Path, str]:
    """The folder of the files, and the library's version. Raises InputError where it is not installed."""
    found = importlib.util.find_spec("bokeh")
    folder = Path(((found and found.submodule_search_locations) or [""])[0]) / "server" / "static" / "js"
    if not all((folder / name).is_file() for name in CHART_FILES):
        raise InputError("the charts are drawn with bokeh: install it with pip install bokeh")
    return folder, importlib.metadata.version("bokeh")

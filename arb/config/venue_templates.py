"""Completes a venue's file: what it leaves out is that of the template of its venue, which its address identifies.

Pure, apart from reading the templates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from arb.config.strict import toml_text
from arb.config.templates import TEMPLATE_NAMES, template_tree

Tree = Mapping[str, Any]
#: The template of a file whose venue is not known.
_NONE: Tree = {}


def completed(tree: Tree) -> dict[str, Any]:
    """The tree of a venue's file with the missing keys of its venue's template; the same tree if that is unknown.

    The template is that of the file's `adapter`; without one, of its address. Addresses are completed only at an
    address of the venue: other fallback addresses must not be tried. `[testnet]` and `[demo]` are the file's or the
    template's, never a mixture: an order must not go elsewhere than the account's events come from. `[auth]` is never
    completed: only variables that the file names are read.
    """
    template = _template_of(tree)
    left_out = {"auth"} | ({"testnet", "demo"} & tree.keys())
    if template is not _at_address(tree):
        left_out |= {"connection", "testnet", "demo"}
    return _merged({key: value for key, value in template.items() if key not in left_out}, tree)


def name_of(tree: Tree) -> Any:
    """The name of the venue that a file describes; None if it describes none."""
    if "name" in tree or not isinstance(tree.get("connection"), dict):
        return tree.get("name")
    return _template_of(tree).get("name")


def why_unknown(tree: Tree) -> str:
    """Why a file with a `[connection]` but without a `name` describes no venue, with the next step."""
    if "adapter" in tree:
        return 'name is missing; it must be a venue name such as "binance_spot"'
    url = tree["connection"].get("websocket_url")
    what = "is missing" if url is None else f"is {toml_text(url)}, the address of no known venue"
    return (
        f"[connection] websocket_url {what}: write the venue's address, or add a line above the sections, such as "
        f"adapter = {toml_text(_templates()[0]['adapter'])}"
    )


def _templates() -> list[Tree]:
    return [template_tree(name) for name in TEMPLATE_NAMES[1:]]


def _template_of(tree: Tree) -> Tree:
    if "adapter" not in tree:
        return _at_address(tree)
    return next((one for one in _templates() if one["adapter"] == tree["adapter"]), _NONE)


def _at_address(tree: Tree) -> Tree:
    """The template whose venue has the file's `websocket_url`. Venues with one host differ in its path."""
    connection = tree.get("connection")
    host, path = _place(connection.get("websocket_url") if isinstance(connection, dict) else None)
    found = [
        (one, own_path)
        for one in _templates()
        for own_host, own_path in map(_place, _addresses(one))
        if host and own_host == host
    ]
    if len({one["name"] for one, _ in found}) > 1:
        found = [(one, own_path) for one, own_path in found if own_path == path]
    return found[0][0] if found else _NONE


def _addresses(template: Tree) -> Iterator[str]:
    yield template["connection"]["websocket_url"]
    yield from template["connection"]["websocket_fallback_urls"]


def _place(url: Any) -> tuple[str, str]:
    """Host and path of an address; "" for what is no address."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        return parts.hostname or "", parts.path.rstrip("/")
    except ValueError:
        return "", ""


def _merged(below: Tree, above: Tree) -> dict[str, Any]:
    """`above` with what it lacks, its own keys first: errors are reported in the order of the file."""
    merged = dict(above)
    for key, value in below.items():
        own = merged.setdefault(key, value)
        if own is not value and isinstance(value, Mapping) and isinstance(own, Mapping):
            merged[key] = _merged(value, own)
    return merged

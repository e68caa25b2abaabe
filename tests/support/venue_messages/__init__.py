"""Strict decoders of what the venues send to clients that trade: every field has to be known and of its JSON type."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


def struct(
    name: str, texts: str = "", /, optional: str = "", options: dict[str, Any] | None = None, **others: Any
) -> Any:
    """A strict struct: required texts, optional texts, fields of other types, and optional ones of other types."""
    fields: list[Any] = [(field, str) for field in texts.split()]
    fields += list(others.items())
    fields += [(field, str | UnsetType, UNSET) for field in optional.split()]
    fields += [(field, kind | UnsetType, UNSET) for field, kind in (options or {}).items()]
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)

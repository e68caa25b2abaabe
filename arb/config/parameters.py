"""Adds the declared parameters of the built-in strategies to the sections of the main file. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec

from arb.config.key import Table, key
from arb.config.strict import KnownKey, allowed, toml_text
from arb.strategies.parameters import CONFIGURED, SECTIONS, Parameter

T = TypeVar("T", bound=Table)


def with_parameters(section: str) -> Callable[[type[T]], type[T]]:
    """A decorator that adds the keys of a section; those of a leg also to `symbols`, where they replace the others."""

    def add(base: type[T]) -> type[T]:
        fields: list[Any] = []
        for one in CONFIGURED:
            if one.section == section:
                default = one.default[0] if isinstance(one.default, tuple) else one.default
                fields.append((one.key, _type_of(one, one.text), default))
            elif section == "symbols" and one.is_per_leg:
                text = f"As in [{one.section}], for this symbol; absent: that one."
                fields.append((one.key, _type_of(one, text) | None, None))
        made = msgspec.defstruct(
            base.__name__,
            fields,
            bases=(base,),
            module=base.__module__,
            namespace={"__doc__": base.__doc__},
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
        )
        return cast("type[T]", made)

    if section not in (*SECTIONS, "symbols"):
        raise ValueError(f"strategies have no keys in [{section}]")
    return add


def params_keys(parameters: Sequence[Parameter]) -> Iterator[KnownKey]:
    """The keys in `[strategy.params]` of a strategy of one's own; without a declaration they are named and no more."""
    for one in parameters:
        default = one.default[0] if isinstance(one.default, tuple) else one.default
        if one.section and not one.choices:
            kind = _type_of(one, one.text)
            yield KnownKey((one.key,), one.unit, allowed(kind), toml_text(default), one.text)
        else:
            yield KnownKey((one.name,), "", "", toml_text(one.compiled(default)), one.text)


def _type_of(one: Parameter, text: str) -> Any:
    if one.choices:
        return Annotated[Literal[one.choices], key(text, one.unit)]
    first = one.default[0] if isinstance(one.default, tuple) else one.default
    lowest = "gt" if one.is_open else "ge"
    kind = type(first)
    bounds: dict[str, Any] = {lowest: kind(one.low), "le": kind(one.high)}
    return Annotated[kind, key(text, one.unit, example=repr(first), **bounds)]

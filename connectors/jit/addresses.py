"""Passes arrays by address to frequently called compiled code, since each array argument costs 0.1 us or more.

A record holds, for each array by its name, its address and its number of rows (`<name>_count`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray


@intrinsic
def as_pointer(typing_context: Any, address: Any) -> Any:
    """The address as the void pointer that `numba.carray` takes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


def addresses_of(*groups: Sequence[str], settings: Sequence[tuple[str, str]] = ()) -> np.dtype[np.void]:
    """The dtype of a record of arrays by name, and of `settings` (name, dtype) beside them."""
    names = [name for group in groups for name in group]
    fields = [(field, "i8") for name in names for field in (name, f"{name}_count")]
    return np.dtype([*fields, *settings], align=True)


def set_addresses(record: Any, **arrays: NDArray[Any]) -> None:
    """Sets address and number of rows of arrays in a record. The caller keeps the arrays alive."""
    for name, array in arrays.items():
        record[name], record[f"{name}_count"] = array.ctypes.data, len(array)

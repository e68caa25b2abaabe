"""Passes arrays by address to frequently called compiled code, since each array argument costs 0.1 us or more."""

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


def address_table(arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Address and number of rows of each array, one row each. The caller keeps the arrays alive."""
    return np.array([(array.ctypes.data, len(array)) for array in arrays], np.int64)

"""Views of records: what they read, and that machine code of another layout is not taken for theirs."""

from __future__ import annotations

import numpy as np

from arb.bot.memory import record_address, record_view
from connectors.jit.compilation import compiled

OLD = np.dtype([("a", "i8"), ("b", "f8")])
NEW = np.dtype([("a", "i8"), ("between", "i8"), ("b", "f8")])


def reader(dtype):
    at = record_view(dtype)

    @compiled
    def read(address):
        return at(address).b, record_address(at(address))

    return read


def test_a_view_reads_the_record_and_knows_its_address() -> None:
    for dtype in (OLD, NEW):
        record = np.zeros(2, dtype)
        record["b"] = [1.5, 2.5]
        address = int(record[1:].ctypes.data)
        assert reader(dtype)(address) == (2.5, address)


def test_another_layout_is_other_code() -> None:
    stamps = [reader(dtype)._cache._stamp() for dtype in (OLD, NEW, OLD)]

    assert stamps[0] == stamps[2] != stamps[1]

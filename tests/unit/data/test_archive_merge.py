"""`arb.data.archives.merge`: streams by local time, whatever the pieces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hftbacktest.types import event_dtype
from hypothesis import given
from hypothesis import strategies as st

from arb.data.archives.merge import merge
from connectors.model import MESSAGE_DTYPE
from connectors.parsing.lines import Decoded

#: Streams of pieces of messages: local time and number of rows each.
STREAMS = st.lists(
    st.lists(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=6), max_size=4), max_size=3
)


def stream_of(no: int, pieces: list[list[tuple[int, int]]]) -> Iterator[Decoded]:
    """Decoded pieces in buffers that are used again, as the decoders do. A row's quantity tells where it is from."""
    rows, messages = np.zeros(64, event_dtype), np.zeros(64, MESSAGE_DTYPE)
    name = 0
    for piece in pieces:
        rows["qty"] = messages["last_id"] = -1
        row = 5  # what lies in front belongs to nobody
        for m, (local_ts, count) in enumerate(piece):
            messages[m]["local_ts"], messages[m]["last_id"] = local_ts, 1_000 * no + name
            messages[m]["row_start"], messages[m]["row_end"] = row, row + count
            rows["qty"][row : row + count] = 1_000 * no + name
            row += count
            name += 1
        yield Decoded(rows[:row], messages[: len(piece)])


@given(STREAMS)
def test_messages_come_by_time_then_stream_with_their_rows(
    streams: list[list[list[tuple[int, int]]]],
) -> None:
    wanted = []
    for no, pieces in enumerate(streams):
        last = 0
        for name, (local_ts, count) in enumerate(message for piece in pieces for message in piece):
            last = max(last, local_ts)  # one that falls counts as the one before it
            wanted.append((last, no, name, count))
    wanted.sort()

    found = []
    for rows, messages in merge([stream_of(no, pieces) for no, pieces in enumerate(streams)]):
        for message in messages:
            part = rows["qty"][message["row_start"] : message["row_end"]]
            assert (part == message["last_id"]).all()
            found.append((int(message["last_id"]), len(part)))

    assert found == [(1_000 * no + name, count) for _, no, name, count in wanted]

"""Files of a session whose orders a gateway answered, beside those of every session.

`orders.npz`: requests, responses, executions and the orders' states at the end. `facts.json`: what the venues said
about the account. The private frames are in `arb.runtime.private_log`.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.engine.order_table import ORDER
from arb.errors import InputError
from arb.results.evidence import as_json
from arb.results.folder import RunFolder

#: Names in the session's folder.
ORDERS, FACTS = "orders.npz", "facts.json"

#: A request of the strategy. step: number of the wait in which it was taken, from 1. is_sent: whether a byte of it was
#: written to a venue. attempt: see `arb.execution.attempts`. bound: the price in ticks at which a market order was to
#: be sent as IOC, else 0. row: as the bot made it.
REQUEST = np.dtype(
    [
        ("leg", "i8"),
        ("step", "i8"),
        ("taken_ns", "i8"),
        ("is_sent", "i8"),
        ("attempt", "i8"),
        ("bound", "i8"),
        ("row", ORDER),
    ]
)
#: A response, as the bot received it. fill_no: its place in the log of fills, -1 without an execution.
RESPONSE = np.dtype([("leg", "i8"), ("received_ns", "i8"), ("fill_no", "i8"), ("row", ORDER)])
#: An execution. side: 1 buy, -1 sell. The ids and the fee are the venue's texts.
EXECUTION = np.dtype(
    [
        ("leg", "i8"),
        ("fill_no", "i8"),
        ("order_id", "u8"),
        ("side", "i8"),
        ("tick", "i8"),
        ("lots", "i8"),
        ("is_maker", "i8"),
        ("venue_ms", "i8"),
        ("id", "S40"),
        ("venue_order_id", "S40"),
        ("fee", "S32"),
        ("fee_asset", "S16"),
    ]
)
#: An order at the end of the session. phase, end: as in `arb.execution.order_state`. final_ns: when it became final, 0
#: if it is not.
STATE = np.dtype(
    [
        ("leg", "i8"),
        ("order_id", "u8"),
        ("request_no", "i8"),
        ("phase", "i8"),
        ("executed_lots", "i8"),
        ("end", "i8"),
        ("final_ns", "i8"),
    ]
)


class OrderRecords(NamedTuple):
    """A session's requests, responses, executions and states, of the dtypes above.

    facts: by venue, for `facts.json`. counts: for the manifest.
    """

    requests: Any
    responses: Any
    executions: Any
    states: Any
    facts: Mapping[str, Any]
    counts: Mapping[str, int]


#: In the file an order is its bytes: NumPy's format has no fields at given offsets within a field.
_ORDER_BYTES = ("row", "u1", (ORDER.itemsize,))
_DTYPES = {"requests": REQUEST, "responses": RESPONSE, "executions": EXECUTION, "states": STATE}


def write_order_files(folder: RunFolder, orders: OrderRecords) -> None:
    """Writes both files. Raises InputError."""
    folder.write_arrays(
        ORDERS, {name: getattr(orders, name).view(_stored(dtype)) for name, dtype in _DTYPES.items()}
    )
    folder.write_bytes(FACTS, (json.dumps(as_json(orders.facts), indent=2, allow_nan=False) + "\n").encode())


def read_order_files(folder: Path) -> OrderRecords:
    """The files of a session, without counts. Raises InputError for an unreadable one."""
    path = folder / ORDERS
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _DTYPES}
        for name, dtype in _DTYPES.items():
            if arrays[name].dtype != _stored(dtype) or arrays[name].ndim != 1:
                raise ValueError(f"{name} has other fields")
            arrays[name] = arrays[name].view(dtype)
        path = folder / FACTS
        facts = json.loads(path.read_bytes())
        if not isinstance(facts, dict):
            raise ValueError("it is no object")
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read: {error}; without it the session cannot be replayed"
        ) from None
    return OrderRecords(**arrays, facts=facts, counts={})


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in the file, of the same bytes."""
    fields = [(name, dtype[name].str) if name != "row" else _ORDER_BYTES for name in dtype.names or ()]
    return np.dtype(fields)

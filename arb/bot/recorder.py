"""The recorder: equity and state by time, and the strategy's decisions, readable while the strategy runs.

`record(bot)` does what hftbacktest's recorder does, in its `record_dtype` and the fields of `ACCOUNT`, so that
`hftbacktest.stats` reads the result; it accepts our bot and hftbacktest's own. Two differences: it is not a jitclass,
so that strategies that take it can be cached, and it grows instead of raising when it is full. `log` describes its
bound.

Pass the `Recorder` itself to the strategy (or its `.recorder`, as hftbacktest's examples do).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hftbacktest.types import record_dtype
from numba import carray, types
from numba.core import cgutils
from numba.extending import (
    NativeValue,
    make_attribute_wrapper,
    models,
    overload_method,
    register_jitable,
    register_model,
    typeof_impl,
    unbox,
)

from arb.bot.account import ACCOUNT, account_of
from arb.bot.cache import bot_compiled
from arb.bot.function_table import ABI
from arb.bot.log import ROWS_MAX, WIDTH, GrowingLog, publish_row, reserve_row
from arb.bot.memory import as_pointer, load_int64
from arb.bot.numba_types import BotType

#: The state of one asset at a time: hftbacktest's record, and the fields of `ACCOUNT`.
RECORD = np.dtype([*record_dtype.descr, *ACCOUNT.descr])

#: One decision of a strategy. The strategy defines the meaning of code, attempt, leg and value.
DECISION = np.dtype(
    [
        ("timestamp", "i8"),
        ("code", "i8"),
        ("attempt", "i8"),
        ("leg", "i8"),
        ("order_id", "u8"),
        ("value", "f8"),
    ],
    align=True,
)


class Recorder:
    """Growing records and decisions of one run. Keep it until the strategy has returned.

    num_assets: the bot's; of a bot with more assets only the first `num_assets` are recorded. rows_max: bound of each
    log; one call of `record` is one row; rows beyond it are dropped and counted.
    """

    def __init__(self, num_assets: int, *, rows: int = 16_384, rows_max: int = ROWS_MAX) -> None:
        if num_assets < 1:
            raise ValueError("a recorder needs at least one asset")
        self._records = GrowingLog(RECORD, width=num_assets, rows=rows, rows_max=rows_max)
        self._decisions = GrowingLog(DECISION, rows=min(rows, 1024), rows_max=rows_max)
        self.records_address = self._records.address
        self.decisions_address = self._decisions.address

    @property
    def recorder(self) -> Recorder:
        """Returns itself: hftbacktest's examples pass `recorder.recorder` to the strategy."""
        return self

    @property
    def records(self) -> np.ndarray[Any, Any]:
        """Records so far, (row, asset), of dtype `RECORD`. Any thread."""
        return self._records.rows

    def take_records(self) -> np.ndarray[Any, Any]:
        """Removes the records so far and returns them. Only while the strategy waits."""
        return self._records.take()

    @property
    def decisions(self) -> np.ndarray[Any, Any]:
        """Decisions so far, of dtype `DECISION`. Any thread."""
        return self._decisions.rows

    @property
    def dropped(self) -> dict[str, int]:
        """How many rows of each log did not fit."""
        return {"records": self._records.dropped, "decisions": self._decisions.dropped}

    def get(self, asset_no: int) -> np.ndarray[Any, Any]:
        """Records of one asset."""
        return self.records[:, asset_no]

    def to_npz(self, file: str | Path) -> None:
        """Saves the records as hftbacktest's recorder does: one array per asset, named "0", "1", ..."""
        records = self.records
        by_asset: dict[str, Any] = {
            str(asset_no): records[:, asset_no] for asset_no in range(records.shape[1])
        }
        np.savez_compressed(file, **by_asset)


class RecorderType(types.Type):  # type: ignore[misc]
    """Addresses of the two control blocks."""

    def __init__(self) -> None:
        super().__init__(name=f"{type(self).__name__}[abi{ABI}]")


@register_model(RecorderType)
class _RecorderModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, [("records", types.intp), ("decisions", types.intp)])


make_attribute_wrapper(RecorderType, "records", "_records")
make_attribute_wrapper(RecorderType, "decisions", "_decisions")
recorder_type = RecorderType()


@typeof_impl.register(Recorder)
def _typeof_recorder(value: Recorder, context: Any) -> Any:
    return recorder_type


@unbox(RecorderType)
def _unbox_recorder(typ: Any, obj: Any, c: Any) -> Any:
    handle = cgutils.create_struct_proxy(typ)(c.context, c.builder)
    for field, attribute in (("records", "records_address"), ("decisions", "decisions_address")):
        value = c.pyapi.object_getattr_string(obj, attribute)
        setattr(handle, field, c.pyapi.long_as_longlong(value))
        c.pyapi.decref(value)
    return NativeValue(handle._getvalue(), is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))


def _record_impl(recorder: Any, bot: Any) -> None:
    control = recorder._records
    address = reserve_row(control)
    if address == 0:
        return
    _put_states(_row_at(control, address), bot)
    publish_row(control)


@register_jitable
def _row_at(control: Any, address: Any) -> Any:
    return carray(as_pointer(address), load_int64(control + 8 * WIDTH), RECORD)


@register_jitable
def _put_states(row: Any, bot: Any) -> None:
    timestamp = bot.current_timestamp
    assets: Any = min(len(row), np.int64(bot.num_assets))
    for asset_no in range(assets):
        depth = bot.depth(asset_no)
        state = bot.state_values(asset_no)
        row[asset_no].timestamp = timestamp
        row[asset_no].price = (depth.best_bid + depth.best_ask) / 2.0
        row[asset_no].position = state.position
        row[asset_no].balance = state.balance
        row[asset_no].fee = state.fee
        row[asset_no].num_trades = state.num_trades
        row[asset_no].trading_volume = state.trading_volume
        row[asset_no].trading_value = state.trading_value


@bot_compiled
def _record(recorder, bot):
    """For our bot: compiled once and shared by all strategies."""
    control = recorder._records
    address = reserve_row(control)
    if address == 0:
        return
    row = _row_at(control, address)
    _put_states(row, bot)
    assets: Any = min(len(row), np.int64(bot.num_assets))
    for asset_no in range(assets):
        account = account_of(bot, asset_no)
        row[asset_no].funding = account.funding
        row[asset_no].base_fee = account.base_fee
        row[asset_no].other_fee = account.other_fee
        row[asset_no].other_value = account.other_value
    publish_row(control)


@overload_method(RecorderType, "record")
def _record_method(recorder: Any, bot: Any) -> Any:
    if isinstance(bot, BotType):

        def impl(recorder: Any, bot: Any) -> Any:
            return _record(recorder, bot)

        return impl
    # hftbacktest's own bots are jitclasses, which Numba cannot cache; they are compiled in place.
    return _record_impl


@bot_compiled
def _record_once(bot, recorder):
    recorder.record(bot)


def state_of(bot: Any, num_assets: int, recorder: Recorder | None = None) -> Any:
    """The state of every asset now, of dtype `RECORD`. The bot must be open. recorder: an empty one, which is empty
    again afterwards, for whoever asks often."""
    recorder = recorder or Recorder(num_assets, rows=1)
    _record_once(bot, recorder)
    return recorder.take_records()[-1]


@bot_compiled
def _decide(recorder, timestamp, code, attempt, leg, order_id, value):
    address = reserve_row(recorder._decisions)
    if address == 0:
        return
    row = carray(as_pointer(address), 1, DECISION)[0]
    row.timestamp = timestamp
    row.code = code
    row.attempt = attempt
    row.leg = leg
    row.order_id = order_id
    row.value = value
    publish_row(recorder._decisions)


@overload_method(RecorderType, "decide")
def _decide_method(
    recorder: Any, timestamp: Any, code: Any, attempt: Any, leg: Any, order_id: Any, value: Any
) -> Any:
    def impl(
        recorder: Any, timestamp: Any, code: Any, attempt: Any, leg: Any, order_id: Any, value: Any
    ) -> Any:
        _decide(
            recorder,
            np.int64(timestamp),
            np.int64(code),
            np.int64(attempt),
            np.int64(leg),
            np.uint64(order_id),
            np.float64(value),
        )

    return impl

"""Bybit's queries of the account: balances, fees, log, key, and settings. Pure.

Source: bybit-exchange/docs v5 `account/*.mdx`, `user/apikey-info.mdx`, `asset/coin-info.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby

from arb.sandbox.accounts.amounts import ZERO, plain
from arb.sandbox.accounts.ledger import Entry, EntryCause
from arb.sandbox.serve.bybit.answers import Clock, Row, execution_id
from arb.sandbox.serve.bybit.errors import parameter_error
from arb.sandbox.serve.bybit.parameters import CATEGORIES, SIDE_NAMES
from arb.sandbox.serve.bybit.side import WRITES, Answer, Call, Run
from arb.sandbox.serve.bybit.wallet import VENUE, wallet
from arb.sandbox.trading.order_state import Execution, ExecutionKind
from connectors.units import MILLISECOND

_DAY_MS = 86_400_000
#: Products of the disconnect protection, by category.
PRODUCTS = {"spot": "SPOT", "linear": "DERIVATIVES"}


def wallet_balance(call: Call) -> Run:
    """GET /v5/account/wallet-balance."""
    if call.fields.text("accountType", None) != "UNIFIED":
        raise parameter_error("accountType must be UNIFIED")
    coins = [one for one in call.fields.text("coin").split(",") if one] or None
    return lambda now_ns: Answer({"list": [wallet(call.side, call.account, coins)]})


def info(call: Call) -> Run:
    """GET /v5/account/info."""

    def run(now_ns: int) -> Answer:
        result = {
            "marginMode": call.side.account(call.account).modes.margin,
            "updatedTime": str(call.side.clock("linear")(now_ns)),
            "unifiedMarginStatus": 5,
            "dcpStatus": "OFF",
            "timeWindow": 0,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }
        return Answer(result)

    return run


def fee_rate(call: Call) -> Run:
    """GET /v5/account/fee-rate."""
    # Required by the table of the document, left out in its example and by ccxt.
    category = call.fields.category(takes_empty=True) if call.fields.has("category") else "linear"
    symbol = call.fields.text("symbol")

    def run(now_ns: int) -> Answer:
        rows: list[Row] = []
        if category in CATEGORIES:
            rule = call.side.account(call.account).fee_rules[f"bybit_{category}"]
            rows = [
                {"symbol": name, "takerFeeRate": plain(rule.taker), "makerFeeRate": plain(rule.maker)}
                for name in call.side.desk(category).instruments
                if symbol in ("", name)
            ]
        # Derivatives have no field `category`.
        return Answer({"list": rows} | ({"category": category} if category in ("spot", "option") else {}))

    return run


def transaction_log(call: Call) -> Run:
    """GET /v5/account/transaction-log: one row for each asset that an execution, payment or transfer changed."""
    fields = call.fields
    if fields.text("accountType", "UNIFIED") != "UNIFIED":
        raise parameter_error("accountType must be UNIFIED")
    category, currency, kind = fields.text("category"), fields.text("currency"), fields.text("type")
    base = fields.text("baseCoin")
    start = fields.time("startTime")
    end = fields.time("endTime")
    page = fields.page(20, 50)

    def run(now_ns: int) -> Answer:
        now_ms = call.side.clock("linear")(now_ns)
        last = end if end is not None else now_ms if start is None else start + _DAY_MS
        first = last - _DAY_MS if start is None else start
        rows = [
            row
            for row in _log(call)
            if category in ("", row["category"])
            and currency in ("", row["currency"])
            and kind in ("", row["type"])
            and (not base or row["symbol"].startswith(base))
            and first <= int(row["transactionTime"]) <= last
        ]
        begin, count = page
        cursor = str(begin + count) if begin + count < len(rows) else ""
        return Answer({"list": rows[begin : begin + count], "nextPageCursor": cursor})

    return run


def query_dcp_info(call: Call) -> Run:
    """GET /v5/account/query-dcp-info."""

    def run(now_ns: int) -> Answer:
        rows = []
        for category, product in PRODUCTS.items():
            protection = call.side.trading.protection(call.account, f"bybit_{category}")
            if protection.window_ns:
                window = str(protection.window_ns // (1000 * MILLISECOND))
                rows.append({"product": product, "dcpStatus": "ON", "timeWindow": window})
        return Answer({"dcpInfos": rows}, text="success")

    return run


def query_api(call: Call) -> Run:
    """GET /v5/user/query-api."""
    key, uid = call.key, call.side.account(call.account).uid

    def granted(*names: str) -> list[str]:
        return [name for name in names if name in key.permissions]

    permissions = {
        "ContractTrade": granted("Order", "Position"),
        "Spot": granted("SpotTrade"),
        "Wallet": granted("AccountTransfer", "SubMemberTransfer", "Withdraw"),
        "Options": granted("OptionsTrade"),
        "Derivatives": granted("DerivativesTrade"),
        "Exchange": granted("ExchangeHistory"),
    }
    none = ("CopyTrading", "BlockTrade", "NFT", "Affiliate", "Earn", "FiatP2P", "FiatConvertBroker", "FiatGlobalPay",
            "FiatBitPay", "BitCard", "ByXPost")  # fmt: skip
    result = {
        "id": str(uid),
        "note": key.id,
        "apiKey": key.id,
        "readOnly": 0 if key.permissions & WRITES else 1,
        "secret": "",
        "permissions": permissions | {name: [] for name in none},
        "ips": list(key.ips) or ["*"],
        "type": 1,
        "deadlineDay": 90 if not key.ips else -2,
        "expiredAt": "1970-01-01T00:00:00Z",
        "createdAt": "1970-01-01T00:00:00Z",
        "unified": 0,
        "uta": 1,
        "userID": uid,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_DEFAULT",
        "kycRegion": "",
        "userIDInt64": str(uid),
        "inviterIDInt64": "0",
        "affiliateIDInt64": "0",
    }
    return lambda now_ns: Answer(result, text="")


def coin_query_info(call: Call) -> Run:
    """GET /v5/asset/coin/query-info: the assets of the instruments and of the account, without deposits."""
    coin = call.fields.text("coin")

    def run(now_ns: int) -> Answer:
        names = dict.fromkeys(call.side.account(call.account).wallet(VENUE).assets())
        for category in CATEGORIES:
            for instrument in call.side.desk(category).instruments.values():
                names |= dict.fromkeys((instrument.rules.base, instrument.rules.quote))
        rows = [
            {"name": name, "coin": name, "remainAmount": "0", "chains": []}
            for name in names
            if coin in ("", name)
        ]
        return Answer({"rows": rows}, text="success")

    return run


def _log(call: Call) -> Iterator[Row]:
    """Rows of the ledger, newest first, with the balance after each."""
    account = call.side.account(call.account)
    executions: dict[tuple[str, int], Execution] = {}
    #: Payments by symbol and time, in order.
    payments: dict[tuple[str, int], list[Execution]] = {}
    for category in CATEGORIES:
        for one in call.side.desk(category).executions(call.account):
            if one.kind is ExecutionKind.FUNDING:
                payments.setdefault((one.symbol, one.at_ns), []).append(one)
            else:
                executions[one.order_id, one.trade_id] = one
    held = account.wallet(VENUE)
    balances = {asset: held.total(asset) for asset in held.assets()}
    entries = list(reversed(account.ledger.entries))
    for _, together in groupby(entries, _together):
        by_asset: dict[str, list[Entry]] = {}
        for entry in together:
            by_asset.setdefault(entry.asset, []).append(entry)
        for asset, group in by_asset.items():
            first = group[-1]
            found = executions.get((first.order_id, first.trade_id))
            if first.cause is EntryCause.FUNDING and (paid := payments.get((first.symbol, first.at_ns))):
                found = paid.pop()
            clock = call.side.clock(first.venue.removeprefix("bybit_"))
            yield _log_row(group, found, balances[asset], clock)
            balances[asset] -= sum((entry.amount for entry in group), ZERO)


def _together(entry: Entry) -> tuple[object, ...]:
    """What entries of one execution have in common; each payment of funding is apart."""
    payment = entry.no if entry.cause is EntryCause.FUNDING else 0
    return entry.at_ns, entry.venue, entry.order_id, entry.trade_id, payment


def _log_row(entries: list[Entry], execution: Execution | None, balance: Decimal, clock: Clock) -> Row:
    """entries: of one asset that changed together."""
    first = entries[-1]
    is_spot = first.venue == "bybit_spot"

    def amount(*causes: EntryCause) -> Decimal:
        return sum((one.amount for one in entries if one.cause in causes), ZERO)

    fee, funding = -amount(EntryCause.FEE), amount(EntryCause.FUNDING)
    change = sum((one.amount for one in entries), ZERO)
    is_transfer = first.cause is EntryCause.TRANSFER
    is_funding = any(one.cause is EntryCause.FUNDING for one in entries)
    kind = "TRADE"
    if is_transfer:
        kind = "TRANSFER_IN" if change > 0 else "TRANSFER_OUT"
    elif is_funding:
        kind = "SETTLEMENT"
    elif execution is not None and execution.kind in (ExecutionKind.LIQUIDATION, ExecutionKind.ADL):
        kind = "LIQUIDATION" if execution.kind is ExecutionKind.LIQUIDATION else "ADL"
    quantity = change + fee if is_spot else execution.quantity if execution else abs(change)
    return {
        "transSubType": "",
        "id": f"{first.no}_{first.symbol}_{first.at_ns // 1000}",
        "symbol": first.symbol,
        "side": SIDE_NAMES[execution.side] if execution else "None",
        "funding": plain(funding) if is_funding else "",
        "orderLinkId": execution.client_id if execution else "",
        "orderId": first.order_id,
        "fee": plain(fee),
        "change": plain(change),
        "cashFlow": plain(change - funding + fee),
        "transactionTime": str(clock(first.at_ns)),
        "type": kind,
        "feeRate": plain(execution.fee_rate) if execution else "",
        "bonusChange": "",
        # The position after it is not kept: not known.
        "size": "0" if is_spot or is_transfer else "",
        "qty": plain(quantity),
        "cashBalance": plain(balance),
        "currency": first.asset,
        "category": "" if is_transfer else first.venue.removeprefix("bybit_"),
        "tradePrice": plain(execution.price) if execution else "",
        "tradeId": execution_id(execution) if execution else "",
        "extraFees": "",
    }

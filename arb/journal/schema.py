"""The journal's tables and their rows: each row is a tuple with the columns of its table. Definitions only.

An order is named by (run, leg, placed): `placed` is the number of the request that placed it. A client id names a
request, so a replaced order has several. Prices are ticks and quantities lots, of the sizes in `legs`; fees are
decimals as the venue wrote them. Times `ts` are ns UTC of the session's clock, those of venues ms.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, get_type_hints

#: Of `PRAGMA application_id` and `user_version`: other files and other versions are refused.
APPLICATION_ID = 0x61_72_62_4A
VERSION = 2
#: The letter of an environment in the tag of client ids.
LETTERS = {"live": "l", "testnet": "t", "demo": "d", "sandbox": "s"}
#: What the tables of a dry-run have instead of an environment, and their tag, which no venue sees.
DRY_RUN, DRY_RUN_TAG = "dry-run", "dryrun"


class Account(NamedTuple):
    """An account at a venue's house ("binance", "bybit")."""

    house: str
    environment: str
    account_id: str

    @property
    def name(self) -> str:
        """As rows and file names have it."""
        return f"{self.house}-{self.account_id}"


class LegRow(NamedTuple):
    """A leg of a run. account: `Account.name`; tick, lot: sizes as the venue writes them."""

    venue: str
    symbol: str
    account: str
    tick: str
    lot: str
    base: str
    quote: str
    is_spot: bool


class RunRow(NamedTuple):
    """A session that begins; its legs follow when their accounts are known."""

    command: str
    version: str
    folder: str
    config_hash: str
    started_ns: int


class Intent(NamedTuple):
    """A request that is about to be sent. act: "place", "amend" or "cancel"; order_id: the bot's; attempt: of the
    strategy, as in the order's client ids."""

    run: int
    leg: int
    request: int
    ts: int
    step: int
    act: str
    placed: int
    order_id: int
    side: int
    force: str
    is_market: bool
    is_reducing: bool
    tick: int
    lots: int
    attempt: int = 0


class Sent(NamedTuple):
    """What became of a request that was to be sent. line: connection; wire: of queries, which have no request."""

    run: int
    ts: int
    venue: str
    leg: int
    request: int
    act: str
    wire: str
    line: str
    is_sent: bool


class Answered(NamedTuple):
    """An answer to the bot: of its request, or with request 0 about its order. lots: total; leaves: what may trade."""

    run: int
    ts: int
    leg: int
    request: int
    placed: int
    kind: str
    status: str
    tick: int
    lots: int
    leaves: int
    text: str


class Ended(NamedTuple):
    """An order is over; the first row of an order counts. executed: lots."""

    run: int
    leg: int
    placed: int
    ts: int
    status: str
    executed: int
    text: str


class ExecutionRow(NamedTuple):
    """An execution of an order of ours, of whichever run; a repeated one is ignored. attempt: of its order."""

    run: int
    leg: int
    placed: int
    execution_id: str
    ts: int
    venue_ms: int
    side: int
    tick: int
    lots: int
    is_maker: bool
    fee: str
    fee_asset: str
    attempt: int = 0


class Refused(NamedTuple):
    """A request that was not sent, and why."""

    run: int
    ts: int
    leg: int
    request: int
    reason: str


class Flagged(NamedTuple):
    """A change of state that is about no single order: armed, halted, in doubt. account: "" for all."""

    run: int
    ts: int
    account: str
    flag: str
    text: str


class Reconciled(NamedTuple):
    """A comparison of journal and venue."""

    run: int
    ts: int
    account: str
    is_agreed: bool
    text: str


class Opened(NamedTuple):
    """A change of a position that is no execution of ours: taken over, or a liquidation. lots: the change, signed; lot:
    their size; price: of the change, "0" if it is not known."""

    run: int
    ts: int
    account: str
    venue: str
    symbol: str
    lots: int
    lot: str
    price: str
    text: str


class Paid(NamedTuple):
    """Money that an account received, or paid if it is negative, without an execution. kind: "funding", "transfer" or
    the venue's word in lower case; symbol: "" if it is of none; payment_id: with account and kind its own."""

    run: int
    ts: int
    account: str
    kind: str
    payment_id: str
    venue_ms: int
    symbol: str
    amount: str
    asset: str


Note: TypeAlias = Sent | Answered | Ended | ExecutionRow | Refused | Flagged | Reconciled | Opened | Paid


_SQL = {int: "INTEGER", bool: "INTEGER", str: "TEXT"}


class Table(NamedTuple):
    """A table of rows of one kind. key: columns that name a row, "" for rows in the order of arrival."""

    name: str
    row: type
    key: str = ""

    @property
    def columns(self) -> str:
        """The definition of its columns."""
        kinds = get_type_hints(self.row)
        columns = [f"{name} {_SQL[kind]} NOT NULL" for name, kind in kinds.items()]
        return ", ".join([*columns, f"PRIMARY KEY ({self.key})"] if self.key else columns)

    def insert(self, count: int = 1) -> str:
        """The statement that adds rows; a row with a key that is there is ignored."""
        places = f"({', '.join('?' * len(get_type_hints(self.row)))})"
        word = "INSERT OR IGNORE" if self.key else "INSERT"
        return f"{word} INTO {self.name} VALUES {', '.join([places] * count)}"


#: Without a key: one page less is written in each step. The journal itself refuses a request that it had.
INTENTS = Table("intents", Intent)
NOTES = (
    Table("sent", Sent),
    Table("answers", Answered),
    Table("ends", Ended, "run, leg, placed"),
    Table("executions", ExecutionRow, "run, leg, placed, execution_id"),
    Table("refusals", Refused),
    Table("flags", Flagged),
    Table("reconciliations", Reconciled),
    Table("openings", Opened),
    Table("payments", Paid, "account, kind, payment_id"),
)


def definitions() -> list[str]:
    """The statements that make an empty journal."""
    made = [
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE runs (run INTEGER PRIMARY KEY, command TEXT NOT NULL, version TEXT NOT NULL, folder TEXT NOT "
        "NULL, config_hash TEXT NOT NULL, started_ns INTEGER NOT NULL)",
        "CREATE TABLE run_ends (run INTEGER PRIMARY KEY, ended_ns INTEGER NOT NULL, outcome TEXT NOT NULL)",
        "CREATE TABLE legs (run INTEGER NOT NULL, leg INTEGER NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL, "
        "account TEXT NOT NULL, tick TEXT NOT NULL, lot TEXT NOT NULL, base TEXT NOT NULL, quote TEXT NOT NULL, "
        "is_spot INTEGER NOT NULL, PRIMARY KEY (run, leg)) WITHOUT ROWID",
    ]
    for table in (INTENTS, *NOTES):
        made.append(f"CREATE TABLE {table.name} ({table.columns}){' WITHOUT ROWID' if table.key else ''}")
    for name in ("runs", "run_ends", "legs", *(table.name for table in (INTENTS, *NOTES))):
        made += [
            f"CREATE TRIGGER {name}_{act.lower()} BEFORE {act} ON {name} "
            "BEGIN SELECT RAISE(ABORT, 'rows of the journal do not change'); END"
            for act in ("UPDATE", "DELETE")
        ]
    return [*made, f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {VERSION}"]

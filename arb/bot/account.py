"""What an asset's account has beside hftbacktest's state values: funding, and fees that are not taken from the quote.

hftbacktest's engine knows none of it: its bots give zeros. A live bot's world keeps one record per asset, which the
slot `account_values` of the function table points to.
"""

from __future__ import annotations

import numpy as np

from arb.bot.cache import bot_compiled
from arb.bot.memory import record_view

#: Sums since the start of the run. funding: received less paid, in quote, contained in the state's `balance`.
#: base_fee: base that purchases cost, not contained in the state's `position`. other_fee: units of the fee asset if it
#: is neither base nor quote. other_value: their value in quote at the fills, contained in the state's `fee` although
#: it has not left the quote cash.
ACCOUNT = np.dtype([("funding", "f8"), ("base_fee", "f8"), ("other_fee", "f8"), ("other_value", "f8")])

#: A change of an account that follows from no order's price and quantity alone: a funding payment, or the fee of a
#: fill whose fee asset is not the quote, or that is known as charged. Times are the venue's and that of receipt.
#: fill_no: place of the fill in the log of fills, -1 for none. qty, price: of the fill; of a payment the position and
#: the mark price. rate: of the fee, or of the funding. value: the fee in quote at the fill; of a payment the quote
#: received. quote: fee taken from the quote cash; of a payment its value. base, other: fee taken from those.
CHARGE = np.dtype(
    [
        ("asset_no", "i8"),
        ("is_funding", "i8"),
        ("fill_no", "i8"),
        ("order_id", "u8"),
        ("exch_ts", "i8"),
        ("received_ts", "i8"),
        ("qty", "f8"),
        ("price", "f8"),
        ("rate", "f8"),
        ("value", "f8"),
        ("quote", "f8"),
        ("base", "f8"),
        ("other", "f8"),
    ],
    align=True,
)

#: The account at `address`.
account_at = record_view(ACCOUNT)
#: The charge at `address`.
charge_at = record_view(CHARGE)


@bot_compiled
def account_of(bot, asset_no):
    """The account of one asset, a record of `ACCOUNT`; valid as long as the bot is open."""
    return account_at(bot.c_account_values(np.uint64(asset_no)))

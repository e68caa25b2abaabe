"""Return codes of the bot's methods: hftbacktest's own, and ours from 20 on. Plain integers, for Numba."""

#: Done, or the timeout was reached.
OK = 0
#: The data ended, or the bot was stopped or closed: the strategy should return.
END_OF_DATA = 1
#: `wait_next_feed`: a market event arrived.
MARKET_FEED = 2
#: `wait_next_feed`: an order response arrived.
ORDER_RESPONSE = 3

#: Submit: an order with this id is in the local order dictionary.
ORDER_ID_EXISTS = 10
#: Cancel or modify: a request for this order is in flight.
REQUEST_IN_PROCESS = 11
#: Cancel or modify: no such order, or (ours) one that is filled, cancelled, expired or rejected.
ORDER_NOT_FOUND = 12
#: Submit: an unsupported order type or time in force. Submit or modify: an invalid price or quantity.
INVALID_ORDER_REQUEST = 13
#: hftbacktest's exchange model found an order in an invalid state; every later wait returns this code again.
INVALID_ORDER_STATUS = 14

#: Submit or modify: refused by an order-level limit, nothing was sent. Ours.
LIMIT_EXCEEDED = 20

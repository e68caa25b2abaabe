"""Real accounts before the first order: what venues say about them, whether a session may trade on them.

`start` runs the checks in their order; `checks` decides, without sockets, what a session accepts; `binance` and `bybit`
ask the venues through ccxt (`ccxt_client`), which only `arb live` and `arb doctor --live` import. Orders, their queries
and user events are not here: their wire is `connectors`. Knows no session, feed or strategy. Start reading at `facts`.
"""

"""Order entry and accounts of a venue in one form: requests, answers and events, their numbers and signatures.

Pure: bytes and times in, bytes and records out. The wire forms are in `connectors.binance` and `connectors.bybit`, the
sockets in `connectors.trade`. Start with `model`, then `protocol`.
"""

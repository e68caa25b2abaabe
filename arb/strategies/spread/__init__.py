"""The spread strategy: buys one leg and sells the other when the edge across two books exceeds its threshold.

Imports only NumPy, Numba and hftbacktest's constants; it knows no world, and no clock except the bot's. Start with
`strategy.run`, then `hedge` for one attempt from its two orders until it is flat.
"""

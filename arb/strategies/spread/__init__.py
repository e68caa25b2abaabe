"""The spread strategy: buys one leg and sells the other when the edge between two books pays for its costs.

Imports NumPy, Numba and hftbacktest's constants only; it knows no world and no clock but the bot's. Start with
`strategy.run`, then `hedge` for one attempt from its two orders to flat.
"""

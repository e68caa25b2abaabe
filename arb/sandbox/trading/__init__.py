"""Trading in the sandbox: requests become orders, matching and accounts are joined, events are delivered. Pure.

No venue's words: the venues' folders of `arb.sandbox.serve` translate. Start with `desk`, then `state`.
"""

"""Accounts of the sandbox: keys, balances, positions, fees, margin and funding, in exact decimals. Pure.

No matching of orders and no venue's words. Start with `account`.
"""

"""Binance spot with accounts: orders, account, wallet endpoints, user data, as tables of operations. Pure.

Start with `operations`. An operation is shared by REST and the websocket API.
"""

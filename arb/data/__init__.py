"""Recorded and downloaded data: finding days, checking them, and deriving event rows from them.

`catalog` finds days, `recordings` writes and finishes live ones, `download` fetches public archives, `archives` and
`text` read files, `rows` converts and caches, `check` finds faults. It knows nothing of strategies and orders. Start
with `rows.convert`.
"""

"""Recorded and downloaded data: which days there are, what is wrong with them, and the event rows derived from them.

`catalog` finds days, `recordings` writes and finishes live ones, `download` fetches public archives, `archives` and
`text` read files, `rows` converts and caches, `check` judges. It knows no strategy and no order. Start with
`rows.convert`.
"""

"""What a session on an account has done, on disk: requests before they are sent, and what became of them.

One SQLite file for each environment of a state directory, append-only, with the account locks and halt flags beside it.
It must not know a desk, a socket or a strategy: sessions hand it rows (`schema`). Start with `schema`, then `journal`,
which writes; `reader` is for commands and for the start of the next session.
"""

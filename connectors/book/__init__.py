"""Builds one book in sync from decoded messages: id checks, timestamps, and fusion of depth with BBO.

`sequence` checks each message by the venue's ids, `rows` and `sync` hold or emit its rows, `timestamps` corrects them
to the venue's clock, and `fused` merges two streams into one book. Pure: no socket, no clock, no file. Recordings and
live feeds use the same code. Start with `sync.BookSync`.
"""

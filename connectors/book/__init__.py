"""From decoded messages to one proven book: ids, timestamps, and the fusion of depth with best bid and offer.

`sequence` judges each message by the venue's ids, `rows` and `sync` hold or pass its rows, `timestamps` puts them on
the venue's clock, and `fused` makes one book of two streams. Pure: no socket, no clock, no file. Recordings and live
feeds use the same code. Start with `sync.BookSync`.
"""

"""Live market data of one venue: decodes frames to rows, keeps books in sync, tracks clocks and stream status.

`feed.Feed` drives everything on an event loop; `frame_loop` decodes and applies frames in one compiled call, `pipeline`
finishes those that it leaves, `recovery` requests books again. Sockets belong to `connectors.net`. Start with `feed`.
"""

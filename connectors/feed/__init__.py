"""Live market data of one venue: decodes frames to rows, keeps books in sync, tracks clocks and stream status.

`feed.Feed` drives everything on an event loop; `pipeline` processes the frames of one instrument, `fast_path` does the
same for all frames of one socket read. Sockets belong to `connectors.net`. Start with `feed`, then `pipeline`.
"""

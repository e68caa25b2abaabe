"""One venue's market data, live: frames to rows, resynchronisation, snapshots, clocks and the state of each stream.

`feed.Feed` drives it all on an event loop; `pipeline` is the path of one instrument's frames, `fast_path` the same for
all frames of one read. What a socket is, `connectors.net` knows. Start with `feed`, then `pipeline`.
"""

"""Bybit's protocols in the server: sessions, REST, the state of its instruments. Start with `family`."""

"""The venue side: bytes of a venue in, hftbacktest event rows and sequence ids out. Imports nothing of `arb`."""

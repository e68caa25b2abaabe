"""Recordings on disk: finding them, deriving event rows from them, keeping those rows in a cache."""

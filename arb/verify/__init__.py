"""Proves a finished run: derives its rows again, and compares its results with the run folder's.

Only reads run folders and recordings, never changes them. Start with `reconcile`; `session_rows` derives the rows of a
live session from its recording.
"""

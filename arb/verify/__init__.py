"""Proving a finished run: its rows derived again, and its results compared with the run folder's.

It only reads run folders and recordings, and never changes them. Start with `reconcile`; `session_rows` derives the
rows of a live session from its recording.
"""

"""Records the frames of a feed, so that a killed process loses nothing.

Frames are stored in plain-text journals until they are compressed into the day's gzip file. It never decodes a frame,
and the row cache does not depend on it. Start with `recorder`.
"""

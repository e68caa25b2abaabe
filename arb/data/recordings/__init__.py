"""Recording what a feed receives, so that a killed process loses nothing.

Frames are in plain-text journals until they are members of the day's gzip file. It never decodes a frame, and the row
cache does not depend on it. Start with `recorder`.
"""

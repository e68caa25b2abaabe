"""Limits of the replay speed of a recorded or simulated market.

Imports nothing: options are checked before anything is loaded.
"""

from __future__ import annotations

#: Multiples of real time.
SPEED_MIN, SPEED_MAX = 0.01, 10_000.0

"""How fast a recorded or simulated market may be told again.

Imports nothing: options are checked before anything is loaded.
"""

from __future__ import annotations

#: Times as fast as it happened.
SPEED_MIN, SPEED_MAX = 0.01, 10_000.0

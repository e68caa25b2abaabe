"""Nanoseconds per unit of time. All times and spans are int64 nanoseconds; durations are written as `5 * SECOND`."""

from __future__ import annotations

MICROSECOND = 1_000
MILLISECOND = 1_000 * MICROSECOND
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

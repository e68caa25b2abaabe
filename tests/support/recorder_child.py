"""A process that records what it is fed and acknowledges each piece once the recorder has taken it.

Arguments: folder, segment_s, tick_s. Input lines: `F|E venue symbol ts text`.
Output: a line with the number of pieces taken so far, or `error ...` at the end of the input.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from arb.data.recordings.recorder import Recorder


def main() -> None:
    folder, segment_s, tick_s = sys.argv[1:]
    # A feed is idle most of the time; this one never is, and would leave the recorder's thread waiting.
    sys.setswitchinterval(0.0001)
    recorder = Recorder(Path(folder), segment_s=float(segment_s), tick_s=float(tick_s), reserve_gb=0)
    os.write(1, b"ready\n")
    taken = 0
    for line in sys.stdin.buffer:
        what, venue, symbol, stamp, text = line.rstrip(b"\n").split(b" ", 4)
        if what == b"F":
            recorder.frame(venue.decode(), symbol.decode(), int(stamp), text)
        else:
            recorder.event(venue.decode(), symbol.decode(), int(stamp), "test", text)
        if recorder.error is None:
            taken += 1
            os.write(1, b"%d\n" % taken)
    recorder.close()
    os.write(1, f"error {recorder.error}\n".encode())


if __name__ == "__main__":
    main()

"""A Dask cluster on this machine for a sweep, as a process of its own: prints its address, then a worker's end.

    python -m support.dask_sweep RESULTS TOTAL

Two workers; one is killed once the file RESULTS has lines, of TOTAL to come. Ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from distributed import LocalCluster


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(results: Path, total: int) -> None:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        pid = next(iter(cluster.workers.values())).pid
        _say(cluster.scheduler_address)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            lines = results.read_bytes().count(b"\n") if results.exists() else 0
            if lines:
                os.kill(pid, signal.SIGKILL)
                _say(f"killed after {lines} of {total}")
                break
            time.sleep(0.01)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

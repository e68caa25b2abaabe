"""Jobs on the workers of a Dask cluster, results in order: the one module that knows Dask.

Workers run the same function as threads do. A job of a lost worker runs again on another one; results are taken in the
order of the jobs, so a sweep's table does not depend on who ran what.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from arb.errors import InputError

Result = TypeVar("Result")

#: Jobs of one task: enough that their transport costs nothing beside them.
_CHUNK = 4
#: Tasks per worker thread that may be begun beyond the first unfinished one.
_AHEAD = 3
#: How long a scheduler may take to answer.
_TIMEOUT_S = 10.0
#: How often a task may be begun again after its worker was lost.
_RETRIES = 3


def in_order(
    address: str, jobs: Iterable[Any], work: Callable[[Any, list[Any]], list[Result]], common: Any
) -> Iterator[Result]:
    """The results of the jobs, in their order. work: gets `common` and some of the jobs, on a worker; both and the
    function must be picklable. Raises InputError for an address that does not answer, and what `work` raises."""
    client = _client_of(address)
    with client:
        scattered = client.scatter(common, broadcast=True)
        waiting: deque[Any] = deque()
        source = iter(jobs)
        while True:
            threads = sum(client.nthreads().values()) or 1
            while len(waiting) < threads * _AHEAD and (chunk := list(itertools.islice(source, _CHUNK))):
                waiting.append(client.submit(work, scattered, chunk, pure=False, retries=_RETRIES))
            if not waiting:
                return
            yield from _result(waiting.popleft(), address)


def _client_of(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError('--dask needs Dask: install it with pip install "hftarb[sweep]"') from None
    try:
        _connect(address)
        return Client(address, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = text.splitlines()[0]
        raise InputError(f"--dask {address}: no scheduler answers: {reason}") from None


def _connect(address: str) -> None:
    """Raises OSError at once where nothing listens: Dask tries again until its time is over."""
    _, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if host and port.isdecimal():
        with contextlib.closing(socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_S)):
            pass


def _result(future: Any, address: str) -> Any:
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except (KilledWorker, CancelledError) as error:
        raise InputError(
            f"--dask {address}: workers end while they run a set, or the scheduler is gone "
            f"({type(error).__name__}); what is done is kept"
        ) from None

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
    address: str,
    jobs: Iterable[tuple[Any, ...]],
    work: Callable[[Any, list[Any]], list[Result]],
    common: Any,
    ahead: int | None = None,
) -> Iterator[Result]:
    """The results of the jobs, in their order. jobs: tuples that begin with the set's number.
    ahead: as of `arb.sweep.pool.in_order`.

    work: gets `common` and some of the jobs, on a worker; both and the function must be picklable. Raises InputError
    for an address that does not answer, and what `work` raises.
    """
    client = _client_of(address)
    with client:
        scattered = client.scatter(common, broadcast=True)
        waiting: deque[Any] = deque()
        source = iter(jobs)
        while True:
            threads = sum(client.nthreads().values()) or 1
            most, size = (threads * _AHEAD, _CHUNK) if ahead is None else (ahead, 1)
            while len(waiting) < most and (chunk := list(itertools.islice(source, size))):
                future = client.submit(work, scattered, chunk, pure=False, retries=_RETRIES)
                waiting.append((future, [int(job[0]) for job in chunk]))
            if not waiting:
                return
            future, numbers = waiting.popleft()
            yield from _result(future, numbers, address)


def reach(address: str) -> None:
    """Raises InputError at once for an address at which nothing listens: Dask tries again until its time is over."""
    _dask()
    _, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        with contextlib.closing(socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_S)):
            pass
    except (OSError, OverflowError) as error:
        raise _silent(address, error) from None


def _client_of(address: str) -> Any:
    try:
        return _dask().Client(address, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise _silent(address, error) from None


def _dask() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError('--dask needs Dask: install it with pip install "hftarb[sweep]"') from None
    return distributed


def _silent(address: str, error: Exception) -> InputError:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"--dask {address}: no scheduler answers: {text.splitlines()[0]}")


def _result(future: Any, numbers: list[int], address: str) -> Any:
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except (KilledWorker, CancelledError) as error:
        raise InputError(
            f"--dask {address}: {_reason(error, numbers)}; what is done is kept, the same command continues it"
        ) from None


def _reason(error: Exception, numbers: list[int]) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return f"workers end while they run one of the sets {', '.join(map(str, numbers))}"
    return f"the scheduler is gone ({type(error).__name__})"

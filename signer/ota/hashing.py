"""Hashes several byte ranges of a file in one pass, on two threads."""

import hashlib
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from signer.ota.errors import ContainerError

# A chunk is so large that passing it to another thread costs little compared with hashing it.
# Enough chunks are read ahead that no thread waits for another on a busy machine.
_CHUNK, _AHEAD = 1 << 20, 16
THREADS = 2

Progress = Callable[[int, int], None]


class Hasher(Protocol):
    """Consumes the bytes of runs, like a hash object."""

    def update(self, data: memoryview, /) -> None:
        """Add the next bytes."""

    def digest(self) -> bytes:
        """Return the result."""


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes `start` to `stop` of the file; adjacent runs of a track with one key share a hash.

    With `mark`, the key's digest at the end of this run is also kept under that name, so that two
    hashes that begin with the same bytes cost only one.
    """

    start: int
    stop: int
    key: Hashable
    mark: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """Runs in file order that do not overlap; `make` returns a new hash for a key.

    `weight` is the cost of a byte relative to SHA-256.
    """

    runs: Sequence[Run]
    make: Callable[[Hashable], Hasher] = lambda _: hashlib.sha256()
    weight: float = 1.0

    @property
    def cost(self) -> float:
        """The relative work of the track."""
        return self.weight * sum(run.stop - run.start for run in self.runs)


class _Progressing:
    """A track whose bytes are being read, and the digest of each completed key."""

    def __init__(self, track: Track) -> None:
        self._runs = iter(track.runs)
        self._run = next(self._runs, None)
        self._make = track.make
        self._hasher: Hasher | None = None
        self.digests: dict[Hashable, bytes] = {}

    def feed(self, chunk: memoryview, offset: int) -> None:
        stop = offset + len(chunk)
        while self._run is not None and self._run.start < stop:
            run = self._run
            if self._hasher is None:
                self._hasher = self._make(run.key)
            self._hasher.update(chunk[max(0, run.start - offset) : run.stop - offset])
            if run.stop > stop:
                return
            self._run = next(self._runs, None)
            if run.mark is not None:
                self.digests[run.mark] = self._hasher.digest()
            if self._run is None or self._run.key != run.key:
                self.digests[run.key] = self._hasher.digest()
                self._hasher = None


def _shares(tracks: Iterable[Track]) -> list[list[_Progressing]]:
    """Divide the tracks among the threads, the costliest first, each to the least loaded."""
    shares: list[list[_Progressing]] = [[] for _ in range(THREADS)]
    costs = [0.0] * THREADS
    for track in sorted(tracks, key=lambda each: each.cost, reverse=True):
        least = costs.index(min(costs))
        shares[least].append(_Progressing(track))
        costs[least] += track.cost
    return shares


def _feed(share: Iterable[_Progressing], chunk: bytes, offset: int) -> None:
    for track in share:
        track.feed(memoryview(chunk), offset)


def hash_runs(
    stream: BinaryIO, length: int, tracks: Sequence[Track], progress: Progress | None = None
) -> dict[Hashable, bytes]:
    """Read the first `length` bytes of `stream` once and return the digest of every key.

    Keys are unique across all tracks. Each thread hashes its share of the tracks, while the file is
    read up to 16 MiB ahead; a file of one chunk needs no threads. `progress` is called with the
    bytes read and the total. Raises ContainerError when the file ends before `length`.
    """
    shares = _shares(tracks)
    pending: deque[Future[None]] = deque()
    stream.seek(0)
    done = 0
    with ExitStack() as stack:
        # A pool of one thread processes its chunks in order.
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in shares if length > _CHUNK]
        while done < length:
            chunk = stream.read(min(_CHUNK, length - done))
            if not chunk:
                raise ContainerError(
                    "The file became shorter while it was read; no other program may write to it."
                )
            while len(pending) >= _AHEAD * THREADS:
                pending.popleft().result()
            pending.extend(
                pool.submit(_feed, share, chunk, done)
                for pool, share in zip(pools, shares, strict=False)
            )
            for share in shares[len(pools) :]:
                _feed(share, chunk, done)
            done += len(chunk)
            if progress is not None:
                progress(done, length)
        for future in pending:
            future.result()
    found: dict[Hashable, bytes] = {}
    for share in shares:
        for track in share:
            found |= track.digests
    return found

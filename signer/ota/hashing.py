"""Hashes several runs of a file in one reading."""

import hashlib
import zlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

_CHUNK = 1 << 20

Progress = Callable[[int, int], None]


class Hasher(Protocol):
    """What a run's bytes are fed to."""

    def update(self, data: memoryview, /) -> None:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """Return the result."""


class Crc32:
    """The checksum of zip files behind the interface of a hash; `digest` is 4 bytes big-endian."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        """Take the next bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum."""
        return self._value.to_bytes(4)


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes `start` to `stop` of the file; runs of one key are hashed one after the other."""

    start: int
    stop: int
    key: Hashable


class _Track:
    """Runs that follow one another in the file, and the hash of each key."""

    def __init__(self, runs: Iterable[Run], make: Callable[[], Hasher]) -> None:
        self._runs = iter(runs)
        self._run = next(self._runs, None)
        self._make = make
        self.hashes: dict[Hashable, Hasher] = {}

    def feed(self, chunk: memoryview, offset: int) -> None:
        stop = offset + len(chunk)
        while self._run is not None and self._run.start < stop:
            run = self._run
            hasher = self.hashes.get(run.key)
            if hasher is None:
                hasher = self.hashes[run.key] = self._make()
            hasher.update(chunk[max(0, run.start - offset) : run.stop - offset])
            if run.stop > stop:
                return
            self._run = next(self._runs, None)


def hash_runs(
    stream: BinaryIO,
    length: int,
    sha256: Iterable[Iterable[Run]],
    crc32: Iterable[Run] = (),
    progress: Progress | None = None,
) -> dict[Hashable, bytes]:
    """Read the first `length` bytes of `stream` once and return the digest of every key.

    Each track of `sha256` is a series of runs in file order; keys are unique across all tracks.
    `progress` is called with bytes read and bytes in all.
    """
    tracks = [_Track(runs, hashlib.sha256) for runs in sha256]
    tracks.append(_Track(crc32, Crc32))
    stream.seek(0)
    done = 0
    while done < length:
        chunk = stream.read(min(_CHUNK, length - done))
        if not chunk:
            break  # the file became shorter; the hashes will tell
        for track in tracks:
            track.feed(memoryview(chunk), done)
        done += len(chunk)
        if progress is not None:
            progress(done, length)
    return {key: hasher.digest() for track in tracks for key, hasher in track.hashes.items()}

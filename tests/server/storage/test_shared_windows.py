"""Shared windows: one fetch for many readers, limited memory, and independent readers."""

import asyncio
import contextlib
import random

import pytest

from server.storage.errors import StorageError
from server.storage.shared_windows import SharedWindows
from tests.cases import case

PIECES = [b"a", b"b", b"c"]


class Store:
    """Yields pieces when the test allows it, and records requests."""

    def __init__(self):
        self.fetched = []
        self.ended = []
        self.failure = None
        self.gates = {}

    async def fetch(self, key, number):
        """Yield three pieces, each when the test allows it."""
        self.fetched.append((key, number))
        gate = self.gates.setdefault((key, number), asyncio.Semaphore(0))
        try:
            for piece in PIECES:
                await gate.acquire()
                if self.failure is not None:
                    raise self.failure
                yield piece
        finally:
            self.ended.append((key, number))

    def release_pieces(self, key="k", number=0, count=3):
        """Allow this many pieces."""
        gate = self.gates.setdefault((key, number), asyncio.Semaphore(0))
        for _ in range(count):
            gate.release()


@pytest.fixture
def store():
    """Return a store that yields nothing yet."""
    return Store()


async def read(windows, number=0, key="k"):
    """Read a window to its end. None stands for an evicted window."""
    found = []
    with windows.reading(key, number) as window:
        if window is None:
            return None
        while piece := await window.piece(len(found)):
            found.append(piece)
    return found if piece is not None else [*found, None]


async def run_ready_tasks():
    """Let all ready tasks run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_readers_share_a_fetch(store):
    """A hundred simultaneous readers and a later one share a single fetch."""
    windows = SharedWindows(store.fetch, 4)
    readers = [asyncio.create_task(read(windows)) for _ in range(100)]
    await run_ready_tasks()
    store.release_pieces()
    assert await asyncio.gather(*readers) == [PIECES] * 100
    assert await read(windows) == PIECES
    assert store.fetched == [("k", 0)]


async def test_pieces_are_available_immediately(store):
    """A piece is available before the next one was fetched.

    A slow reader delays no other reader.
    """
    windows = SharedWindows(store.fetch, 4)
    with windows.reading("k", 0) as window:
        store.release_pieces(count=1)
        assert await window.piece(0) == b"a"
        later = asyncio.create_task(window.piece(1))
        await run_ready_tasks()
        assert not later.done()
        store.release_pieces(count=2)
        assert await later == b"b"
        assert await read(windows) == PIECES
        store.release_pieces(number=1)
        assert await read(windows, 1) == PIECES
        assert await window.piece(2) == b"c"
        assert await window.piece(3) == b""  # after the end


async def test_failed_fetch_raises_for_waiting_readers(store):
    """A failed fetch raises an own error for each waiting reader; the next one fetches again."""
    windows, seen = SharedWindows(store.fetch, 4), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: seen.append(context))
    for failure in (StorageError("the S3 store does not answer."), RuntimeError("a bug")):
        store.failure = failure
        readers = [asyncio.create_task(read(windows)) for _ in range(3)]
        await run_ready_tasks()
        store.release_pieces()
        errors = await asyncio.gather(*readers, return_exceptions=True)
        assert {type(error) for error in errors} == {StorageError}
        if isinstance(failure, StorageError):
            assert [str(error) for error in errors] == [str(failure)] * 3
        assert len({id(error) for error in errors}) == 3
        store.gates.clear()
    store.failure = None
    store.release_pieces()
    assert await read(windows) == PIECES
    assert store.fetched == [("k", 0)] * 3


async def test_pieces_before_a_failure(store):
    """Pieces from before a failure can be read; a reader that waits for more gets the error."""
    windows = SharedWindows(store.fetch, 4)
    with windows.reading("k", 0) as window:
        store.release_pieces(count=1)
        assert await window.piece(0) == b"a"
        store.failure = StorageError("cut off.")
        store.release_pieces(count=1)
        await run_ready_tasks()
        assert await window.piece(0) is None
        with pytest.raises(StorageError, match="cut off"):
            await window.piece(1)


async def test_fetch_without_readers_is_cancelled(store):
    """Without readers the fetch is cancelled, and a later reader starts a new one.

    A reader that comes at the same moment gets a new fetch, too.
    """
    windows = SharedWindows(store.fetch, 4)
    readers = [asyncio.create_task(read(windows)) for _ in range(2)]
    await run_ready_tasks()
    for reader in readers:
        reader.cancel()
    await run_ready_tasks()
    assert store.ended == [("k", 0)]
    assert not windows.has("k", 0)
    store.release_pieces()
    assert await read(windows) == PIECES
    assert store.fetched == [("k", 0)] * 2
    first = asyncio.create_task(read(windows, 1))
    await run_ready_tasks()
    first.cancel()
    second = asyncio.create_task(read(windows, 1))
    store.release_pieces(number=1, count=6)
    assert await second == PIECES


async def test_least_recently_used_window_is_evicted(store):
    """Among windows without readers, the least recently used one is evicted."""
    windows = SharedWindows(store.fetch, 2)
    for number in (0, 1, 0, 2):  # 1 was read before 0 was read again
        store.release_pieces(number=number)
        assert await read(windows, number) == PIECES
    assert [windows.has("k", number) for number in range(3)] == [True, False, True]


async def test_windows_with_readers_are_kept(store):
    """If all windows are being read, a new reader gets none, and no reader loses its window."""
    windows = SharedWindows(store.fetch, 2)
    with windows.reading("k", 0) as first, windows.reading("k", 1) as second:
        store.release_pieces(number=0)
        store.release_pieces(number=1)
        assert (await first.piece(0), await second.piece(0)) == (b"a", b"a")
        assert await read(windows, 2) is None
        assert (await first.piece(1), await second.piece(1)) == (b"b", b"b")
    assert store.fetched == [("k", 0), ("k", 1)]


async def test_window_of_a_slow_reader_is_evicted(store, monkeypatch):
    """A slow reader's window is evicted if another one is needed; the reader gets None."""
    monkeypatch.setattr("server.storage.shared_windows.MOMENT", 0.0)
    windows = SharedWindows(store.fetch, 1)
    with windows.reading("k", 0) as slow:
        store.release_pieces()
        assert await slow.piece(0) == b"a"
        store.release_pieces(number=1)
        assert await read(windows, 1) == PIECES
        assert await slow.piece(1) is None
        assert slow._pieces == []
    assert windows.has("k", 1)


async def test_window_evicted_during_its_fetch(store, monkeypatch):
    """If a window is evicted while it is fetched, the fetch ends and its readers get None."""
    monkeypatch.setattr("server.storage.shared_windows.MOMENT", 0.0)
    windows = SharedWindows(store.fetch, 1)
    waiting = asyncio.create_task(read(windows))
    await run_ready_tasks()
    with windows.reading("k", 0) as window:
        store.release_pieces(number=1)
        assert await read(windows, 1) == PIECES
        assert await waiting == [None]
        assert store.ended[0] == ("k", 0)
        assert await window.piece(2) is None


async def test_limit_holds_with_random_readers():
    """With random readers the limit holds, and each reader gets its pieces or None."""
    for seed in range(20):
        with case(seed):
            await read_at_random(random.Random(seed))


async def read_at_random(choose):
    """Let random readers begin and end, and the store yield random pieces."""
    store = Store()
    windows, most = SharedWindows(store.fetch, 3), 0
    tasks = []
    for _ in range(200):
        number = choose.randrange(8)
        action = choose.randrange(4)
        if action < 2:
            tasks.append(asyncio.create_task(read(windows, number)))
        elif action == 2:
            store.release_pieces(number=number, count=choose.randrange(4))
        elif tasks:
            choose.choice(tasks).cancel()
        await asyncio.sleep(0)
        most = max(most, len(windows._windows))
    for number in range(8):
        store.release_pieces(number=number, count=1000)
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            assert await task in (PIECES, None)
    assert most <= 3
    assert len(windows._windows) <= 3

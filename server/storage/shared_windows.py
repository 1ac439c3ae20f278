"""Windows of remote blobs, each fetched once for all its readers, in bounded memory.

A window is fetched at full speed, however slow its readers are; they take its first pieces
meanwhile. If another window needs the memory, a window is dropped that has no readers, or whose
readers have not used it for `MOMENT`: these then fetch for themselves. If there is no such window,
the new reader fetches for itself. No reader waits for another. Readers hold the piece that they
received, never the window.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator

from server.storage.errors import StorageError

MOMENT = 1.0  # seconds; a client at 64 KB/s takes a piece in this time

Fetch = Callable[[str, int], AsyncGenerator[bytes, None]]


class Window:
    """A window being fetched or complete: its pieces, all of one length except the last."""

    def __init__(self, touch: Callable[[], None]) -> None:
        self.readers = 0
        self.touched = 0.0
        self.task: asyncio.Task[None] | None = None
        self._touch = touch
        self._pieces: list[bytes] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._arrived = 0  # pieces that had arrived when it was dropped
        self._is_ended = False
        self._is_dropped = False
        self._failure = ""

    async def piece(self, number: int) -> bytes | None:
        """Return a piece once it has arrived: b"" after the end, None if the window was dropped.

        Raises StorageError if it cannot be fetched.
        """
        while not self._is_ended and number >= len(self._pieces):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)
        if number < len(self._pieces):
            self._touch()
            return self._pieces[number]
        if self._failure and number >= self._arrived:
            raise StorageError(self._failure)
        return None if self._is_dropped else b""

    def add(self, piece: bytes) -> None:
        """Append the next piece."""
        self._pieces.append(piece)
        self._wake()

    def end(self, failure: str = "") -> None:
        """End the fetch: the window is complete, or it failed and is empty."""
        self.task = None
        if failure and not self._is_dropped:
            self._failure = failure
            self.give_up()
        self._is_ended = True
        self._wake()

    def give_up(self) -> None:
        """Drop the pieces; waiting readers get None, or the error of a failed fetch."""
        self._arrived = max(self._arrived, len(self._pieces))
        self._is_ended = self._is_dropped = True
        self._pieces = []
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


class SharedWindows:
    """The windows of one store; all calls must come from one event loop.

    `fetch(key, number)` yields a window's pieces. At most `kept` windows are in memory or being
    fetched; the least recently read is dropped first.
    """

    def __init__(self, fetch: Fetch, capacity: int) -> None:
        self._fetch = fetch
        self._capacity = capacity
        self._windows: OrderedDict[tuple[str, int], Window] = OrderedDict()

    def has(self, key: str, number: int) -> bool:
        """Answer whether a window is in memory or being fetched."""
        return (key, number) in self._windows

    @contextlib.contextmanager
    def reading(self, key: str, number: int) -> Iterator[Window | None]:
        """Yield a window, complete or being fetched; without readers the fetch is cancelled.

        Yields None if there is no room for it.
        """
        name = key, number
        window = self._windows.get(name) or self._begin(name)
        if window is None:
            yield None
            return
        window.readers += 1
        try:
            yield window
        finally:
            window.readers -= 1
            if window.readers == 0 and window.task is not None:
                self._give_up(name, window)

    def _begin(self, name: tuple[str, int]) -> Window | None:
        loop = asyncio.get_running_loop()
        if len(self._windows) >= self._capacity and not self._make_room(loop.time()):
            return None

        def touch() -> None:
            window.touched = loop.time()
            if self._windows.get(name) is window:
                self._windows.move_to_end(name)

        window = self._windows[name] = Window(touch)
        touch()
        window.task = loop.create_task(self._fill(name, window))
        return window

    def _make_room(self, now: float) -> bool:
        for name, window in self._windows.items():
            if window.readers == 0 or now - window.touched >= MOMENT:
                self._give_up(name, window)
                return True
        return False

    def _give_up(self, name: tuple[str, int], window: Window) -> None:
        if self._windows.get(name) is window:
            del self._windows[name]
        window.give_up()
        if window.task is not None:
            window.task.cancel()

    async def _fill(self, name: tuple[str, int], window: Window) -> None:
        failure = "the request to the S3 store was cancelled."
        try:
            async with contextlib.aclosing(self._fetch(*name)) as pieces:
                async for piece in pieces:
                    window.add(piece)
            failure = ""
        except StorageError as error:
            failure = str(error)
        finally:
            window.end(failure)
            if failure and self._windows.get(name) is window:  # the next reader tries again
                del self._windows[name]

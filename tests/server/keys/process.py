"""A key process inside the test's process: a thread with its own loop and a real socket."""

import asyncio
import contextlib
import shutil
import threading
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

from server.keys.record import open_record
from server.keys.service import KeyService, serving
from server.publisher.keys.holder import KeyFolder
from server.publisher.verify import RoleVersion
from server.storage.layout import StateFolder
from tests.server.world import World


class KeyProcess:
    """A key process with keys and record in `folder`, which can be restarted."""

    def __init__(self, folder: Path, world: World) -> None:
        self.keys, self.record = folder / "keys", folder / "record"
        self.socket = folder / "run" / "keys.sock"
        self.ahead = timedelta()  # of its clock, compared with the publisher's
        self._world = world
        self._root = world.folder.trusted_root.read_bytes()
        self._stack = contextlib.ExitStack()

    def start(self, after_record=lambda: None):
        """Start the process and return it."""
        self._stack.enter_context(self._running(after_record))
        return self

    def stop(self) -> None:
        """Stop the process."""
        self._stack.close()

    @contextlib.contextmanager
    def opened(self):
        """Yield the service without a socket."""
        record = open_record(self.record, self._root)
        with contextlib.closing(record):
            yield KeyService(KeyFolder(self.keys), record, self._now)

    def _now(self):
        return self._world.now() + self.ahead

    @contextlib.contextmanager
    def _running(self, after_record):
        record = open_record(self.record, self._root)
        service = KeyService(KeyFolder(self.keys), record, self._now, after_record)
        ready: Future = Future()

        async def serve() -> None:
            stop = asyncio.Event()
            async with serving(service, self.socket):
                ready.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                if ready.done():
                    raise
                ready.set_exception(error)

        with contextlib.closing(record):
            thread = threading.Thread(target=run)
            thread.start()
            loop, stop = ready.result()
            try:
                yield
            finally:
                loop.call_soon_threadsafe(stop.set)
                thread.join()


def public_roles(world: World) -> list[RoleVersion]:
    """Return the public state as the publisher sends it, the timestamp last."""
    published = world.published()
    versions = {**published.versions(), "snapshot": published.snapshot.version, "root": 1}
    metadata = world.folder.public / "metadata"
    files = [
        RoleVersion(r, v, (metadata / f"{v}.{r}.json").read_bytes()) for r, v in versions.items()
    ]
    data = (metadata / "timestamp.json").read_bytes()
    return [*files, RoleVersion("timestamp", published.timestamp.version, data)]


def move_keys(world: World, folder: Path) -> KeyProcess:
    """Move a world's keys to a key process in `folder`, and return it before it is started."""
    process = KeyProcess(folder, world)
    folder.mkdir(mode=0o700)
    shutil.move(world.folder.keys, process.keys)
    world.folder = StateFolder(world.folder.root, world.folder.database_url, str(process.socket))
    return process

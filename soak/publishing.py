"""The server's state folder, and the releases that are published under load."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.core.bundle import decode_result
from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.publisher import Publisher
from server.storage.local_blobs import LocalBlobs
from soak.load import BLOCK
from soak.waiting import holds_within, is_set_within
from tests.server.ceremony import release
from tests.server.world import FIRST, World, make_world

BETWEEN_SECONDS = 3.0
PACKAGE = random.Random(4711).randbytes(3 * BLOCK + 4711)
RESULT_SECONDS = 30.0


class Publishing:
    """Submits a version of a role every few seconds, and reads the results."""

    def __init__(self, place: Path) -> None:
        self.world: World = make_world(place / "state")
        first = self.world.ceremony.first()
        first["root", 1] = self.world.folder.trusted_root.read_bytes()
        self._publish(first, ())
        role = self.world.ceremony.role("armani", 2, {FIRST: (PACKAGE, release(1))})
        self._publish({("armani", 2): role}, [PACKAGE])
        offer = self.world.offer(1)
        self.world.run(lambda publisher: Publisher.change_pointers(publisher, offer))
        self.submitted: list[str] = []

    @property
    def package(self) -> bytes:
        """The path of the package of several blocks."""
        folder = self.world.folder
        packages = load_snapshot(folder.public, LocalBlobs(folder.blobs), EMPTY).packages
        return next(path for path, each in packages.items() if each.length).encode()

    async def run(self, stop: asyncio.Event) -> None:
        """Submit until `stop`."""
        while not await is_set_within(stop, BETWEEN_SECONDS):
            await self.submit()

    async def submit(self) -> None:
        """Submit the next version."""
        version = len(self.submitted) + 2
        files = {("cancro", version): self.world.ceremony.role("cancro", version)}
        self.submitted.append(await asyncio.to_thread(self.world.submit, files))

    async def unpublished(self) -> list[str]:
        """Return a reason for each submission that is not published within RESULT_SECONDS."""
        if not await holds_within(lambda: not self._waiting(), RESULT_SECONDS):
            return [f"{bundle} waits" for bundle in self._waiting()]
        reasons = [self._reason(bundle) for bundle in self.submitted]
        return [reason for reason in reasons if reason]

    def _waiting(self) -> list[str]:
        results = self.world.folder.results
        return [each for each in self.submitted if not (results / f"{each}.json").exists()]

    def _reason(self, bundle: str) -> str:
        path = self.world.folder.results / f"{bundle}.json"
        return decode_result(path.read_bytes()).reason

    def _publish(self, files: Mapping[tuple[str, int], bytes], packages: Sequence[bytes]) -> None:
        bundle = self.world.submit(files, packages)  # type: ignore[no-untyped-call] # as tests are
        self.world.run(Publisher.process_incoming)  # type: ignore[no-untyped-call]
        if reason := self._reason(bundle):
            raise RuntimeError(reason)

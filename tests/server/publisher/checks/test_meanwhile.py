"""The findings of `check` beside a server that publishes, and after a crash."""

import asyncio

import pytest
from msgspec import structs

from server.publisher.check import check_state
from server.publisher.publisher import Publisher
from server.storage.database import open_database
from server.storage.local_blobs import LocalBlobs
from tests.server.ceremony import release
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND


def share(world, permille):
    """Return the edit that gives the channel another share."""

    def edit(published):
        pointers = published.pointers()
        path = CHANNEL.pointer_path
        schedule = [(world.epoch(), permille)]
        return {**pointers, path: structs.replace(pointers[path], schedule=schedule)}

    return edit


class Busy:
    """A database in which something is published before each read."""

    def __init__(self, sessions, publish):
        self._sessions, self._publish = sessions, publish

    def __call__(self):
        """Give a session that reads after the publication."""
        return BusySession(self._sessions(), self._publish)


class BusySession:
    """A session that begins with a publication."""

    def __init__(self, session, publish):
        self._session, self._publish = session, publish

    async def __aenter__(self):
        await self._publish()
        return await self._session.__aenter__()

    async def __aexit__(self, *error):
        return await self._session.__aexit__(*error)


class BusyBlobs(LocalBlobs):
    """A store that sees a publication before each look-up."""

    def __init__(self, folder, publish):
        super().__init__(folder)
        self._publish = publish

    def lengths(self, names):
        """Answer after the publication."""
        self._publish()
        return super().lengths(names)


async def test_a_server_that_publishes_meanwhile_is_in_order(world):
    """Releases and rollouts published between two reads are no damage."""
    numbers = iter(range(4, 100))
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}

    async def submit():
        number = next(numbers)
        bundle = {("armani", number): world.ceremony.role("armani", number, files)}
        await asyncio.to_thread(world.submit, bundle)
        async with world.publisher() as publisher:
            await publisher.process_incoming()
            await publisher.change_pointers(share(world, number))

    loop = asyncio.get_running_loop()
    async with open_database(world.folder.database) as sessions:
        blobs = BusyBlobs(
            world.folder.blobs,
            lambda: asyncio.run_coroutine_threadsafe(submit(), loop).result(),
        )
        found = await check_state(
            world.folder, Busy(sessions, submit), blobs, world.now(), deep=False
        )
    assert [finding for finding in found if finding.error] == []
    assert next(numbers) > 5  # it was published meanwhile


@pytest.mark.parametrize("step", [3, 4, 5, 6])
async def test_a_publication_that_was_cut_off_is_in_order(world, wrong, step):
    """Wherever a crash occurred, `run` completes the publication, and it is no finding."""

    def crash(done):
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with world.publisher(after_step=crash) as publisher:
            await publisher.change_pointers(share(world, 500))
    assert await wrong(world) == []
    async with world.publisher() as publisher:
        await Publisher.repair(publisher)
    published = await asyncio.to_thread(world.published)
    assert published.pointers()[CHANNEL.pointer_path].schedule[-1][1] == 500
    assert await wrong(world) == []

"""A blob store that does not answer blocks only requests that need it, and no halt."""

import asyncio
import contextlib
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from server.core.bundle import BlobFile, Bundle, RoleFile
from server.publisher.rollout import plan_halt
from server.release.api.operation import Services
from server.settings import Settings
from server.storage.blobs import MAX_THREADS
from server.storage.database import open_database
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE
from tests.server.release.auth.issue import add_account, principal
from tests.server.release.uploads.harness import DATA, SHA256, pieces
from tests.server.world import CHANNEL, PACKAGE_2

PATH = CHANNEL.pointer_path
THREADS = 2  # threads for all other work in these tests
ROLE = RoleFile("armani", 3, SHA256, 1)
NAMING = Bundle(roles=[ROLE], blobs=[BlobFile(SHA256, len(DATA))])


class SilentBlobs(LocalBlobs):
    """A store that does not answer between `silent` and `go`; `asked` counts waiting calls."""

    def __init__(self, folder):
        super().__init__(folder)
        self.silent, self.go = False, threading.Event()
        self.asked, self.answered = threading.Semaphore(0), False

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in {"length", "lengths", "adopt"} and self.silent:
            return partial(self._answer, found)
        return found

    def _answer(self, call, *arguments):
        self.asked.release()
        has_come = self.go.wait(PATIENCE)
        self.answered = True
        assert has_come
        return call(*arguments)


@pytest.fixture
def silent(world):
    """Yield a world with such a store."""
    world.blobs = SilentBlobs(world.folder.blobs)
    yield world
    world.blobs.go.set()


@contextlib.asynccontextmanager
async def services(world, publisher):
    """Yield the API's services with few threads for all other work."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    async with open_database(world.folder.database) as sessions:
        await add_account(sessions, role="engineer")
        settings = Settings(keep_free=0)
        yield Services(world.folder, sessions, publisher, None, world.now, settings, os.urandom)


async def wait_for_calls(world, count):
    """Wait until this many more calls wait for the store."""
    asked, loop = world.blobs.asked, asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:  # the others may hang
        for _ in range(count):
            assert await loop.run_in_executor(thread, partial(asked.acquire, timeout=PATIENCE))


async def halt(world, publisher):
    """Halt the channel."""

    def halted(published):
        return {PATH: plan_halt(CHANNEL, published.pointers()[PATH], {"en": "It drains."})}

    await publisher.change_pointers(halted)
    published = await asyncio.to_thread(world.published)
    assert published.pointers()[PATH].halted


@pytest.mark.parametrize(
    "ask",
    [
        lambda made: made.uploads.blob_length(SHA256),
        lambda made: made.uploads.create(principal(), len(DATA), SHA256),
        lambda made: made.submissions._check_blobs(NAMING),
    ],
)
async def test_halt_during_queries(silent, ask):
    """While more requests than threads wait for the store, a halt is published."""
    async with silent.publisher() as publisher, services(silent, publisher) as made:
        silent.blobs.silent = True
        asked = [asyncio.create_task(ask(made)) for _ in range(MAX_THREADS + THREADS)]
        await wait_for_calls(silent, MAX_THREADS)
        await halt(silent, publisher)
        assert not any(each.done() for each in asked)
        silent.blobs.go.set()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_halt_while_uploads_end(silent):
    """While finished uploads wait for the store, a halt is published."""
    async with silent.publisher() as publisher, services(silent, publisher) as made:
        parts = [DATA + bytes([number]) for number in range(THREADS)]
        states = [
            await made.uploads.create(principal(), len(part), hashlib.sha256(part).hexdigest())
            for part in parts
        ]
        silent.blobs.silent = True
        ends = [
            asyncio.create_task(
                made.uploads.append(principal(), state.id, 0, pieces(part), None, None)
            )
            for state, part in zip(states, parts, strict=True)
        ]
        await wait_for_calls(silent, THREADS)
        await halt(silent, publisher)
        assert not any(end.done() for end in ends)
        silent.blobs.go.set()
        for end in ends:
            state = await end
            assert state.offset == state.length


async def test_halt_after_requests_of_a_bundle_timed_out(silent, monkeypatch):
    """Requests of a bundle that timed out keep their threads, and a halt needs none of these."""
    monkeypatch.setattr("server.storage.blobs.ANSWER_SECONDS", 0.5)
    silent.submit(silent.second_release(), [PACKAGE_2])

    def after_step(step):
        silent.blobs.silent = step == 1

    async with silent.publisher(after_step) as publisher, services(silent, publisher):
        for _ in range(THREADS):
            assert await publisher.process_incoming() == []
            silent.ahead += timedelta(minutes=6)
            await wait_for_calls(silent, 1)
        await halt(silent, publisher)
        assert not silent.blobs.answered
        silent.blobs.go.set()

"""A server's state folder after the key ceremony, with a publisher and a test clock."""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from server.core.bundle import decode_result
from server.core.names import decode_channel
from server.core.release import decode_releases
from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.bundle_importer import open_stores
from server.publisher.inbox import Inbox
from server.publisher.keys.holder import load_log_verifiers
from server.publisher.keys.online_keys import OnlineKeys, create_online_keys, load_online_keys
from server.publisher.lease import LEASE_SECONDS, Lease
from server.publisher.log import Log
from server.publisher.maintenance.rebuild import rebuild
from server.publisher.published import load_published
from server.publisher.publisher import Publisher
from server.publisher.read_back import DiskReadBack
from server.publisher.rollout import plan_halt, plan_offer
from server.release.submissions.submissions import record_end
from server.storage.blobs import BlobStore
from server.storage.database import open_database
from server.storage.durable import make_folder, write_durable
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.room import Room
from server.storage.tree import LocalTree, Tree
from tests.server.ceremony import Ceremony, release, write_bundle

ORIGIN = "hening.example/log"
CHANNEL = decode_channel("armani/id/stable")
FIRST = "armani/id/stable/armani-1.zip"
SECOND = "armani/id/stable/armani-2.zip"
PACKAGE_1 = b"PK\x03\x04" + bytes(range(256)) * 40
PACKAGE_2 = b"PK\x03\x04" + bytes(range(255, -1, -1)) * 50


def clock():
    """Return the real time, which the audit's own TUF client reads, too."""
    return datetime.now(UTC)


@dataclass
class World:
    """A server's state folder, its keys, the ceremony, and a test clock."""

    folder: StateFolder
    keys: OnlineKeys
    ceremony: Ceremony
    ahead: timedelta = timedelta()
    alarms: list[str] = field(default_factory=list)
    blobs: BlobStore | None = None
    tree: Tree | None = None
    lease_seconds: int = LEASE_SECONDS
    room: Room = field(default_factory=Room)
    inbox: Inbox | None = None

    def now(self):
        """Return the clock's time."""
        return clock() + self.ahead

    def epoch(self):
        """Return the clock's time in epoch seconds."""
        return int(self.now().timestamp())

    def copy(self, root: Path):
        """Copy the state folder and return a world for the copy."""
        shutil.copytree(self.folder.root, root)
        return self.on(StateFolder(root))

    def on(self, folder: StateFolder):
        """Return a world with the same keys and clock on another folder or database.

        Its ceremony, settings and alarms are its own, because tests share the world that they copy.
        """
        return World(folder, self.keys, self.ceremony.copy(), self.ahead)

    def submit(self, files, packages=()):
        """Put a bundle into `incoming` and return its id."""
        blobs = {
            sha256: data for sha256, data in self.ceremony.blobs.items() if data in set(packages)
        }
        return write_bundle(self.folder.incoming, files, blobs)

    def result(self, bundle_id):
        """Read the result of a submission."""
        return decode_result((self.folder.results / f"{bundle_id}.json").read_bytes())

    def stores(self):
        """Return the publisher's stores."""
        made = open_stores(self.folder, self.blobs, self.room)
        return replace(made, tree=self.tree or made.tree, inbox=self.inbox or made.inbox)

    @contextlib.asynccontextmanager
    async def publisher(self, after_step=lambda _step: None, read_back=None):
        """Open the database and yield a publisher."""
        async with open_database(self.folder.database) as sessions:
            made = Publisher(
                self.folder,
                sessions,
                self.now,
                read_back or DiskReadBack(self.folder.public),
                self.alarms.append,
                after_step,
                stores=self.stores(),
                lease=Lease(sessions, self.folder.lock, seconds=self.lease_seconds),
                on_result=record_end,
            )
            async with made.read_backs:
                yield made

    def run(self, action):
        """Run `action(publisher)` to its end in a new event loop."""

        async def inside():
            async with self.publisher() as publisher:
                return await action(publisher)

        return asyncio.run(inside())

    def stop_after(self, step, action):
        """Run `action(publisher)` and stop it after a step of a publication, as a crash would."""

        def stop(done):
            if done == step:
                raise StoppedError

        async def inside():
            async with self.publisher(stop) as publisher:
                await action(publisher)

        try:
            asyncio.run(inside())
        except StoppedError:
            return
        raise AssertionError(f"no publication came to step {step}")

    def rebuild(self):
        """Rebuild the database, as `hening-server rebuild` does."""
        known = load_log_verifiers(self.folder)

        async def inside():
            async with open_database(self.folder.database) as sessions:
                blobs = LocalBlobs(self.folder.blobs)
                return await rebuild(self.folder, sessions, blobs, known, 7)

        return asyncio.run(inside())

    def publish(self, files, packages=()):
        """Submit a bundle, process it, and return its result."""
        bundle_id = self.submit(files, packages)
        self.run(Publisher.process_incoming)
        return self.result(bundle_id)

    def first_roles(self):
        """Sign all roles of a first submission, with the pinned root."""
        root = self.folder.trusted_root.read_bytes()
        return self.ceremony.first() | {("root", 1): root}

    def first_release(self):
        """Sign armani's second version, which lists one release."""
        return {("armani", 2): self.ceremony.role("armani", 2, {FIRST: (PACKAGE_1, release(1))})}

    def second_release(self):
        """Sign armani's third version, which lists two releases."""
        files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}
        return {("armani", 3): self.ceremony.role("armani", 3, files)}

    def offer(self, counter, permille=1000):
        """Return an edit that offers `counter` in the tests' only channel."""

        def edit(published):
            role = published.roles["armani"]
            files = {path: (t.length, t.hashes["sha256"]) for path, t in role.targets.items()}
            pointers = published.pointers()
            current = pointers.get(CHANNEL.pointer_path)
            schedule = [(self.epoch(), permille)]
            pointer = plan_offer(
                CHANNEL, counter, decode_releases(role), files, schedule, current, self.epoch()
            )
            return {**pointers, CHANNEL.pointer_path: pointer}

        return edit

    def published(self):
        """Read the public state."""
        return load_published(self.folder.public)

    def snapshot(self, previous=EMPTY):
        """Return the snapshot that a device plane serves, after `previous`."""
        return load_snapshot(self.folder.public, LocalBlobs(self.folder.blobs), previous)


class StoppedError(Exception):
    """Simulates the end of a process, as after `kill -9`."""


def halt(text="It drains."):
    """Return an edit that halts the tests' only channel."""

    def edit(published):
        path = CHANNEL.pointer_path
        return {path: plan_halt(CHANNEL, published.pointers()[path], {"en": text})}

    return edit


def make_world(root: Path):
    """Make keys, a pinned root and an empty `incoming`; return a world that has no bundle yet."""
    folder = StateFolder(root)
    create_online_keys(folder.keys, ORIGIN)
    keys = load_online_keys(folder.keys)
    make_folder(folder.incoming)
    ceremony = Ceremony(keys, clock())
    write_durable(folder.trusted_root, ceremony.root())
    return World(folder, keys, ceremony)


def publish_first(world: World):
    """Publish the first bundle and a release, and offer the release to all devices."""
    assert world.publish(world.first_roles()).reason == ""
    assert world.publish(world.first_release(), [PACKAGE_1]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(1)))


@contextlib.asynccontextmanager
async def open_log(folder: StateFolder):
    """Open the database, take the lease and yield the log."""
    async with open_database(folder.database) as sessions:
        lease = Lease(sessions, folder.lock)
        async with lease.held():
            yield Log(LocalTree(folder.public), sessions, lease)


class Fetcher(FetcherInterface):
    """Answers a TUF client's requests with what `get` returns for a path, None for no file."""

    def __init__(self, get):
        self._get = get

    def _fetch(self, url):
        data = self._get(url.removeprefix("tree:/"))
        if data is None:
            raise DownloadHTTPError(f"{url} is not there", 404)
        return iter([data])


def refresh_from_disk(folder: StateFolder, paths=()):
    """Refresh a new TUF client from a public tree and its blobs, as `refresh` does."""

    def get(path):
        if path.startswith("targets/latest/"):
            return b""  # a pointer is in `custom`; its target is an empty file
        sha256 = path.rpartition("/")[2].partition(".")[0]
        is_target = path.startswith("targets/")
        file = folder.blobs / sha256[:2] / sha256 if is_target else folder.public / path
        return file.read_bytes() if file.is_file() else None

    return refresh(folder, get, paths)


def refresh(folder: StateFolder, get, paths):
    """Refresh a new, unmodified TUF client by `get` and fetch `paths`; return what it trusts.

    The result is the timestamp's version and, for each path, its bytes, or None if it is not
    listed.
    """
    with TemporaryDirectory() as cache:
        updater = Updater(
            cache,
            "tree:/metadata/",
            cache,
            "tree:/targets/",
            Fetcher(get),
            bootstrap=folder.trusted_root.read_bytes(),
        )
        updater.refresh()
        found = {}
        for path in paths:
            info = updater.get_targetinfo(path)
            name = None if info is None else updater.download_target(info, f"{cache}/target")
            found[path] = None if name is None else Path(name).read_bytes()
        version = updater._trusted_set.timestamp.version
    return version, found

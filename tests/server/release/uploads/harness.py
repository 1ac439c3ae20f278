"""Uploads on their own state folder; the test sets clock, free space and limits."""

import asyncio
import base64
import contextlib
import hashlib
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from server.release.uploads.headers import decode_checksum
from server.release.uploads.partials import LocalPartials, Partials
from server.release.uploads.s3_partials import S3Partials
from server.release.uploads.uploads import Uploads
from server.settings import Settings
from server.storage.database import Sessions, open_database
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.models import Blob
from server.storage.objects import Objects
from tests.server.release.auth.issue import account_row, audit_log, principal

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()
PIECE = 1000
SETTINGS = Settings(
    upload_limit=1 << 20,
    uploads_per_account=3,
    uploads_in_all=4,
    upload_account_octets=1 << 20,
    keep_free=1000,
)


@contextlib.asynccontextmanager
async def sending(uploads, upload_id, offset, first, rest, checksum=None):
    """Yield the task that sends a part from its `first` bytes, and a function for the rest."""
    is_open, may_end = asyncio.Event(), asyncio.Event()

    async def slowly():
        yield first
        is_open.set()
        await may_end.wait()
        yield rest

    part = asyncio.create_task(
        uploads.append(principal(), upload_id, offset, slowly(), None, checksum)
    )
    await is_open.wait()
    yield part, may_end.set


async def pieces(*parts, error=None):  # noqa: RUF029 - as a socket would give them
    """Yield the pieces of a part, then raise `error` if one is given."""
    for part in parts:
        yield part
    if error is not None:
        raise error


def checksum(data, algorithm="sha256"):
    """Return a part's checksum, as the decoder of its header does."""
    digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
    return decode_checksum(f"{algorithm} {digest}")


@dataclass
class Harness:
    """Uploads, with everything that they use."""

    folder: StateFolder
    sessions: Sessions
    uploads: Uploads = None
    ahead: timedelta = timedelta()
    room: int = 1 << 40
    numbers: int = 0
    partials: Partials = None
    objects: Objects | None = None
    blobs: LocalBlobs = None

    def __post_init__(self):
        """Keep blobs in the state folder unless a store is given."""
        self.blobs = self.blobs or LocalBlobs(self.folder.blobs)

    def now(self):
        """Return a fixed time plus `ahead`."""
        return datetime(2026, 3, 1, tzinfo=UTC) + self.ahead

    def entropy(self, count):
        """Return different bytes each time."""
        self.numbers += 1
        return self.numbers.to_bytes(count, "big")

    def restart(self, settings=SETTINGS, after_step=lambda _step: None):
        """Make new services, as a restarted process does."""
        self.uploads = Uploads(
            self.folder,
            self.sessions,
            self.blobs,
            self.now,
            self.entropy,
            lambda _folder: self.room,
            settings,
            after_step,
            self.partials,
        )
        return self.uploads

    def beside(self, root, objects=None):
        """Return another machine with the same database and stores, and the client `objects`."""
        folder, objects = StateFolder(root), objects or self.objects
        partials = S3Partials(objects, folder.uploads, PIECE)
        other = replace(self, folder=folder, partials=partials, objects=objects)
        other.restart()
        return other

    async def create(self, who="ani", data=DATA):
        """Announce `data` and return the upload's id."""
        state = await self.uploads.create(
            principal(who), len(data), hashlib.sha256(data).hexdigest()
        )
        return state.id

    async def append(self, upload_id, offset, *parts, checksum=None, declared=None, error=None):
        """Send a part and return the offset after it."""
        state = await self.uploads.append(
            principal(), upload_id, offset, pieces(*parts, error=error), declared, checksum
        )
        return state.offset

    async def offset(self, upload_id):
        """Return the offset that the server reports to a client."""
        return (await self.uploads.get(principal(), upload_id)).offset

    def files(self):
        """Return the names under which data of uploads is stored."""
        if self.objects is not None:
            return sorted({each.name.split("/")[1] for each in self.objects.list("uploads")})
        folder = self.folder.uploads
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def plant(self, name):
        """Store bytes under a name of an upload's data."""
        if self.objects is not None:
            self.objects.create(f"uploads/{name}/{0:016d}", b"planted")
        else:
            (self.folder.uploads / name).write_bytes(b"planted")

    def blob(self, sha256=SHA256):
        """Return a blob's bytes, or None if it is not in the store."""
        path = self.blobs.path(sha256)
        return path.read_bytes() if path.exists() else None

    async def record_of(self, sha256=SHA256):
        """Return a blob's recorded length, or None."""
        async with self.sessions() as session:
            found = await session.get(Blob, sha256)
            return None if found is None else found.length

    async def audit_log(self):
        """Return the actions in the audit log, in order."""
        return [entry.action for entry in await audit_log(self.sessions)]


@contextlib.asynccontextmanager
async def open_harness(root, database=None, objects=None, address=""):
    """Open a state folder with two accounts. `database` is an empty database to copy.

    With `objects`, data of uploads is stored there in pieces of `PIECE` bytes. `address` is an
    empty PostgreSQL database.
    """
    folder = StateFolder(root, address)
    root.mkdir(exist_ok=True)
    if database is not None:
        shutil.copyfile(database, folder.database)
    async with open_database(folder.database) as sessions:
        async with sessions.begin() as session:
            for name in ("ani", "budi"):
                await session.merge(account_row(name, "engineer"))
        if objects is None:
            partials = LocalPartials(folder.uploads)
        else:
            partials = S3Partials(objects, folder.uploads, PIECE)
        harness = Harness(folder, sessions, partials=partials, objects=objects)
        harness.restart()
        yield harness

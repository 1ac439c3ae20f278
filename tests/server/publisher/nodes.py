"""Machines of a site that share database, tree and S3, for tests of what they hand each other."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from itertools import count

from sqlalchemy import select

from server.publisher.s3_inbox import EVERY_SECONDS, S3Inbox
from server.release.submissions.intake import SubmissionLimits
from server.release.submissions.submissions import Submissions
from server.storage.control_models import AuditLogEntry
from server.storage.database import open_database
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.objects import Objects
from tests.server.release.auth.issue import account_row
from tests.server.release.uploads.harness import pieces, principal


class Node:
    """A machine of a site: a folder of its own, and the site's database, tree and S3."""

    def __init__(self, site, name, place=None, open_objects=Objects):
        self.site, self.folder = site, StateFolder(site.root / name)
        self.folder.incoming.mkdir(parents=True, exist_ok=True)
        self.start(place, open_objects)

    def start(self, place=None, open_objects=Objects):
        """Begin a process, which has nothing in memory; it looks at S3 each time."""
        seconds = count(step=EVERY_SECONDS).__next__
        self.inbox = S3Inbox(place or self.site.place, self.folder, seconds, open_objects)

    async def _publish(self):
        self.site.world.inbox = self.inbox
        async with self.site.world.publisher() as publisher:
            return await publisher.process_incoming()

    def publish(self):
        """Look for bundles once, as a publisher; return the results."""
        return asyncio.run(self._publish())

    @asynccontextmanager
    async def _api(self):
        world = self.site.world
        async with open_database(world.folder.database) as sessions:
            async with sessions.begin() as session:
                await session.merge(account_row("ani", "engineer"))
            yield Submissions(
                self.folder,
                sessions,
                LocalBlobs(world.folder.blobs),
                world.now,
                lambda length: next(self.site.numbers).to_bytes(length, "big"),
                lambda: None,
                lambda _folder: 1 << 40,
                SubmissionLimits(),
                self.inbox,
            )

    def ask(self, question):
        """Return the API's answer to `question(submissions)`."""

        async def inside():
            async with self._api() as api:
                return await question(api)

        return asyncio.run(inside())

    def submit(self, bundle):
        """Hand a bundle in; return its status."""
        bundle_id, body = bundle
        parts = body[:40], body[40:]
        return self.ask(lambda api: api.submit(principal(), bundle_id, pieces(*parts))).status

    def status(self, bundle):
        """Return the status of a bundle."""
        return self.ask(lambda api: api.get(bundle[0])).status


class Nodes:
    """What they share: a published state, S3, and a supply of receipts."""

    def __init__(self, world, root, place):
        self.world, self.root, self.place = world, root, place
        self.numbers = count(1)
        self.seen = len(self.audit_log())

    def sign(self, version):
        """Return the id and the body of a bundle with a version of cancro: 2 comes next."""
        files = {("cancro", version): self.world.ceremony.role("cancro", version)}
        return self.bundle(files)

    def bundle(self, files):
        """Return the id and the body of a bundle."""
        bundle_id = self.world.submit(files)
        folder = self.world.folder.incoming / bundle_id
        listing = (folder / "bundle.json").read_bytes()
        shutil.rmtree(folder)
        return bundle_id, listing + b"".join(data for _, data in sorted(files.items()))

    def audit_log(self):
        """Return what the audit log says of submissions, in order."""

        async def read():
            query = select(AuditLogEntry.action).order_by(AuditLogEntry.index)
            async with open_database(self.world.folder.database) as sessions, sessions() as session:
                return list(await session.scalars(query))

        found = asyncio.run(read())
        return [each.removeprefix("submission.") for each in found if "submission." in each]

    def new_entries(self):
        """Return the entries since the last call."""
        found = self.audit_log()[self.seen :]
        self.seen += len(found)
        return found

    def objects(self):
        """Return the names of what waits."""
        return [each.name for each in Objects(self.place).list("incoming")]


def copies(node):
    """Return the copies on a machine."""
    return [path.name for path in node.folder.fetched.glob("*")]

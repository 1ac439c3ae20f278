"""A site of several machines that share PostgreSQL and S3, each with a state folder of its own."""

import asyncio
import dataclasses
import shutil
import uuid
from datetime import timedelta
from pathlib import Path

import obstore
from sqlalchemy import update

from server.publisher.inbox import open_inbox
from server.publisher.lease import NAME
from server.settings import Node, load_settings
from server.storage.database import open_database
from server.storage.durable import write_durable
from server.storage.layout import StateFolder
from server.storage.models import Lease as LeaseRow
from server.storage.s3_blobs import S3Blobs
from server.storage.s3_client import open_store
from tests.patience import PATIENCE
from tests.seaweed import BUCKET, KEY_ID, SECRET

LONG = timedelta(seconds=PATIENCE)


class Site:
    """The shared database and store, and the machines of the site."""

    def __init__(self, base, postgres, seaweed, root: Path, address=""):
        self._base = base
        self._root = root
        self._name = f"site/{uuid.uuid4()}"
        self._postgres, self._seaweed = postgres, seaweed
        self.address = address or postgres.make_database()
        self.tree = seaweed.place(f"{self._name}/shared")
        self.blobs = S3Blobs(seaweed.place(f"{self._name}/blobs"), base.now)

    def machine(self, name, other=None):
        """Add a machine that may publish, with the ceremony of `other`, and return its world."""
        root = self._base.copy(self._root / name).folder.root
        return self._join(root, other or self._base)

    def _join(self, root, other):
        world = other.on(StateFolder(root, self.address, tree=self.tree))
        world.blobs = self.blobs
        # Opening the two S3 clients takes 8 ms of processor time.
        world.inbox = open_inbox(world.folder)
        return world

    def clone(self, root):
        """Return a site with a copy of the shared state and of the machine `first`."""
        address = self._postgres.copy_database(self.address)
        site = Site(self._base, self._postgres, self._seaweed, root, address)
        bucket = open_store(self._seaweed.place(""), LONG, LONG, 1)
        for part in obstore.list(bucket, self._name):
            for each in part:
                obstore.copy(bucket, each["path"], each["path"].replace(self._name, site._name))
        shutil.copytree(self.first.folder.root, root / "first")
        site.first = site._join(root / "first", self.first)
        return site

    def device(self, name):
        """Add a machine that has only the pinned root, and return its state folder."""
        folder = StateFolder(self._root / name, tree=self.tree)
        write_durable(folder.trusted_root, self._base.folder.trusted_root.read_bytes())
        return folder

    def behind(self, folder, proxy):
        """Return a state folder that reaches the store through a proxy."""
        return dataclasses.replace(
            folder, tree=dataclasses.replace(self.tree, endpoint=proxy.endpoint)
        )

    def settings(self, node, **changes):
        """Return the settings of a node."""
        values = {
            "node": node.value,
            "port": 0,
            "database_url": "" if node is Node.DEVICE else self.address,
            "tree_url": f"s3://{BUCKET}/{self._name}/shared",
            "blobs_url": f"s3://{BUCKET}/{self._name}/blobs",
            "s3_endpoint": self._seaweed.endpoint,
            "s3_key_id": KEY_ID,
            "s3_secret": SECRET,
        }
        return load_settings(None, {}, **(values | changes))

    def store(self):
        """Return a client of the shared tree, for tests that damage it."""
        return open_store(self.tree, LONG, LONG, 1)

    def read(self, name):
        """Return the bytes of a shared object."""
        return bytes(obstore.get(self.store(), name).bytes())

    def names(self, prefix):
        """Return the names of the shared objects below a prefix."""
        return [each["path"] for part in obstore.list(self.store(), prefix) for each in part]

    def write(self, name, data):
        """Replace a shared object unconditionally."""
        obstore.put(self.store(), name, data, use_multipart=False)


def run_out(world):
    """Expire the lease, as if its holder had died."""

    async def change():
        async with open_database(world.folder.database) as sessions, sessions.begin() as session:
            await session.execute(update(LeaseRow).filter_by(name=NAME).values(expires_at=0))

    asyncio.run(change())

"""Runs one story of a cloud for each job, in a process that kills itself at a given point."""

import asyncio
import base64
import gc
import hashlib
import os
import pickle
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from nacl.signing import SigningKey

from server.cloud.copying.backup import BackupFolder, back_up, restore
from server.cloud.law.policies import Policies
from server.cloud.law.rounds import Law
from server.cloud.secrets import Secrets
from server.cloud.settings import DAY, CloudFolder, CloudSettings
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import LocalBodies
from server.cloud.upkeep.rounds import OF_LAW, run_round
from server.storage.database import migrate, open_database
from tests.crash.forks import killing, serve
from tests.crash.watch import watch
from tests.server.cloud.device import PEPPER, SALTS, Device, change, make_item, running, uid
from tests.server.cloud.policies import LAW

SETTINGS = CloudSettings(region="id")
BIG = 20_000  # bytes of a body that is stored in its own file


@dataclass
class World:
    """A cloud in a folder, its owner's stored items, and data that the owner sends in a story."""

    root: Path
    seed: bytes = bytes(32)
    login: dict = field(default_factory=dict)
    collection: str = ""
    stored: list = field(default_factory=list)
    pending: list = field(default_factory=list)
    new_collection: dict = field(default_factory=dict)
    chunk: tuple = ()
    objects: dict = field(default_factory=dict)
    upload: tuple = ()
    now: int = 0

    @property
    def folder(self):
        """The cloud's folder."""
        return CloudFolder(self.root / "cloud")

    @property
    def place(self):
        """The path of the cloud's database."""
        return self.folder.root / "cloud.sqlite"

    @property
    def bodies(self):
        """The cloud's store of bodies."""
        return LocalBodies(self.folder.bodies, os.urandom)

    @property
    def backup(self):
        """The cloud's backup."""
        return BackupFolder(self.root / "backup", os.urandom)

    def law(self, database, later=0, policy_key=""):
        """Return the cloud's law, `later` seconds after now; `policy_key` gives it a policy."""
        secrets = Secrets("id", PEPPER, SALTS, os.urandom)
        policies = Policies(database, policy_key)
        now = self.now + later
        return Law(database, self.bodies, secrets, policies, lambda: now, os.urandom)

    def save(self):
        """Write this object into the world's folder."""
        (self.root / "world").write_bytes(pickle.dumps(self))

    @asynccontextmanager
    async def device(self):
        """Run the cloud, and yield the owner's device; `vault` is the address of its vault."""
        async with running(self.place, self.folder.root) as cloud:
            device = Device(cloud.http, cloud.url, "ani", SigningKey(self.seed))
            await device.log_in()
            device.vault = f"{cloud.url}/blobs/photos/"
            yield device

    async def send(self, device, method, name, body=None):
        """Send a request to the blobs API; returns the status and the answer."""
        address = f"{device.vault}{name}"
        headers = self.login
        async with device.http.request(method, address, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


async def prepare(root):
    """Make a cloud in which an owner stored data, and draw the data that the owner will send."""
    world = World(root, now=int(time.time()) + 500 * DAY)
    world.folder.root.mkdir()
    async with running(world.place, world.folder.root) as cloud:
        device = Device(cloud.http, cloud.url, "ani", SigningKey(world.seed))
        await device.sign_up()
        assert (await device.agree())[0] == 201
        login = f"ani:{await device.make_token()}".encode()
        world.login = {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
        world.collection = (await device.create())["uid"]
        item, other, gone = (make_item(os.urandom(BIG)) for _ in range(3))
        await device.batch(world.collection, item, other, gone)
        replacing = change(other, chunks=[[uid(), os.urandom(BIG)]])
        await device.batch(world.collection, replacing, change(gone, deleted=True, chunks=[]))
        world.stored = [item, replacing]
        world.pending = [change(item, chunks=[[uid(), os.urandom(BIG)]]), make_item(b"small")]
        keys = {"collectionKey": os.urandom(72), "collectionType": b"type"}
        world.new_collection = {"item": make_item(), **keys}
        address = f"collection/{world.collection}/item/{uid()}/chunk"
        world.chunk = f"{address}/{uid()}", os.urandom(BIG)
        device.vault = f"{cloud.url}/blobs/photos/"
        assert (await world.send(device, "POST", "?create=true"))[0] == 200
        *packs, last = (os.urandom(BIG) for _ in range(4))
        world.objects = {_address(pack): pack for pack in packs}
        for name, pack in world.objects.items():
            assert (await world.send(device, "POST", name, pack))[0] == 200
        world.upload = _address(last), last
    return world


def _address(pack):
    return f"data/{hashlib.sha256(pack).hexdigest()}"


def load(root):
    """Load the world of a folder."""
    world = pickle.loads((root / "world").read_bytes())
    world.root = root
    return world


async def write(world, start):
    """Write two items with large chunks, one of them over another revision."""
    async with world.device() as device:
        start()
        return await device.batch(world.collection, *world.pending, way="transaction")


async def create(world, start):
    """Make a collection."""
    async with world.device() as device:
        start()
        return await device.call("POST", "collection/", world.new_collection)


async def send_chunk(world, start):
    """Send a chunk ahead of its items."""
    async with world.device() as device:
        start()
        address, body = world.chunk
        return await device.call("PUT", f"{address}/", raw=body)


async def upload(world, start):
    """Send an object of a vault."""
    async with world.device() as device:
        start()
        return await world.send(device, "POST", *world.upload)


async def remove(world, start):
    """Remove an object of a vault."""
    async with world.device() as device:
        start()
        return await world.send(device, "DELETE", next(iter(world.objects)))


async def remove_vault(world, start):
    """Remove a vault with its content."""
    async with world.device() as device:
        start()
        return await world.send(device, "DELETE", "")


async def maintain(world, start):
    """Run maintenance after all leftovers have become old."""
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        law = world.law(database)
        start()
        return await run_round(law, SETTINGS)


async def erase(world, start):
    """Erase the account of an owner who has withdrawn the consent."""
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        law = world.law(database, policy_key=LAW["policy_key"])
        start()
        return await run_round(law, SETTINGS, OF_LAW)


async def make_backup(world, start):
    """Update a backup."""
    async with open_database(world.place, migrations=MIGRATIONS) as database:
        start()
        return await back_up("id", database, world.bodies, world.backup, world.now)


async def restore_backup(world, start):
    """Restore a backup into another folder."""
    start()
    return await restore_into(CloudFolder(world.root / "again"), world)


async def restore_into(target, world):
    """Restore the backup of a world into a folder."""
    return await restore(
        world.backup,
        target,
        SETTINGS,
        LocalBodies(target.bodies, os.urandom),
        os.urandom,
        now=world.now,
        former=None,
        keep_sessions=True,
    )


async def migrate_database(world, start):  # noqa: RUF029 - a story like the others
    """Migrate the database."""
    start()
    return migrate(world.place, migrations=MIGRATIONS)


STORIES = {
    "transaction": write,
    "collection": create,
    "chunk": send_chunk,
    "object": upload,
    "removal": remove,
    "vault": remove_vault,
    "upkeep": maintain,
    "erasure": erase,
    "backup": make_backup,
    "restore": restore_backup,
    "migration": migrate_database,
}


def act(job, report):
    """Run a story, and kill this process before the first change that `at` matches."""
    root = Path(job["root"])
    point = killing(job["at"], report)
    asyncio.run(STORIES[job["story"]](load(root), lambda: watch(root, point)))


if __name__ == "__main__":
    with TemporaryDirectory() as folder:  # compiles the SQL statements that stories use
        asyncio.run(prepare(Path(folder)))
    gc.freeze()
    serve(act)

"""A copy of one moment, made beside nodes that run.

1. A lease says that a backup is made: from now on no body is removed that a row names.
2. All rows are copied as they are at one moment. Each body that they name is there by then, for a
   body comes before its row.
3. Bodies that the backup lacks are copied, each against its hash; records of erasures, too.
4. `backup.toml` names the new database; what the backup has no use for any more is removed.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from server.cloud.copying.contents import copy_missing, copy_rows, find_named
from server.cloud.law.journal import copy_records
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import Bodies, LocalBodies
from server.cloud.storage.lease import BACKUP, SECONDS, prolonging, take_lease
from server.core.errors import FormatError
from server.storage.bounded import read_bounded
from server.storage.database import Sessions, open_database
from server.storage.durable import make_folder, sync_file, write_durable
from server.storage.errors import StorageError

_LIMIT = 65_536


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """What a backup is: of which region, of when (epoch seconds), and its database's file."""

    region: str
    made_at: int
    database: str
    sha256: str
    version: int = 1

    def encode(self) -> bytes:
        """Return the manifest as TOML."""
        values = msgspec.structs.asdict(self).items()
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values).encode()


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """Where a backup keeps things; `entropy` gives random bytes."""

    root: Path
    entropy: Callable[[int], bytes]

    @property
    def manifest(self) -> Path:
        """The file that says which database belongs to the backup."""
        return self.root / "backup.toml"

    @property
    def bodies(self) -> LocalBodies:
        """The backup's bodies."""
        return LocalBodies(self.root / "bodies", self.entropy)

    def read(self) -> Manifest:
        """Return the manifest; raises StorageError where there is none, FormatError."""
        if not self.manifest.exists():
            raise StorageError(
                f"there is no whole backup in {self.root}: run `hening-server cloud backup`."
            )
        try:
            data = read_bounded(self.manifest, _LIMIT)
            found = msgspec.toml.decode(data, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FormatError(f"{self.manifest} is malformed: {error}.") from error
        if Path(found.database).name != found.database:
            raise FormatError(f"{self.manifest} names a database elsewhere.")
        return found


@dataclass(frozen=True, slots=True)
class Copied:
    """How many rows were copied, how many bodies were new, and how many were removed."""

    rows: int
    bodies: int
    removed: int


async def back_up(
    region: str, database: Sessions, bodies: Bodies, out: BackupFolder, now: int
) -> Copied:
    """Bring the backup `out` to what is there now; raises StorageError.

    Another region's backup is refused, and so is a second one at a time.
    """
    await asyncio.to_thread(_check, out, region)
    lease = await take_lease(database, BACKUP)
    if lease is None:
        raise StorageError(
            f"another backup is made just now, or one was cut off: wait for {SECONDS} seconds."
        )
    file = out.root / f"database-{now}.sqlite"
    try:
        async with prolonging(lease, database):
            await asyncio.to_thread(_remove_database, file)
            await asyncio.to_thread(make_folder, out.root)
            async with open_database(file, migrations=MIGRATIONS) as copy:
                async with copy.begin() as db:
                    rows = await copy_rows(database, db)
                count = await copy_missing(bodies, out.bodies, copy)
            await copy_records(bodies, out.bodies, now)
            async with database.begin() as db:
                await lease.prolong(db)  # still held, and so no body was removed
            await asyncio.to_thread(sync_file, file)
            manifest = Manifest(region, now, file.name, await asyncio.to_thread(hash_file, file))
            await asyncio.to_thread(write_durable, out.manifest, manifest.encode())
    finally:
        await lease.release(database)
    return Copied(rows, count, await _tidy(out, file))


async def _tidy(out: BackupFolder, file: Path) -> int:
    """Remove older databases, and bodies that the newest does not name."""
    await asyncio.to_thread(_remove_older, file)
    count, bodies = 0, out.bodies
    async with open_database(file, migrations=MIGRATIONS) as copy:
        async for page in bodies.pages():
            async with copy() as db:
                named = await find_named(db, [body.name for body in page])
            for body in page:
                if body.name not in named:
                    await bodies.remove(body.name)
                    count += 1
    await bodies.sweep(float("inf"))
    return count


def hash_file(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(out: BackupFolder, region: str) -> None:
    if (out.root / "cloud.toml").exists():
        raise StorageError(f"{out.root} is a cloud, not a backup: name another folder with --out.")
    if out.manifest.exists() and (found := out.read()).region != region:
        raise StorageError(
            f"{out.root} is a backup of the region {found.region}, and this is {region}: name"
            " another folder with --out."
        )


def _remove_older(file: Path) -> None:
    for old in sorted(file.parent.glob("database-*.sqlite")):
        if old != file:
            _remove_database(old)


def _remove_database(file: Path) -> None:
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()

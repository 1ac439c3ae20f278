"""A copy of a server's state, made beside one that runs.

    without the lease   all files of metadata and log, for most of them never change
    under the lease     the database, and the files that came since: all are of one moment
    without the lease   blobs: what metadata names is there and is never changed

So a publication waits for what is new and not for what is there. What is staged is copied under the
lease alone: of another moment than what is public it would roll a restored server back.

A copy that was cut off has the file INCOMPLETE in it, and no command takes it for a server's state;
the next run into the same folder completes it, and copies only what is new.
"""

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from server.publisher.file_copies import FileCopies
from server.publisher.lease import Lease
from server.storage.blobs import BlobStore
from server.storage.bounded import TEMPORARY
from server.storage.database import Sessions
from server.storage.durable import (
    make_folder,
    move_durable,
    sweep_temporary,
    sync_folder,
    write_durable,
)
from server.storage.layout import StateFolder
from server.storage.modes import create_file
from server.storage.place import PostgresAddress


@dataclass(frozen=True, slots=True)
class Copied:
    """How many files and blobs were new, and whether the database is among them."""

    files: int
    blobs: int
    database: bool


async def back_up(
    folder: StateFolder, sessions: Sessions, blobs: BlobStore | None, out: Path
) -> Copied:
    """Copy the state to `out`, without private keys and what waits in `incoming`.

    A PostgreSQL database is not copied, nor are blobs where `blobs` is None. Raises StorageError,
    also where another process took the lease over meanwhile: the copy is incomplete then.
    """
    await asyncio.to_thread(write_durable, StateFolder(out).incomplete, b"")
    await asyncio.to_thread(make_folder, StateFolder(out).incoming)
    with_database = not isinstance(folder.database, PostgresAddress)
    temporary = StateFolder(out).sqlite.with_name(f"{TEMPORARY}{folder.sqlite.name}")
    files = FileCopies(folder, out)
    await asyncio.to_thread(files.copy_ahead)
    lease = Lease(sessions, folder.lock)
    async with lease.held():
        if with_database:
            await asyncio.to_thread(_copy_sqlite, folder.sqlite, temporary)
        await asyncio.to_thread(files.copy_rest)
        await lease.write(lambda: None)  # still ours, and so nothing changed
    await asyncio.to_thread(files.remove_others)
    if with_database:
        await asyncio.to_thread(move_durable, temporary, StateFolder(out).sqlite)
    copied = 0
    if blobs is not None:
        copied = await asyncio.to_thread(_copy_blobs, blobs, StateFolder(out).blobs)
    await asyncio.to_thread(sweep_temporary, out)
    await asyncio.to_thread(StateFolder(out).incomplete.unlink)
    await asyncio.to_thread(sync_folder, out)
    return Copied(len(files.copied), copied, with_database)


def _copy_sqlite(source: Path, temporary: Path) -> None:
    """Copy a database that is in use, with what is in its write-ahead log."""
    make_folder(temporary.parent)
    temporary.unlink(missing_ok=True)
    create_file(temporary)
    with (
        contextlib.closing(sqlite3.connect(source)) as reader,
        contextlib.closing(sqlite3.connect(temporary)) as writer,
    ):
        reader.backup(writer)
        # Whoever makes the copy holds the lease; of a server that is restored it is nobody's.
        writer.execute("UPDATE leases SET expires_at = 0")
        writer.commit()


def _copy_blobs(blobs: BlobStore, out: Path) -> int:
    """Copy the blobs that `out` lacks; each is held against its hash on the way."""
    count = 0
    for blob in blobs.list():
        target = out / blob.sha256[:2] / blob.sha256
        if target.exists() and target.stat().st_size == blob.length:
            continue
        make_folder(target.parent)
        blobs.copy(blob.sha256, blob.length, target)
        count += 1
    return count

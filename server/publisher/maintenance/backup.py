"""A copy of a server's state, made while it runs.

    without the lease   all files of metadata and log: most of them never change
    under the lease     the database, and the files that came since: all are of one moment
    without the lease   blobs: those that metadata names exist and never change

So a publication waits only for the copy of new files. Staged files are copied only under the lease:
staged files of another moment than the public tree would roll a restored server back.

An incomplete copy contains the file INCOMPLETE, and no command accepts it as a server's state. The
next run into the same folder completes it, and copies only new files.
"""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.publisher.lease import Lease
from server.storage.blobs import BlobStore
from server.storage.bounded import TEMPORARY
from server.storage.database import Sessions
from server.storage.durable import (
    create_file,
    make_folder,
    move_durable,
    sweep_temporary,
    sync_file,
    sync_folder,
    write_durable,
)
from server.storage.layout import PostgresAddress, StateFolder
from server.storage.tree import open_tree

_Seen = tuple[int, int]  # length in bytes, and time of the last change in nanoseconds


class FileCopies:
    """Copies trusted root, public tree, results, staging and settings to another folder.

    Files are replaced by renaming and never written to, so that each is complete at any time. After
    `remove_others`, the copy holds only files that the state folder had at the moment of
    `copy_rest`.
    """

    def __init__(self, folder: StateFolder, out: Path) -> None:
        self._folder = folder
        self._out = out
        self._seen: dict[str, _Seen] = {}
        self._there: set[str] = set()
        self.copied: set[str] = set()

    def copy_ahead(self) -> None:
        """Copy the existing files while others publish; `copy_rest` copies later changes.

        Staged files are left to `copy_rest`, and those of an earlier copy are removed. Otherwise a
        restored server would publish them again, over later publications.
        """
        if self._out_of(self._folder.staging).exists():
            shutil.rmtree(self._out_of(self._folder.staging))
        for path, seen in self._list(self._lasting()):
            with contextlib.suppress(FileNotFoundError):  # it was replaced or removed
                self._copy(path, seen)

    def copy_rest(self) -> None:
        """Copy files that changed since `copy_ahead`; the caller prevents further changes."""
        for path, seen in self._list((*self._lasting(), self._folder.staging)):
            self._there.add(path)
            if self._seen.get(path) != seen:
                self._copy(path, seen)

    def remove_others(self) -> None:
        """Remove files of the copy that `copy_rest` did not find; others may publish meanwhile."""
        copied = StateFolder(self._out)
        existing = {str(self._out_of(Path(path))) for path in self._there}
        for place in (copied.trusted_root.parent, copied.public, copied.results):
            for path, _ in _walk(str(place)):
                if path not in existing:
                    Path(path).unlink()
        if str(copied.settings) not in existing:
            copied.settings.unlink(missing_ok=True)

    def _out_of(self, path: Path) -> Path:
        return self._out / path.relative_to(self._folder.root)

    def _copy(self, path: str, seen: _Seen) -> None:
        source = Path(path)
        target = self._out_of(source)
        present = target.stat() if target.exists() else None
        if present is None or (present.st_size, present.st_mtime_ns) != seen:
            make_folder(target.parent)
            temporary = target.with_name(f"{TEMPORARY}{target.name}")
            # Do not copy the mode: older states may have files that others can read.
            temporary.unlink(missing_ok=True)
            create_file(temporary)
            shutil.copyfile(source, temporary)
            os.utime(temporary, ns=(seen[1], seen[1]))
            sync_file(temporary)
            move_durable(temporary, target)
            self.copied.add(str(target.relative_to(self._out)))
        self._seen[path] = seen

    def _lasting(self) -> tuple[Path, ...]:
        return (self._folder.trusted_root.parent, self._folder.public, self._folder.results)

    def _list(self, places: Iterable[Path]) -> Iterator[tuple[str, _Seen]]:
        """Yield every file of `places`, each folder sorted by name, then the settings."""
        for place in places:
            yield from _walk(str(place))
        settings = self._folder.settings
        if settings.exists():
            found = settings.stat()
            yield str(settings), (found.st_size, found.st_mtime_ns)


def _walk(place: str) -> Iterator[tuple[str, _Seen]]:
    """Yield the files below `place`, fast, since publishers wait: without a `Path` for each."""
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif not entry.name.startswith(TEMPORARY):
            with contextlib.suppress(FileNotFoundError):
                stat = entry.stat()
                yield entry.path, (stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Copied:
    """How many files and blobs were new, and whether the database was copied."""

    files: int
    blobs: int
    database: bool


async def back_up(
    folder: StateFolder, sessions: Sessions, blobs: BlobStore | None, out: Path
) -> Copied:
    """Copy the state to `out`, without private keys and without `incoming`.

    A PostgreSQL database is not copied, nor are blobs if `blobs` is None. Raises StorageError, also
    if another process took over the lease meanwhile: the copy is then incomplete.
    """
    await asyncio.to_thread(write_durable, StateFolder(out).incomplete, b"")
    await asyncio.to_thread(make_folder, StateFolder(out).incoming)
    with_database = not isinstance(folder.database, PostgresAddress)
    temporary = StateFolder(out).sqlite.with_name(f"{TEMPORARY}{folder.sqlite.name}")
    files = FileCopies(folder, out)
    await asyncio.to_thread(files.copy_ahead)
    lease = Lease(sessions, folder.lock)
    async with lease.held():
        # Fetch what other machines published or accepted, so that no server here does so meanwhile.
        await asyncio.to_thread(open_tree(folder).refresh, lease.fence)
        if with_database:
            await asyncio.to_thread(_copy_sqlite, folder.sqlite, temporary)
        await asyncio.to_thread(files.copy_rest)
        await lease.write(lambda: None)  # raises if the lease was lost; else nothing has changed
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
    """Copy a database that is in use, including its write-ahead log."""
    make_folder(temporary.parent)
    temporary.unlink(missing_ok=True)
    create_file(temporary)
    with (
        contextlib.closing(sqlite3.connect(source)) as reader,
        contextlib.closing(sqlite3.connect(temporary)) as writer,
    ):
        reader.backup(writer)
        # The maker of the copy holds the lease; in a restored server it must be free.
        writer.execute("UPDATE leases SET expires_at = 0")
        writer.commit()


def _copy_blobs(blobs: BlobStore, out: Path) -> int:
    """Copy the blobs that `out` lacks; each is verified against its hash."""
    count = 0
    for blob in blobs.list():
        target = out / blob.sha256[:2] / blob.sha256
        if target.exists() and target.stat().st_size == blob.length:
            continue
        make_folder(target.parent)
        blobs.copy(blob.sha256, blob.length, target)
        count += 1
    return count

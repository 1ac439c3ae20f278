"""Mirrors of both kinds for tests: export, read with a TUF client, and damage."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import obstore

from server.publisher.mirror.bucket import PATIENCE, MirrorBucket
from server.publisher.mirror.folder import MirrorFolder
from server.publisher.mirror.steps import export_mirror
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_client import S3Place, open_store
from tests.server.world import refresh


def export(world, mirror, **options):
    """Export a server's state."""
    return export_mirror(world.folder, LocalBlobs(world.folder.blobs), mirror, **options)


@dataclass(frozen=True)
class Folder:
    """A mirror in a folder, read as a web server would read it."""

    out: Path

    def export(self, world, *, link=False, **options):
        """Export a server's state into it."""
        return export(world, MirrorFolder(self.out, link=link), **options)

    def files(self):
        """Return path and bytes of every file that readers may see."""
        return {
            path.relative_to(self.out).as_posix(): path.read_bytes()
            for path in self.out.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }

    def get(self, path):
        """Return a file's bytes, or None."""
        file = self.out / path
        return file.read_bytes() if file.is_file() else None

    def put(self, path, data):
        """Write a file as another program would."""
        (self.out / path).parent.mkdir(parents=True, exist_ok=True)
        (self.out / path).write_bytes(data)

    def remove(self, path):
        """Remove a file."""
        (self.out / path).unlink()


@dataclass(frozen=True)
class Bucket:
    """A publicly readable mirror below a bucket's prefix, read over plain HTTP."""

    place: S3Place

    @property
    def address(self):
        """The URL of the prefix."""
        return f"{self.place.endpoint}/{self.place.bucket}/{self.place.prefix}"

    @property
    def store(self):
        """A client with write access."""
        return open_store(self.place, PATIENCE, PATIENCE, 0)

    def open(self, place=None, **options):
        """Open the mirror for one export, optionally at another address of the store."""
        return MirrorBucket(place or self.place, lambda: datetime.now(UTC), **options)

    def export(self, world, **options):
        """Export a server's state into it."""
        return export(world, self.open(), **options)

    def names(self):
        """Return the names of all objects."""
        return {meta["path"] for found in obstore.list(self.store) for meta in found}

    def files(self):
        """Return path and bytes of every file that readers may see."""
        return {path: self.get(path) for path in self.names() if not path.startswith(".")}

    def get(self, path):
        """Return a file's bytes, or None."""
        try:
            with urlopen(f"{self.address}/{path}") as answer:
                return answer.read()
        except HTTPError as error:
            if error.code != 404:
                raise
            error.close()
            return None

    def put(self, path, data):
        """Write an object as another program would."""
        obstore.put(self.store, path, data)

    def remove(self, path):
        """Remove an object."""
        obstore.delete(self.store, path)


def read(world, mirror, paths=()):
    """Read a mirror with python-tuf's client; return the timestamp's version and the targets."""
    version, found = refresh(world.folder, mirror.get, paths)
    return version, list(found.values())

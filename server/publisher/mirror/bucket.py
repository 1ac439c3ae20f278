"""A mirror in an S3 bucket, which a CDN has as its origin.

There is no lock, which a crashed export would leave behind. An export reads `.mirror.json`, lists
the objects, and then writes `.mirror.json` on the condition that it is unchanged, with the versions
of root and timestamp that it exports. It refuses to export older versions than the listing has.
Every other file except packages is written on the condition that it is unchanged since it was
listed. So an export never overwrites a file of a later one: it ends with an error, and removes
nothing. Packages need no condition: their names have the hash of their content.

An earlier export that is still removing files may remove some of a later one: the next run writes
them again.
"""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta

from server.device.snapshot import FILE_LIMIT
from server.http.answers import Package
from server.publisher.errors import PublishError
from server.publisher.mirror.steps import (
    LISTING,
    LISTING_LIMIT,
    PARTS,
    MirrorFile,
    decode_listing,
    encode_listing,
)
from server.storage.blobs import BlobStore
from server.storage.errors import StorageError
from server.storage.objects import Listed, Objects, Stored, TakenError
from server.storage.s3_client import ABANDONED_AFTER, S3Place, S3Uploads

PATIENCE = timedelta(seconds=60)  # how long S3 may be silent; a part must be sent in this time
RETRIES = 3
STORED = ("Content-Type", "Cache-Control")
"""The headers of the device plane that S3 keeps for an object; it has an ETag of its own."""
UNCACHED = {"Content-Type": "application/json", "Cache-Control": "no-store"}  # the listing's


class MirrorBucket:
    """A `Mirror` below the prefix of `place`, for one export.

    It has no gzip forms, because a bucket cannot choose a form by what a client accepts.
    """

    gzip = False

    def __init__(
        self,
        place: S3Place,
        clock: Callable[[], datetime],
        *,
        patience: timedelta = PATIENCE,
        retries: int = RETRIES,
    ) -> None:
        self._name = f"s3://{place.bucket}/{place.prefix}".rstrip("/")
        self._objects = Objects(place, patience=patience, retries=retries)
        self._uploads = S3Uploads(place, clock)
        self._listing: Stored | None = None
        self._newest = (0, 0)  # versions of root and timestamp
        self._there: dict[str, Listed] = {}

    @contextlib.contextmanager
    def opened(self) -> Iterator[frozenset[str]]:
        """Read the listing and list the objects, in this order."""
        self._listing = self._objects.get(LISTING, limit=LISTING_LIMIT)
        if self._listing is None:
            for other in self._objects.list():
                raise PublishError(
                    f"{self._name} is not a mirror, it holds {other.name!r}: name another prefix."
                )
            yield frozenset()
            return
        listing = decode_listing(self._listing.data, f"{self._name}/{LISTING}")
        self._newest = (listing.root, listing.version)
        self._there = {each.name: each for part in PARTS for each in self._objects.list(part)}
        yield frozenset(listing.files)

    def begin(self, root: int, version: int) -> None:
        """Refuse older versions than the listing's; abort uploads that crashed exports left."""
        if (root, version) < self._newest:
            raise PublishError(
                f"{self._name} mirrors timestamp {self._newest[1]} of root {self._newest[0]}, this"
                f" server is at {version} of root {root}: export from the server that is ahead."
            )
        self._newest = (root, version)
        self._uploads.abort(ABANDONED_AFTER)

    def write_listing(self, paths: Collection[str]) -> None:
        """Write the listing, unless another export did since it was read."""
        data, former = encode_listing(paths, *self._newest), self._listing
        with self._alone():
            if former is None:
                tag = self._objects.create(LISTING, data, UNCACHED)
            elif former.data != data:
                tag = self._objects.replace(LISTING, data, former.tag, UNCACHED)
            elif self._objects.get_newer(LISTING, former.tag, limit=LISTING_LIMIT) is not None:
                raise TakenError(LISTING)
            else:
                tag = former.tag
        self._listing = Stored(data, tag)

    def is_there(self, file: MirrorFile) -> bool:
        """Answer whether a file is correct; of a package only its length is compared.

        The tag of an object is the MD5 of its bytes in most stores. If it is not, as with keys of
        AWS KMS, the object is read.
        """
        found = self._there.get(file.path)
        if found is None or found.size != file.length or isinstance(file.content, Package):
            return found is not None and found.size == file.length
        digest = hashlib.md5(file.content, usedforsecurity=False).hexdigest()
        return found.tag == f'"{digest}"' or self.read(file.path) == file.content

    def write(self, file: MirrorFile, blobs: BlobStore) -> None:
        """Write an object with its headers; a long package in parts."""
        headers = {name: file.headers[name] for name in STORED}
        if isinstance(file.content, Package):
            package = file.content
            # A pointer's target is empty, and no store holds it.
            pieces = blobs.read(package.sha256, package.length) if package.length else iter(())
            self._objects.upload(file.path, pieces, package.length, headers)
            return
        found = self._there.get(file.path)
        with self._alone():
            if found is None:
                self._objects.create(file.path, file.content, headers)
            else:
                self._objects.replace(file.path, file.content, found.tag, headers)

    def read(self, path: str) -> bytes | None:
        """Return an object's bytes."""
        found = self._objects.get(path, limit=FILE_LIMIT)
        return None if found is None else found.data

    def list(self) -> Collection[str]:
        """Return the names of the objects that were there when the mirror was opened."""
        return self._there.keys()

    def remove(self, paths: Collection[str]) -> None:
        """Remove objects."""
        for path in paths:
            self._objects.remove(path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            yield
        except TakenError as error:
            raise StorageError(
                f"another export is writing to {self._name}: let it end, and export again."
            ) from error

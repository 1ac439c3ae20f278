"""Blobs in an S3-compatible store: `PREFIX/xx/SHA256`, as a local folder names them.

A blob of one part is put on condition that nothing has its name; a longer one in several parts,
which S3 shows as one object once all are there and complete. That is not conditional and need not
be: whoever writes the name writes the same octets, for the hash is checked before the last step.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError

from server.core.errors import FormatError
from server.storage.blob_source import open_source, read_checked, read_pieces, write_blob
from server.storage.blobs import PIECE, StoredBlob
from server.storage.errors import StorageError
from server.storage.modes import PRIVATE
from server.storage.s3_client import blob_key, open_store, telling
from server.storage.s3_place import S3Place
from server.storage.s3_reader import S3Reader
from server.storage.s3_uploads import S3Uploads

PART = 8 * 1024 * 1024  # octets of a part; S3 takes 5 MiB to 5 GiB, and at most 10,000 parts
PARTS = 9_000
AT_ONCE = 2  # parts in memory and on their way
FEW = 16  # more unknown lengths than these are learnt from a list, a thousand in each answer
PATIENCE = timedelta(seconds=60)  # how long S3 may be silent; a part must be sent in this time
REQUEST = timedelta(hours=1)  # how long one request may take as a whole
RETRIES = 3
REMOVAL = timedelta(seconds=2)  # for one request, and until the last is begun: given up soon
UPLOAD = timedelta(days=1)  # an upload that was begun longer ago is not under way any more


class S3Blobs:
    """A `BlobStore` in a bucket."""

    def __init__(
        self,
        place: S3Place,
        clock: Callable[[], datetime],
        *,
        patience: timedelta = PATIENCE,
        retries: int = RETRIES,
    ) -> None:
        key = place.key
        self._uploads = (
            None
            if key is None
            else S3Uploads(
                place.endpoint, place.bucket, f"{place.prefix}/", place.region, key, clock
            )
        )
        self._known: dict[str, int] = {}
        self._store = open_store(place, patience, REQUEST, retries)
        self._reader = S3Reader(self._store)
        self._removing = open_store(place, min(patience, REMOVAL), REMOVAL, retries)

    def length(self, sha256: str) -> int | None:
        """Ask S3 for a blob's length in octets; None when it is not there."""
        with telling("say whether it has a blob"):
            try:
                found = obstore.head(self._store, blob_key(sha256))
            except FileNotFoundError:
                self._known.pop(sha256, None)
                return None
        self._known[sha256] = found["size"]
        return found["size"]

    def lengths(self, names: Collection[str]) -> dict[str, int]:
        """Return the length in octets of each of `names` that is there; asks for new ones only."""
        unknown = set(names) - self._known.keys()
        if len(unknown) > FEW:
            self._known |= {blob.sha256: blob.length for blob in self.list()}
        else:
            for name in sorted(unknown):
                self.length(name)
        return {name: self._known[name] for name in names if name in self._known}

    @contextlib.asynccontextmanager
    async def open_file(self, sha256: str, length: int) -> AsyncIterator[None]:
        """Give nothing: no blob is a file here."""
        del sha256, length
        yield None

    def open_range(
        self, sha256: str, first: int, length: int
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give the `length` octets from `first` on, in pieces; the first is fetched here."""
        return self._reader.open_range(sha256, first, length)

    def ingest(self, source: Path, sha256: str, length: int) -> None:
        """Copy `source` in, unless its blob is there already; refuse other octets than named.

        A crash leaves parts that nobody sees, never a blob under a name that is not its hash.
        """
        present = self.length(sha256)
        if present == length:
            return
        with open_source(source, sha256, length) as reader:
            if length > PART:
                self._put_parts(reader, sha256, length)
            else:
                self._put(reader, sha256, length, is_new=present is None)
        if self.length(sha256) != length:
            raise StorageError(
                f"the S3 store does not hold the blob {sha256[:16]} as it was sent: look at it."
            )

    def adopt(self, source: Path, sha256: str, length: int) -> None:
        """Copy `source` in: a store elsewhere gives no second names."""
        self.ingest(source, sha256, length)

    def verify(self, sha256: str, length: int) -> None:
        """Read a blob again and raise FormatError unless it is what its name says."""
        for _ in read_checked(self._read_all(sha256), sha256, length):
            pass

    def copy(
        self, sha256: str, length: int, target: Path, *, mode: int = PRIVATE, link: bool = False
    ) -> None:
        """Write a blob to the file `target`; nothing in S3 can be linked."""
        del link
        write_blob(self._read_all(sha256), sha256, length, target, mode)

    def list(self) -> Iterator[StoredBlob]:
        """Yield every blob that is there."""
        with telling("list its blobs"):
            for found in obstore.list(self._store):
                for meta in found:
                    sha256 = meta["path"].rpartition("/")[2]
                    with contextlib.suppress(FormatError):
                        if meta["path"] == blob_key(sha256):
                            time = meta["last_modified"].timestamp()
                            yield StoredBlob(sha256, meta["size"], time)

    def remove(self, sha256: str) -> None:
        """Remove a blob; one that is not there is no error.

        S3 is asked for a moment only: nothing asks on when the blob has come again meanwhile.
        """
        self._known.pop(sha256, None)
        with telling("remove a blob"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._removing, blob_key(sha256))

    def free(self) -> None:
        """Return nothing: a bucket has no bound that it would tell."""

    def sweep(self) -> None:
        """Abort the uploads that crashed ingests left, where a key of ours can sign for it."""
        if self._uploads is not None:
            self._uploads.abort(UPLOAD)

    def _put(self, reader: BinaryIO, sha256: str, length: int, *, is_new: bool) -> None:
        data = b"".join(read_checked(read_pieces(reader, length), sha256, length))
        with telling("take a blob"):
            try:
                obstore.put(
                    self._store,
                    blob_key(sha256),
                    data,
                    mode="create" if is_new else "overwrite",
                    use_multipart=False,
                )
            except AlreadyExistsError:
                return  # somebody was quicker; its length is looked at next

    def _put_parts(self, reader: BinaryIO, sha256: str, length: int) -> None:
        with telling("take a blob"):
            obstore.put(
                self._store,
                blob_key(sha256),
                read_checked(read_pieces(reader, length), sha256, length),
                use_multipart=True,
                chunk_size=max(PART, -(-length // PARTS)),
                max_concurrency=AT_ONCE,
            )

    def _read_all(self, sha256: str) -> Iterator[bytes]:
        with telling("give a blob"):
            try:
                found = obstore.get(self._store, blob_key(sha256))
            except FileNotFoundError as error:
                raise FormatError(f"the blob {sha256[:16]} is not there.") from error
            for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

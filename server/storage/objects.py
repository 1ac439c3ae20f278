"""Small objects in an S3-compatible store, with conditional writes.

Conditions replace the atomic rename of local files: `create` needs a free name, and `replace` the
tag of the version that it replaces. S3 orders the writes to one name, so of two concurrent writers
one is refused. If an answer is lost, the library repeats the request, and the store refuses the
repetition. So a refused client reads the object: if it holds the new bytes, the write succeeded.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError
from obstore.store import S3Store

from server.storage.errors import StorageError
from server.storage.s3_client import PART, S3Place, open_store, put_parts, translated_errors

if TYPE_CHECKING:
    from obstore import GetResult, PutMode

PATIENCE = timedelta(seconds=5)  # how long the store may be silent: halts wait for a write
REQUEST = timedelta(seconds=60)  # how long one request may take as a whole
RETRIES = 3
PROBE = "probe"
"""The name of the object with which conditional writes are tested; it is empty."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of an object, and its tag, which a write that replaces it must name."""

    data: bytes
    tag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """Name, tag and length in bytes of an object, and when it was written, in epoch seconds."""

    name: str
    tag: str
    size: int
    time: float


class TakenError(StorageError):
    """The object exists with other bytes than those to be written."""


class UnconditionalError(StorageError):
    """The store ignores the conditions of writes."""


class TooLargeError(StorageError):
    """An object is larger than its reader accepts."""


class Objects:
    """The objects below the prefix of `place`; methods raise StorageError if the store fails."""

    def __init__(
        self, place: S3Place, *, patience: timedelta = PATIENCE, retries: int = RETRIES
    ) -> None:
        self._store: S3Store = open_store(place, patience, REQUEST, retries)

    def get(self, name: str, *, limit: int) -> Stored | None:
        """Return an object of at most `limit` bytes; None for a missing one."""
        with translated_errors(f"give {name}"):
            try:
                return _read(name, obstore.get(self._store, name), limit)
            except FileNotFoundError:
                return None

    def get_newer(self, name: str, tag: str, *, limit: int) -> Stored | None:
        """Return an object like `get`, None while it has `tag`; a missing one is an error."""
        with translated_errors(f"give {name}"):
            try:
                found = obstore.get(self._store, name, options={"if_none_match": tag})
            except NotModifiedError:
                return None
            return _read(name, found, limit)

    def create(self, name: str, data: bytes, headers: Mapping[str, str] | None = None) -> str:
        """Write an object under a free name and return its tag; one with the same bytes stays.

        S3 sends `headers` to its readers. Raises TakenError if the name holds other bytes.
        """
        return self._put(name, data, "create", AlreadyExistsError, headers)

    def replace(
        self, name: str, data: bytes, tag: str, headers: Mapping[str, str] | None = None
    ) -> str:
        """Write an object in place of the version with `tag` and return the new tag.

        Raises TakenError if another version is there, unless it holds the same bytes.
        """
        refusals = PreconditionError, FileNotFoundError
        return self._put(name, data, {"e_tag": tag}, refusals, headers)

    def upload(
        self, name: str, pieces: Iterator[bytes], length: int, headers: Mapping[str, str]
    ) -> None:
        """Write `length` bytes without a condition, whatever the name holds.

        `pieces` may come from S3 as well. If they raise an error, also at their end, the former
        object stays.
        """
        pieces, attributes = _read_apart(pieces, name), dict(headers)
        with translated_errors(f"take {name}"):
            if length > PART:
                put_parts(self._store, name, pieces, length, attributes)
            else:
                data = b"".join(pieces)
                obstore.put(self._store, name, data, attributes=attributes, use_multipart=False)

    def remove(self, name: str) -> None:
        """Remove an object; a missing one is no error."""
        with translated_errors(f"remove {name}"):
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return

    def remove_all(self, names: Sequence[str]) -> None:
        """Remove objects in any order, a thousand with each request; missing ones are no error."""
        with translated_errors("remove objects"):
            obstore.delete(self._store, names)

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """Yield the objects in the folder `prefix`, and below it; each request gives a thousand."""
        with translated_errors("list its objects"):
            for found in obstore.list(self._store, prefix or None):
                for meta in found:
                    yield Listed(
                        meta["path"],
                        _tag(meta["e_tag"]),
                        meta["size"],
                        meta["last_modified"].timestamp(),
                    )

    def check_conditions(self) -> None:
        """Raise UnconditionalError for a store that ignores conditions; writes `PROBE`."""
        first = self.get(PROBE, limit=1)
        tag = self.create(PROBE, b"") if first is None else first.tag
        former = b"" if first is None else first.data
        other = b"1" if not former else b""
        for condition in ("create", "replace"):
            try:
                if condition == "create":
                    self.create(PROBE, other)
                else:
                    self.replace(PROBE, other, '"0"')
            except TakenError:
                continue
            raise UnconditionalError(
                "the S3 store overwrites what it should refuse to: it has no conditional writes"
                " (If-None-Match, If-Match), and two publishers could destroy each other's work."
                " Take another store for tree_url."
            )
        self.replace(PROBE, former, tag)

    def _put(
        self,
        name: str,
        data: bytes,
        condition: "PutMode",
        refusals: type[Exception] | tuple[type[Exception], ...],
        headers: Mapping[str, str] | None,
    ) -> str:
        with translated_errors(f"take {name}"):
            try:
                put = obstore.put(
                    self._store,
                    name,
                    data,
                    attributes=dict(headers or {}),
                    mode=condition,
                    use_multipart=False,
                )
            except refusals:
                return self._written(name, data)
            return _tag(put["e_tag"])

    def _written(self, name: str, data: bytes) -> str:
        with contextlib.suppress(TooLargeError):
            found = self.get(name, limit=len(data))
            if found is not None and found.data == data:
                return found.tag
        raise TakenError(f"{name} in the S3 store was written by another process.")


def _read(name: str, found: "GetResult", limit: int) -> Stored:
    if found.meta["size"] > limit:
        raise TooLargeError(f"{name} in the S3 store is over its limit of {limit} bytes.")
    return Stored(bytes(found.bytes()), _tag(found.meta["e_tag"]))


def _read_apart(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield `pieces`, read in another thread: they may call the library, which is not reentrant."""
    with ThreadPoolExecutor(1) as thread:
        try:
            while piece := thread.submit(next, pieces, b"").result():
                yield piece
        except OSError as error:  # an error of the disk, not of the store
            raise StorageError(f"the data for {name} cannot be read: {error}.") from error


def _tag(found: str | None) -> str:
    if not found or found.startswith("W/"):
        raise StorageError(
            "the S3 store gives objects no strong ETag, without which none is replaced: take"
            " another store."
        )
    return found

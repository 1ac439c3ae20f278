"""Bundles that wait in S3: control nodes write them, and publishers fetch them.

    PREFIX/incoming/ID/RECEIPT   what the API received (ADR 40): bundle.json, then the role files
    fetched/RECEIPT/ID/          a copy on a publisher's machine, a folder as in `incoming/`

An object is written once, so a bundle is complete or absent. It is removed by name once its result
is stored. If the same bundle is submitted again meanwhile, that object has another receipt, and
stays. The row of a result has the receipt as its attempt. If a machine stops before it removes an
object, the next one finds that its result exists, and removes it. A copy whose object is gone is
removed, too. Bundles in `incoming/` of a publisher's machine are published as well.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from server.core.bundle import decode_bundle
from server.core.encodings import check_sha256
from server.core.errors import FormatError
from server.core.names import metadata_name
from server.publisher.inbox import LocalInbox
from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, move_durable, open_created
from server.storage.layout import StateFolder
from server.storage.objects import Objects
from server.storage.s3_client import S3Place

EVERY_SECONDS = 1.0  # between two searches for bundles, of one request each
BULK = timedelta(seconds=60)  # how long the upload of a bundle to S3 may take
_NAME = re.compile(r"incoming/([0-9a-f]{64})/([0-9a-f]{16})")
_RECEIPT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting object: the bundle's id, the receipt of its submission, and the length in bytes."""

    id: str
    receipt: str
    size: int


class S3Inbox:
    """The bundles below `incoming/` of `place`, and those in `incoming/` of this machine.

    `monotonic` returns seconds.
    """

    look_seconds = 0.5

    def __init__(
        self,
        place: S3Place,
        folder: StateFolder,
        monotonic: Callable[[], float],
        open_objects: Callable[..., Objects] = Objects,
    ) -> None:
        self._objects = open_objects(place)  # some calls are made under the lease
        self._bulk = open_objects(place, patience=BULK)
        self._local = LocalInbox(folder)
        self._copies = folder.fetched
        self._temporary = folder.staging.parent  # swept when a publisher starts
        self._monotonic = monotonic
        self._next_poll = monotonic()
        self._waiting: list[Waiting] = []

    def hand_in(self, temporary: Path, submission_id: str, receipt: str) -> None:
        """Write the object; a repetition after a crash changes nothing."""
        self._bulk.create(f"incoming/{submission_id}/{receipt}", _join(temporary))
        shutil.rmtree(temporary, ignore_errors=True)
        self._next_poll = self._monotonic()

    def waits(self, submission_id: str) -> bool:
        """Answer whether the bundle's object or its folder exists."""
        check_sha256(submission_id)
        listed = self._objects.list(f"incoming/{submission_id}")
        return next(listed, None) is not None or self._local.waits(submission_id)

    def waiting(self) -> list[str]:
        """List the objects and the folder."""
        return self._with_local(self._list_objects())

    def fetch(self) -> list[str]:
        """Fetch missing bundles, at most once in `EVERY_SECONDS`."""
        now = self._monotonic()
        if now >= self._next_poll:
            self._next_poll = now + EVERY_SECONDS
            self._fetch_missing()
        return self._with_local(self._waiting)

    def folders(self) -> list[Path]:
        """Fetch missing bundles; return the copies, and the contents of `incoming/`."""
        self._fetch_missing()
        return [*self._local.folders(), *map(self._copy, self._waiting)]

    def path(self, submission_id: str) -> Path:
        """Return the oldest copy, or else the folder in `incoming/`."""
        found = self._find(submission_id)
        return self._local.path(submission_id) if found is None else self._copy(found)

    def attempt(self, submission_id: str) -> str:
        """Return the receipt, or what `LocalInbox` returns."""
        found = self._find(submission_id)
        return self._local.attempt(submission_id) if found is None else found.receipt

    def forget(self, submission_id: str, attempt: str) -> None:
        """Remove the object; after a crash before that, it is fetched again, and found finished."""
        if _RECEIPT.fullmatch(attempt):
            self._objects.remove(f"incoming/{submission_id}/{attempt}")
            self._waiting = [each for each in self._waiting if each.receipt != attempt]
            shutil.rmtree(self._copies / attempt, ignore_errors=True)

    def _with_local(self, waiting: list[Waiting]) -> list[str]:
        return list(dict.fromkeys([*self._local.waiting(), *(each.id for each in waiting)]))

    def _find(self, submission_id: str) -> Waiting | None:
        """Return the oldest submission of a bundle that has its copy."""
        for each in self._waiting:
            if each.id == submission_id and self._copy(each).is_dir():
                return each
        return None

    def _copy(self, waiting: Waiting) -> Path:
        return self._copies / waiting.receipt / waiting.id

    def _list_objects(self) -> list[Waiting]:
        """Return the objects in S3, the oldest first."""
        found = sorted(self._objects.list("incoming"), key=lambda each: (each.time, each.name))
        matches = [(_NAME.fullmatch(each.name), each.size) for each in found]
        return [Waiting(match[1], match[2], size) for match, size in matches if match is not None]

    def _fetch_missing(self) -> None:
        # Read before the objects are listed: another process may fetch a new one meanwhile.
        copies = sorted(self._copies.iterdir()) if self._copies.is_dir() else []
        listed = self._list_objects()
        receipts = {each.receipt for each in listed}
        for copy in copies:
            if copy.name not in receipts:
                self._remove_copy(copy)
        for each in listed:
            if not self._copy(each).is_dir():
                self._fetch(each)
        self._waiting = listed

    def _remove_copy(self, copy: Path) -> None:
        """Remove a copy whose bundle was published by another machine."""
        trash = self._make_temporary()
        with contextlib.suppress(FileNotFoundError):
            copy.rename(trash)
        shutil.rmtree(trash)

    def _fetch(self, waiting: Waiting) -> None:
        name = f"incoming/{waiting.id}/{waiting.receipt}"
        found = self._objects.get(name, limit=waiting.size)
        if found is None:
            return  # another machine published it
        temporary = self._make_temporary()
        make_folder(temporary / waiting.id)
        _split(found.data, temporary / waiting.id)
        os.sync()  # before the rename
        try:
            move_durable(temporary, self._copies / waiting.receipt)
        except OSError:
            if not self._copy(waiting).is_dir():
                raise
            shutil.rmtree(temporary)  # another process was faster

    def _make_temporary(self) -> Path:
        make_folder(self._temporary)
        return Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=self._temporary))


def _join(folder: Path) -> bytes:
    """Return a bundle as one string of bytes."""
    listing = (folder / "bundle.json").read_bytes()
    names = [metadata_name(role.name, role.version) for role in decode_bundle(listing).roles]
    return b"".join([listing, *((folder / "metadata" / name).read_bytes() for name in names)])


def _split(data: bytes, folder: Path) -> None:
    """Write the files of a bundle; none if it is damaged: it is refused later."""
    at = data.find(b"\n") + 1
    try:
        roles = decode_bundle(data[:at]).roles
    except FormatError:
        return
    _write(folder / "bundle.json", data[:at])
    make_folder(folder / "metadata")
    for role in roles:
        name = metadata_name(role.name, role.version)
        _write(folder / "metadata" / name, data[at : at + role.length])
        at += role.length


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(open_created(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
        file.write(data)

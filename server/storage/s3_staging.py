"""Accepted publications in S3, and a local copy of the one to complete.

    PREFIX/staging/FENCE.tar    role files, timestamp and plan, as in the local staging folder

An object is complete or absent. Its name is the fence of a lease, which is used once, so no other
machine writes or removes it by mistake.
"""

import io
import re
import shutil
import tarfile
from pathlib import Path

from server.core.errors import FormatError
from server.storage.bounded import TEMPORARY
from server.storage.durable import discard_folder, move_durable, write_durable
from server.storage.objects import Objects

LIMIT = 1 << 30  # bytes of a publication: a ceremony of a thousand models has less
_NAME = re.compile(r"staging/([0-9]{1,18})\.tar")
_MEMBER = re.compile(r"(?:metadata/)?[a-z0-9][a-z0-9._-]*")


class S3Staging:
    """The publications below `staging/`; the newest is copied to `folder`.

    The caller holds the lock of the machine's copy.
    """

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._names: frozenset[str] = frozenset()

    def put(self, temporary: Path, fence: int) -> None:
        """Store the publication in `temporary` as one object."""
        name = f"staging/{fence}.tar"
        self._names |= {name}
        self._objects.create(name, _pack(temporary))

    def remove(self) -> None:
        """Remove the objects that this process put or found."""
        for name in self._names:
            self._objects.remove(name)
        self._names = frozenset()

    def fetch(self) -> None:
        """Copy the accepted publication, or discard the copy of a finished one.

        If there are two, the one of the later lease counts: its holder found no other.
        """
        matches = (_NAME.fullmatch(each.name) for each in self._objects.list("staging"))
        found = {match[0]: int(match[1]) for match in matches if match is not None}
        if found.keys() == self._names and self._folder.exists() == bool(found):
            return
        if self._folder.exists():
            discard_folder(self._folder)
        if found:
            stored = self._objects.get(max(found, key=found.__getitem__), limit=LIMIT)
            if stored is not None:
                temporary = self._folder.with_name(f"{TEMPORARY}fetched")
                shutil.rmtree(temporary, ignore_errors=True)
                _unpack(stored.data, temporary)
                move_durable(temporary, self._folder)
        self._names = frozenset(found)


def _pack(folder: Path) -> bytes:
    """Return the files of a publication as a tar archive."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = tarfile.TarInfo(path.relative_to(folder).as_posix())
                info.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(info, file)
    return data.getvalue()


def _unpack(data: bytes, folder: Path) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is None or _MEMBER.fullmatch(member.name) is None:
                    raise FormatError(
                        "the accepted publication in the S3 store holds something else."
                    )
                write_durable(folder / member.name, file.read())
    except tarfile.TarError as error:
        raise FormatError("the accepted publication in the S3 store is damaged.") from error

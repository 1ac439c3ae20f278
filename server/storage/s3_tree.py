"""The public tree in S3, with a copy on this machine that everything reads.

    PREFIX/tree/metadata/…, log/…, roots.json, proofs.json   as in a local folder
    PREFIX/staging/FENCE.tar                                 an accepted publication

Each write goes to S3 first, under a condition, and then to the copy. So a crash leaves at most a
copy that is out of date, and `refresh` fetches what it lacks. It reads the timestamp first, because
the files that it names were written before it, and writes it to the copy last.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from server.core.checkpoint import MAX_PROOF, MAX_TILE
from server.core.encodings import decode_decimal
from server.core.errors import FormatError, TrustError
from server.core.metadata import (
    TIMESTAMP_LIMIT,
    decode_root,
    decode_snapshot,
    decode_timestamp,
    metadata_limit,
    verify_role,
    verify_root,
)
from server.core.names import metadata_name
from server.core.tiles import LEVEL_BITS, WIDTH, tile_path
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.durable import (
    make_folder,
    open_created,
    write_durable,
)
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.objects import Objects, Stored, TakenError, TooLargeError
from server.storage.s3_staging import S3Staging
from server.storage.tree import find_roots, read_role

FILE_LIMIT = 5_000_000  # bytes of one public file
SUPERSEDED = 8  # older versions of a role that are served beside the newest
AT_ONCE = 16  # requests
MANY_LEAVES = 64 * WIDTH  # with more new leaves, tiles are listed, not requested singly
TREE = "tree"
TIMESTAMP, CHECKPOINT = "metadata/timestamp.json", "log/checkpoint"
ROOTS, PROOFS = "roots.json", "proofs.json"
POINTERS = (TIMESTAMP, CHECKPOINT, ROOTS, PROOFS)
"""The files that change, except proofs that are signed again, in the order of reading."""
_VERSIONED = re.compile(r"metadata/([1-9][0-9]*)\.([a-z0-9][a-z0-9_-]*)\.json")
_ODD = re.compile(rb'"restated":[0-9]*[13579]\}')


class S3Tree:
    """A `Tree` in a bucket, copied to `folder`; accepted publications are copied to `staging`.

    Processes of one machine may share the copy. Its lock file holds the fence of the publishing
    process. Without it, a process that resumes late would take the present content of the copy for
    the content that it saw last.
    """

    is_shared = True

    def __init__(self, objects: Objects, folder: Path, staging: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._staging = S3Staging(objects, staging)
        self._tags: dict[str, str] = {}
        self._is_listed = False
        self._fence: int | None = None
        self._too_large: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """The local copy."""
        return self._folder

    def refresh(self, fence: int) -> None:
        """Fetch the files that the copy lacks. The first call lists everything in the store."""
        with self._locked() as lock:
            if _fence_in(lock) != fence:
                os.ftruncate(lock, 0)
                os.write(lock, b"%d" % fence)
            self._fence = fence
            self._fetch_public()
            self._staging.fetch()

    def follow(self) -> bool:
        """Fetch the files that the copy lacks if the timestamp changed; otherwise one request.

        For readers; returns whether the timestamp changed. A publisher's `refresh` also finds files
        that no timestamp names yet.
        """
        tag, newest = self._tags.get(TIMESTAMP), _key(TIMESTAMP)
        # Without the lock, so that a publisher of this machine does not wait for a silent store.
        if tag is not None and self._objects.get_newer(newest, tag, limit=FILE_LIMIT) is None:
            return False
        with self._locked():
            self._fetch_public()
        return True

    def has(self, path: str) -> bool:
        """Answer whether a file is public; fetch it if the copy lacks it."""
        target = self._folder / path
        if target.exists():
            return True
        with self._locked():
            found = self._objects.get(_key(path), limit=FILE_LIMIT)
            if found is not None:
                write_durable(target, found.data)
            return found is not None

    def create(self, path: str, data: bytes) -> None:
        """Create the object, then write the copy."""
        with self._locked_to_write():
            try:
                self._objects.create(_key(path), data)
            except TakenError as error:
                raise StorageError(
                    f"{path} is already there with other bytes; it is never rewritten."
                ) from error
            write_durable(self._folder / path, data)

    def replace(self, path: str, data: bytes) -> None:
        """Replace the object, if it is the version that the copy holds, then write the copy.

        Raises TakenError if the store holds another version.
        """
        with self._locked_to_write():
            tag = self._put(path, data)
            write_durable(self._folder / path, data)
            self._tags[path] = tag

    def _put(self, path: str, data: bytes) -> str:
        tag = self._tags.get(path)
        if tag is None:
            found = self._objects.get(_key(path), limit=FILE_LIMIT)
            if found is None:
                return self._objects.create(_key(path), data)
            if found.data not in {data, self._copied(path)}:
                raise TakenError(f"{path} was written by another process meanwhile.")
            tag = found.tag
        return self._objects.replace(_key(path), data, tag)

    def remove(self, path: str) -> None:
        """Remove the object, then its copy."""
        with self._locked_to_write():
            self._objects.remove(_key(path))
            (self._folder / path).unlink(missing_ok=True)

    def stage(self, temporary: Path, fence: int) -> None:
        """Store the publication as one object, whose name is unique: `fence` is used once."""
        with self._locked_to_write():
            self._staging.put(temporary, fence)

    def unstage(self) -> None:
        """Remove the objects of publications that this process staged or found."""
        with self._locked():
            self._staging.remove()

    def keep_only(self, served: Iterable[str]) -> None:
        """Remove metadata from the copy that is older than the `served` paths.

        Newer files stay: the next publication may be in progress. The store keeps everything.
        """
        keep = frozenset(served)
        newest = _newest(keep)
        with self._locked():
            for path in (self._folder / "metadata").iterdir():
                name = f"metadata/{path.name}"
                found = _VERSIONED.fullmatch(name)
                if found and name not in keep and int(found[1]) < newest.get(found[2], 0):
                    path.unlink()

    def fetch_again(self, served: Iterable[str]) -> None:
        """Fetch everything again except the `served` paths: other files were not verified."""
        keep = {*served, *POINTERS}
        with self._locked():
            for path in self._folder.rglob("*"):
                if path.is_file() and path.relative_to(self._folder).as_posix() not in keep:
                    path.unlink()
            self._tags.clear()
            self._is_listed = False
            self._fetch_public()

    def too_large(self) -> list[str]:
        """Return an error message for each object that is larger than its format allows.

        The copy lacks them; everything else is fetched.
        """
        return sorted(self._too_large.values())

    def find_differences(self) -> list[str]:
        """Return the paths that differ between store and copy.

        These are served files that the store lacks, and files of the log that the copy lacks or has
        with another length.
        """
        # List the copy before the store: a file that is written meanwhile is in the store first.
        copied = {
            path.relative_to(self._folder).as_posix()
            for path in self._folder.rglob("*")
            if path.is_file() and not path.name.startswith(TEMPORARY)
        }
        stored = self._list()
        newest = _newest(stored)

        def is_served(path: str) -> bool:
            match = _VERSIONED.fullmatch(path)
            if match is None or match[2] == "root":
                return True
            return int(match[1]) >= newest.get(match[2], 0) - SUPERSEDED

        lost = {path for path in copied - stored.keys() if is_served(path)}
        differing = {
            path
            for path, size in stored.items()
            if path.startswith("log/")
            and path not in POINTERS
            and not ((local := self._folder / path).is_file() and local.stat().st_size == size)
        }
        return sorted(lost | differing)

    def _fetch_public(self) -> None:
        before = {path: self._copied(path) for path in POINTERS}
        newer = {path: stored for path in POINTERS if (stored := self._newer(path)) is not None}
        self._check_not_lost(before, newer)
        found = {path: each.data for path, each in newer.items() if each.data != before[path]}
        now = {path: data for path, data in (before | found).items() if data is not None}
        if TIMESTAMP not in now and CHECKPOINT not in now:
            return
        if TIMESTAMP in found:
            self._check_newer(before[TIMESTAMP], found[TIMESTAMP])
        # An error may leave some of the files that are fetched together. So everything is listed
        # after an error: one file does not show that the others are there.
        was_listed, self._is_listed = self._is_listed, False
        if not was_listed:
            self._fetch_listed()
        if TIMESTAMP in found:
            self._fetch_named(found[TIMESTAMP])
        if CHECKPOINT in found and was_listed:
            self._fetch_tiles(_size(found[CHECKPOINT]), _size(before[CHECKPOINT]))
        if PROOFS in found or _ODD.search(now.get(PROOFS, b"")):
            self._fetch_proofs()
        if found:
            os.sync()  # before a pointer file names them
        for path in reversed(POINTERS):
            if path in found:
                write_durable(self._folder / path, found[path])
        self._tags |= {path: each.tag for path, each in newer.items()}
        self._is_listed = True

    def _check_not_lost(self, before: Mapping[str, bytes | None], newer: Container[str]) -> None:
        """Raise StorageError if the store lacks a pointer file that was copied from it once.

        The next publication would be the only one in the store.
        """
        for path in (TIMESTAMP, CHECKPOINT):
            if before[path] is not None and path not in newer and path not in self._tags:
                raise StorageError(
                    f"the S3 store has no {TREE}/{path}, but this machine had fetched it: check"
                    f" tree_url. If the store was emptied, copy the files of {self._folder} to"
                    f" {TREE}/ in it."
                )

    def _check_newer(self, before: bytes | None, found: bytes) -> None:
        """Raise StorageError for an older timestamp, unless a new root may allow it."""
        if before is None:
            return
        last, version = (decode_timestamp(each).signed.version for each in (before, found))
        if version < last and self._is_trusted(before):
            raise StorageError(
                f"the S3 store has timestamp {version}, and this machine had {last} already: it was"
                " restored from an older copy, or changed. This machine keeps what it"
                f" has; to follow the store, stop the server and remove {self._folder}."
            )

    def _is_trusted(self, timestamp: bytes) -> bool:
        """Answer whether the newest root, here or in the store, trusts the key of a timestamp.

        A root may be here already, because an earlier call failed after it fetched the root.
        """
        self._fetch_roots()
        versions = find_roots(self._folder)
        if not versions:
            return True
        try:
            root = decode_root(read_role(self._folder, "root", versions[0])).signed
            for version in range(versions[0] + 1, versions[-1] + 1):
                data = read_role(self._folder, "root", version)
                root = verify_root(data, root, None).signed
        except (FormatError, TrustError):  # such a root allows nothing
            return True
        try:
            verify_role("timestamp", timestamp, root, None)
        except TrustError:
            return False
        return True

    def _newer(self, path: str) -> Stored | None:
        tag = self._tags.get(path)
        if tag is None:
            return self._objects.get(_key(path), limit=_limit(path))
        return self._objects.get_newer(_key(path), tag, limit=_limit(path))

    def _fetch_listed(self) -> None:
        # After a power cut a copy may be empty. Other copies are kept: they were read and verified.
        self._fetch(
            path
            for path in self._list()
            if path not in POINTERS and not _is_written(self._folder / path)
        )

    def _list(self, folder: str = TREE) -> dict[str, int]:
        """Return path and length of every file in a folder of the store."""
        found = self._objects.list(folder)
        return {each.name.removeprefix(f"{TREE}/"): each.size for each in found}

    def _fetch_named(self, timestamp: bytes) -> None:
        """Fetch the files that a timestamp leads to: snapshots, roles, roots and proofs."""
        newest = decode_timestamp(timestamp).signed.snapshot_meta.version
        self._fetch(_name("snapshot", self._missing("snapshot", newest)))
        self._check_fetched("snapshot", newest)
        snapshot = decode_snapshot(read_role(self._folder, "snapshot", newest)).signed
        listed = {file.removesuffix(".json"): meta.version for file, meta in snapshot.meta.items()}
        missing = {role: self._missing(role, version) for role, version in listed.items()}
        names = [_name(role, versions, is_logged=True) for role, versions in missing.items()]
        self._fetch(path for each in names for path in each)
        for role, version in listed.items():
            self._check_fetched(role, version)
        self._fetch_roots()
        # The proofs of all versions are served, not only those of the listed ones.
        if any(len(versions) > SUPERSEDED for versions in missing.values()):
            self._fetch_listed()

    def _check_fetched(self, role: str, version: int) -> None:
        path = f"metadata/{metadata_name(role, version)}"
        if not (self._folder / path).exists():
            lacks = f"the S3 store lacks {path}, which other metadata names: check the store."
            raise StorageError(self._too_large.get(path, lacks))

    def _fetch_roots(self) -> None:
        """Fetch the roots after the newest one here, with their proofs."""
        root = max(find_roots(self._folder), default=0)
        while self._fetch(_name("root", [root + 1], is_logged=True)):
            root += 1

    def _missing(self, role: str, newest: int) -> list[int]:
        """Return the served versions of a role from the newest down to the first one here."""
        found = list[int]()
        for version in range(newest, max(0, newest - SUPERSEDED - 1), -1):
            if _is_written(self._folder / "metadata" / metadata_name(role, version)):
                break
            found.append(version)
        return found

    def _fetch_tiles(self, size: int, since: int) -> None:
        if size - since > MANY_LEAVES:  # many new leaves: list all files
            self._fetch_listed()
            return
        levels: list[tuple[int | str, int]] = [("entries", 0)]
        levels += [
            (level, level * LEVEL_BITS) for level in range(size.bit_length() // LEVEL_BITS + 1)
        ]
        names: list[str] = []
        for level, bits in levels:
            for index in range((since >> bits) // WIDTH, -(-(size >> bits) // WIDTH)):
                full = f"log/{tile_path(level, index, WIDTH)}"
                names += [full] if (size >> bits) // WIDTH > index else []
                names += self._list(_key(f"{full}.p"))
        self._fetch(path for path in names if not _is_written(self._folder / path))

    def _fetch_proofs(self) -> None:
        self._fetch(self._list(_key("log/proof")))

    def _fetch(self, paths: Iterable[str]) -> int:
        """Copy the files that exist in the store, and return their number.

        Files over their size limit are left out.
        """

        def copy(path: str) -> bool:
            try:
                found = self._objects.get(_key(path), limit=_limit(path))
            except TooLargeError as error:
                self._too_large[path] = str(error)
                return False
            self._too_large.pop(path, None)
            if found is None:
                return False
            target = self._folder / path
            make_folder(target.parent)
            temporary = target.with_name(f"{TEMPORARY}{target.name}")
            with os.fdopen(open_created(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
                file.write(found.data)
            temporary.replace(target)
            return True

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return sum(threads.map(copy, paths))

    def _copied(self, path: str) -> bytes | None:
        target = self._folder / path
        return read_bounded(target, FILE_LIMIT) if _is_written(target) else None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the copy's lock, which threads and processes of this machine share."""
        path = self._folder.with_name("tree.lock")
        make_folder(self._folder)
        lock = open_created(path, os.O_RDWR | os.O_APPEND)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def _locked_to_write(self) -> Iterator[None]:
        """Hold the lock; raises StorageError if another process of this machine publishes now."""
        with self._locked() as lock:
            if self._fence is not None and _fence_in(lock) != self._fence:
                raise StorageError(
                    "another process of this machine publishes now: this one leaves its unfinished"
                    " change alone."
                )
            yield


def open_s3_tree(folder: StateFolder) -> S3Tree:
    """Return the shared tree of a state folder; raises FormatError if it has none."""
    if folder.tree is None:
        raise FormatError("there is no tree_url in the settings.")
    return S3Tree(Objects(folder.tree), folder.public, folder.staging)


def _name(role: str, versions: Sequence[int], *, is_logged: bool = False) -> list[str]:
    """Return the paths of versions of a role, and with `is_logged`, of their proofs."""
    files = [f"metadata/{metadata_name(role, version)}" for version in versions]
    return files + [f"log/proof/{role}.{version}" for version in versions if is_logged]


def _newest(paths: Iterable[str]) -> dict[str, int]:
    """Return the newest version of each role that has a file among `paths`."""
    newest: dict[str, int] = {}
    for match in filter(None, map(_VERSIONED.fullmatch, paths)):
        newest[match[2]] = max(newest.get(match[2], 0), int(match[1]))
    return newest


def _key(path: str) -> str:
    return f"{TREE}/{path}"


def _fence_in(lock: int) -> int:
    text = os.pread(lock, 20, 0)
    return int(text) if text.isdigit() else 0


def _limit(path: str) -> int:
    """Return how many bytes a public file may have."""
    match = _VERSIONED.fullmatch(path)
    if match:
        return metadata_limit(match[2])
    if path == TIMESTAMP:
        return TIMESTAMP_LIMIT
    if path.startswith("log/"):
        return MAX_PROOF if path.startswith("log/proof/") else MAX_TILE
    return FILE_LIMIT


def _is_written(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _size(checkpoint: bytes | None) -> int:
    lines = (checkpoint or b"").split(b"\n", 2)
    return decode_decimal(lines[1].decode("ascii", "replace")) if len(lines) == 3 else 0

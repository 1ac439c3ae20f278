"""Step 4 of publishing: role versions are appended to the log before they are public.

Leaves are rows in the database, which orders them. Tiles, checkpoint and proofs are files that
follow from the rows, so writing them again after a crash gives the same bytes. Every note is signed
by each key of the log: during a rotation these are the former one and the next.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import delete, func, select, tuple_

from server.core.checkpoint import (
    MAX_PROOF,
    MAX_TILE,
    Checkpoint,
    decode_checkpoint_of_any,
    decode_proof,
    encode_checkpoint,
    encode_leaf,
    encode_proof,
    verify_proof,
)
from server.core.errors import FormatError, LogError
from server.core.note import MAX_NOTE, VerifierKey, cosign_note
from server.core.tiles import (
    WIDTH,
    GrowingTree,
    ReadTile,
    changed_tiles,
    decode_entries,
    encode_entries,
    tile_path,
)
from server.core.tlog import leaf_hash
from server.publisher.errors import LeafRefusedError
from server.publisher.keys.online_keys import History, LogSigner
from server.publisher.lease import AT_ONCE, Lease
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.models import LogEntry
from server.storage.tree import Tree, begin_proof_renewal, end_proof_renewal


@dataclass(frozen=True, slots=True)
class Growth:
    """The grown tree, and path and bytes of the tiles that may not be written yet.

    `is_new` says whether it has leaves that the signed head does not cover.
    """

    tree: GrowingTree
    tiles: Iterable[tuple[str, bytes]]
    is_new: bool


@dataclass(frozen=True, slots=True)
class SignedLeaves:
    """Entries of a signed log from the index `first` to its end, and the log's root."""

    first: int
    entries: Sequence[bytes]
    root: bytes


def tail_start(size: int) -> int:
    """Return the index of the first leaf in the last entry tile of a log of `size` leaves."""
    return max(0, size - 1) // WIDTH * WIDTH


def read_entries(log: Path, size: int, first: int) -> list[bytes]:
    """Return the entries of the public log of `size` leaves in `log` from the index `first` on.

    Raises FormatError for a tile without its entries.
    """
    entries = list[bytes]()
    for index, width in changed_tiles(size, first):
        data = read_bounded(log / tile_path("entries", index, width), MAX_TILE)
        tile = decode_entries(data, width)
        entries += tile[max(0, first - index * WIDTH) :]
    return entries


def grow(head: Checkpoint | None, tail: Sequence[bytes], read: ReadTile) -> Growth:
    """Grow the log of `head` by its new entries; `tail` are all entries from its `tail_start` on.

    Raises LogError unless the tiles lead to the signed root and the entries are those of the last
    entry tile. `read` may raise what reading a file raises.
    """
    size = 0 if head is None else head.size
    tree = GrowingTree(size, read)
    first = tail_start(size)
    if head is not None:
        if tree.root() != head.root:
            raise LogError("the tiles do not lead to the signed root.")
        signed = tail[: size - first]
        if size and read(tile_path("entries", first // WIDTH, len(signed))) != encode_entries(
            signed
        ):
            raise LogError("the last entry tile does not hold the database's leaves.")
    for entry in tail[size - first :]:
        tree.append(leaf_hash(entry))
    return Growth(tree, _new_tiles(tree, tail, first, size), tree.size != size)


def regrow(head: Checkpoint | None, entries: Sequence[bytes]) -> Growth:
    """Build the log again from all its entries.

    Raises LogError unless the entries that `head` covers lead to its root.
    """
    tree = GrowingTree(0, _read_nothing)
    size = 0 if head is None else head.size
    for entry in entries[:size]:
        tree.append(leaf_hash(entry))
    if head is not None and tree.root() != head.root:
        raise LogError(
            "the database's leaves do not lead to the signed root: restore the database and"
            " public/log from copies of the same moment."
        )
    # Clients may still use the signed head, and with it its partial tiles.
    tiles = list(_new_tiles(tree, entries[:size], 0, 0))
    for entry in entries[size:]:
        tree.append(leaf_hash(entry))
    tiles += _new_tiles(tree, entries, 0, 0)
    return Growth(tree, tiles, tree.size != size)


def _new_tiles(
    tree: GrowingTree, entries: Sequence[bytes], first: int, since: int
) -> Iterator[tuple[str, bytes]]:
    """Yield the tiles that a log of `since` leaves lacks; `entries` begin at leaf `first`."""
    for index, width in changed_tiles(tree.size, since):
        start = index * WIDTH - first
        yield (
            tile_path("entries", index, width),
            encode_entries(entries[start : start + width]),
        )
    yield from tree.new_tiles()


def _read_nothing(path: str) -> bytes:
    raise LogError(f"{path} is not written yet.")


QUERY_VERSIONS = 250  # in one query: databases limit how many values it may name
Leaf = tuple[str, int, str]  # role, version, sha256


class Log:
    """The transparency log of one server."""

    def __init__(self, tree: Tree, sessions: Sessions, lease: Lease) -> None:
        self._tree = tree
        self._folder = tree.folder / "log"
        self._sessions = sessions
        self._lease = lease

    async def newest_versions(self, roles: Collection[str]) -> dict[str, int]:
        """Return the highest version ever appended of each of `roles` that has one."""
        query = (
            select(LogEntry.role, func.max(LogEntry.version).label("version"))
            .where(LogEntry.role.in_(roles))
            .group_by(LogEntry.role)
        )
        async with self._sessions() as session:
            rows = await session.execute(query)
            return {row.role: row.version for row in rows}

    async def versions(self, roles: Collection[str]) -> dict[str, frozenset[int]]:
        """Return every version ever appended of each of `roles`, published or not."""
        query = select(LogEntry.role, LogEntry.version).where(LogEntry.role.in_(roles))
        found: dict[str, set[int]] = {}
        async with self._sessions() as session:
            for role, version in await session.execute(query):
                found.setdefault(role, set()).add(version)
        return {role: frozenset(versions) for role, versions in found.items()}

    async def times(self, versions: Collection[tuple[str, int]]) -> dict[tuple[str, int], datetime]:
        """Return when each role version was appended; versions not in the log are left out."""
        found = {}
        listed = sorted(versions)
        async with self._sessions() as session:
            for at in range(0, len(listed), QUERY_VERSIONS):
                part = listed[at : at + QUERY_VERSIONS]
                query = select(LogEntry).where(tuple_(LogEntry.role, LogEntry.version).in_(part))
                for entry in await session.scalars(query):
                    time = datetime.fromtimestamp(entry.appended_at, UTC)
                    found[entry.role, entry.version] = time
        return found

    async def check(self, leaves: Sequence[Leaf]) -> None:
        """Raise LogError for a version that was appended with another sha256: it is burned."""
        async with self._sessions() as session:
            for role, version, sha256 in leaves:
                query = select(LogEntry.sha256).filter_by(role=role, version=version)
                _check_same(role, version, await session.scalar(query) or sha256, sha256)

    async def check_whole(self, known: Sequence[VerifierKey], signed: int = 0) -> None:
        """Raise StorageError if the database has fewer leaves than the signed checkpoint.

        `signed` is the largest size that was ever signed, if a key process reports it.
        """
        head = await asyncio.to_thread(load_checkpoint, self._folder, known)
        async with self._sessions() as session:
            last = await session.scalar(select(func.max(LogEntry.index)))
        rows = 0 if last is None else last + 1
        _check_enough(rows, 0 if head is None else head.size)
        if rows < signed:
            raise StorageError(
                f"a log of {signed} leaves was signed, and this one has {rows}: stop the server and"
                " run `hening-server rebuild`, which asks the key process for the others."
            )

    async def append(self, leaves: Sequence[Leaf], keys: Sequence[LogSigner], now: int) -> None:
        """Append the role versions that are missing, then publish tiles, checkpoint and proofs.

        Reads only the tiles on the path to the new leaves. If these are lost or do not lead to the
        signed root, reads all rows and writes every tile again. Raises LogError for a burned
        version, as `check` does, and if the rows are not those that were signed. Raises
        LeafRefusedError for leaves that a key process does not sign; their rows are removed.
        """
        known = [key.verifier for key in keys]
        head = await asyncio.to_thread(load_checkpoint, self._folder, known)
        try:
            indexes, growth, note = await self._insert_and_sign(leaves, keys, head, now)
        except LeafRefusedError:  # maybe of earlier rows, which are removed now: try once more
            indexes, growth, note = await self._insert_and_sign(leaves, keys, head, now)
        appended = list(zip(indexes, leaves, strict=True))
        files = await asyncio.to_thread(list, growth.tiles)
        steps = self._files(files, growth, appended, note, known[0])
        await self._lease.change_each(self._tree, steps)

    async def _insert_and_sign(
        self,
        leaves: Sequence[Leaf],
        keys: Sequence[LogSigner],
        head: Checkpoint | None,
        now: int,
    ) -> tuple[list[int], Growth, bytes]:
        size = 0 if head is None else head.size
        indexes = await self._insert(leaves, now, size)
        history, growth = await self._grow(head)
        # Outside of a transaction: keys may be in another process, and halts would wait for it.
        checkpoint = Checkpoint(keys[0].verifier.name, growth.tree.size, growth.tree.root())
        try:
            return indexes, growth, await asyncio.to_thread(_sign, checkpoint, keys, history)
        except LeafRefusedError as error:
            # Rows after the signed log were never public, and no other row can follow them.
            async with self._lease.fenced() as session:
                unsigned = LogEntry.index >= max(size, error.signed)
                await session.execute(delete(LogEntry).where(unsigned))
            raise

    async def restate(self, keys: Sequence[LogSigner], named: Sequence[VerifierKey]) -> None:
        """Sign the checkpoint and every proof with all of `keys`, and with no other key.

        Their content stays; a crash leaves some files with the old signatures, which a second run
        completes. `named` are further keys that may have signed before. Raises LogError for a file
        that none of these keys has signed.
        """
        known = [*(key.verifier for key in keys), *named]
        proofs = await asyncio.to_thread(lambda: sorted((self._folder / "proof").glob("[!.]*")))
        head = await asyncio.to_thread(load_checkpoint, self._folder, known)
        # Include the leaves that no public checkpoint has yet: before a crash one of them may have
        # been signed, and older checkpoints are proved against the largest signed history.
        history, _ = await self._grow(head)

        def again(note: bytes) -> bytes:
            return _sign(decode_checkpoint_of_any(note, known), keys, history)

        for at in range(0, len(proofs), AT_ONCE):
            part = await asyncio.to_thread(_restate_proofs, proofs[at : at + AT_ONCE], again)
            await self._lease.change(self._tree, self._write_proofs, part)
        note = None
        if head is not None:
            note = await asyncio.to_thread(_sign, head, keys, history)
        await self._lease.change(self._tree, self._write_head, note)

    def _write_proofs(self, proofs: Mapping[Path, bytes]) -> None:
        for path, data in proofs.items():
            begin_proof_renewal(self._tree)
            self._tree.replace(f"log/proof/{path.name}", data)

    def _write_head(self, note: bytes | None) -> None:
        head = self._folder / "checkpoint"
        if note is not None and note != read_bounded(head, MAX_NOTE):
            self._tree.replace("log/checkpoint", note)
        end_proof_renewal(self._tree)

    async def _insert(self, leaves: Sequence[Leaf], now: int, size: int) -> list[int]:
        """Insert missing leaves after the `size` signed ones; return the indexes of `leaves`."""
        indexes = []
        for at in range(0, len(leaves), AT_ONCE):
            indexes += await self._insert_some(leaves[at : at + AT_ONCE], now, size)
        return indexes

    async def _insert_some(self, leaves: Sequence[Leaf], now: int, size: int) -> list[int]:
        indexes = []
        async with self._lease.fenced() as session:
            last = await session.scalar(select(func.max(LogEntry.index)))
            following = 0 if last is None else last + 1
            _check_enough(following, size)
            for role, version, sha256 in leaves:
                query = select(LogEntry).filter_by(role=role, version=version)
                entry = await session.scalar(query)
                if entry is None:
                    entry = LogEntry(
                        index=following,
                        role=role,
                        version=version,
                        sha256=sha256,
                        appended_at=now,
                    )
                    session.add(entry)
                    following += 1
                _check_same(role, version, entry.sha256, sha256)
                indexes.append(entry.index)
        return indexes

    async def _grow(self, head: Checkpoint | None) -> tuple[History, Growth]:
        """Grow the public log of `head` by the database's entries."""
        size = 0 if head is None else head.size
        first = tail_start(size)
        entries = await self._entries(first)
        try:
            growth = await asyncio.to_thread(grow, head, entries, self._read_tile)
        except (LogError, FormatError, OSError):
            first = 0
            entries = await self._entries(0)
            growth = await asyncio.to_thread(regrow, head, entries)
        return History(growth.tree, first, entries, size), growth

    async def _entries(self, first: int) -> list[bytes]:
        query = select(LogEntry).where(LogEntry.index >= first).order_by(LogEntry.index)
        async with self._sessions() as session:
            rows = await session.scalars(query)
            return [encode_leaf(row.role, row.version, row.sha256) for row in rows]

    def _read_tile(self, path: str) -> bytes:
        return read_bounded(self._folder / path, MAX_TILE)

    def _files(
        self,
        tiles: Iterable[tuple[str, bytes]],
        growth: Growth,
        appended: Iterable[tuple[int, Leaf]],
        note: bytes,
        verifier: VerifierKey,
    ) -> Iterator[Callable[[], object]]:
        """Yield functions that each write one file, in order."""
        # Tiles first: a checkpoint never covers a missing tile. A crash here leaves tiles that no
        # checkpoint needs yet.
        for path, data in tiles:
            yield partial(self._tree.create, f"log/{path}", data)
        if growth.is_new:
            yield partial(self._tree.replace, "log/checkpoint", note)
        # A crash here leaves leaves that are public in the log but not served yet: auditors see
        # them as pending until the restart completes the publication.
        for index, leaf in appended:
            yield partial(self._write_proof, growth, index, leaf, note, verifier)

    def _write_proof(
        self, growth: Growth, index: int, leaf: Leaf, note: bytes, verifier: VerifierKey
    ) -> None:
        role, version, sha256 = leaf
        path = f"log/proof/{role}.{version}"
        if not self._tree.has(path):
            proof = encode_proof(index, growth.tree.inclusion_proof(index), note)
            verify_proof(proof, encode_leaf(role, version, sha256), verifier)
            self._tree.create(path, proof)


def load_checkpoint(log: Path, known: Sequence[VerifierKey]) -> Checkpoint | None:
    """Read the public checkpoint, signed by any of the keys; None if there is none."""
    head = log / "checkpoint"
    return decode_checkpoint_of_any(read_bounded(head, MAX_NOTE), known) if head.exists() else None


def _sign(checkpoint: Checkpoint, keys: Sequence[LogSigner], history: History) -> bytes:
    first, *others = keys
    sign = partial(first.sign, history=history)
    note = encode_checkpoint(checkpoint.size, checkpoint.root, first.verifier, sign)
    for key in others:
        note = cosign_note(note, key.verifier, partial(key.sign, history=history))
    return note


def _restate_proofs(proofs: Sequence[Path], again: Callable[[bytes], bytes]) -> dict[Path, bytes]:
    """Return the proofs that change when `again` signs the checkpoint of each."""
    changed = {}
    for path in proofs:
        data = read_bounded(path, MAX_PROOF)
        proof = decode_proof(data)
        signed = encode_proof(proof.index, proof.hashes, again(proof.checkpoint))
        if signed != data:
            changed[path] = signed
    return changed


def _check_enough(rows: int, size: int) -> None:
    if rows < size:
        raise StorageError(
            f"the log has {size} leaves and the database {rows}: is it the right one? If it was"
            " lost or is older, run `hening-server rebuild`."
        )


def _check_same(role: str, version: int, present: str, sha256: str) -> None:
    if present != sha256:
        # Phones ask for each root after the last, so no root version can be skipped.
        remedy = (
            "submit the root that was appended"
            if role == "root"
            else f"sign {role} {version + 1} instead"
        )
        raise LogError(f"{role} {version} is in the log with other bytes and is burned; {remedy}.")

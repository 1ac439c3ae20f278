"""Step 4 of publishing: role versions are appended to the log before anyone can see them.

Leaves are rows in the database, which orders them; tiles, checkpoint and proofs are files that
follow from the rows, so that writing them again after a crash gives the same octets. Every note is
signed by each key that the log holds: while its key is rotated, the former one and the next.
"""

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import func, select

from server.core.checkpoint import (
    MAX_PROOF,
    Checkpoint,
    decode_checkpoint,
    decode_proof,
    encode_checkpoint,
    encode_leaf,
    encode_proof,
    verify_proof,
)
from server.core.errors import LogError
from server.core.note import MAX_NOTE, VerifierKey, cosign_note
from server.core.tiles import plan_tiles
from server.core.tlog import inclusion_proof, leaf_hash, tree_hash
from server.publisher.online_keys import LogKey
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.durable import write_durable, write_immutable
from server.storage.models import LogEntry

Leaf = tuple[str, int, str]  # role, version, sha256


class Log:
    """The transparency log of one server."""

    def __init__(self, folder: Path, sessions: Sessions) -> None:
        self._folder = folder
        self._sessions = sessions

    async def latest_version(self, role: str) -> int:
        """Return the highest version of `role` that was ever appended, 0 for none."""
        query = select(func.max(LogEntry.version)).where(LogEntry.role == role)
        async with self._sessions() as session:
            return await session.scalar(query) or 0

    async def versions(self, roles: Collection[str]) -> dict[str, frozenset[int]]:
        """Return every version of each of `roles` that was ever appended, published or not."""
        query = select(LogEntry.role, LogEntry.version).where(LogEntry.role.in_(roles))
        found: dict[str, set[int]] = {}
        async with self._sessions() as session:
            for role, version in await session.execute(query):
                found.setdefault(role, set()).add(version)
        return {role: frozenset(versions) for role, versions in found.items()}

    async def check(self, leaves: Sequence[Leaf]) -> None:
        """Raise LogError for a version that was appended with another sha256: it is burned."""
        async with self._sessions() as session:
            for role, version, sha256 in leaves:
                query = select(LogEntry.sha256).filter_by(role=role, version=version)
                _check_same(role, version, await session.scalar(query) or sha256, sha256)

    async def append(self, leaves: Sequence[Leaf], keys: Sequence[LogKey], now: int) -> None:
        """Append the role versions that are not in yet, then publish tiles, checkpoint and proofs.

        Raises LogError for a burned version, as `check` does.
        """
        rows = await self._insert(leaves, now)
        await asyncio.to_thread(self._publish, rows, leaves, keys)

    def restate(self, keys: Sequence[LogKey], named: Sequence[VerifierKey]) -> None:
        """Sign the checkpoint and every proof by all of `keys` and by no other.

        What they say stays; a crash leaves some files signed as before, which a second run ends.
        `named` are further keys that may have signed before. Raises LogError for a file that
        neither of both has signed.
        """
        known = [*(key.verifier for key in keys), *named]
        for path in sorted((self._folder / "proof").glob("[!.]*")):
            data = read_bounded(path, MAX_PROOF)
            proof = decode_proof(data)
            note = _sign(_verify(proof.checkpoint, known), keys)
            _replace(path, data, encode_proof(proof.index, proof.hashes, note))
        head = self._folder / "checkpoint"
        if head.exists():
            data = read_bounded(head, MAX_NOTE)
            _replace(head, data, _sign(_verify(data, known), keys))

    async def _insert(self, leaves: Sequence[Leaf], now: int) -> list[Leaf]:
        async with self._sessions.begin() as session:
            entries = (await session.scalars(select(LogEntry).order_by(LogEntry.index))).all()
            rows = [(entry.role, entry.version, entry.sha256) for entry in entries]
            known = {(role, version): sha256 for role, version, sha256 in rows}
            for role, version, sha256 in leaves:
                is_new = (role, version) not in known
                _check_same(role, version, known.setdefault((role, version), sha256), sha256)
                if is_new:
                    session.add(
                        LogEntry(
                            index=len(rows),
                            role=role,
                            version=version,
                            sha256=sha256,
                            appended_at=now,
                        )
                    )
                    rows.append((role, version, sha256))
        return rows

    def _publish(self, rows: list[Leaf], appended: Sequence[Leaf], keys: Sequence[LogKey]) -> None:
        entries = [encode_leaf(*row) for row in rows]
        leaves = [leaf_hash(entry) for entry in entries]
        head = self._folder / "checkpoint"
        since = 0
        if head.exists():
            known = [key.verifier for key in keys]
            since = _verify(read_bounded(head, MAX_NOTE), known).size
        # Tiles first: a checkpoint never speaks of a tile that is not there. A crash here leaves
        # tiles that no checkpoint needs yet.
        for path, data in plan_tiles(entries, leaves, since):
            write_immutable(self._folder / path, data)
        origin = keys[0].verifier.name
        note = _sign(Checkpoint(origin, len(leaves), tree_hash(leaves)), keys)
        if since != len(leaves):
            write_durable(head, note)
        # A crash here leaves leaves that are public in the log and not served yet: auditors see
        # them as pending until the restart completes the publication.
        for row in appended:
            target = self._folder / "proof" / f"{row[0]}.{row[1]}"
            if not target.exists():
                index = rows.index(row)
                proof = encode_proof(index, inclusion_proof(index, leaves), note)
                verify_proof(proof, entries[index], keys[0].verifier)
                write_immutable(target, proof)


def _sign(checkpoint: Checkpoint, keys: Sequence[LogKey]) -> bytes:
    first, *others = keys
    note = encode_checkpoint(checkpoint.size, checkpoint.root, first.verifier, first.sign)
    for key in others:
        note = cosign_note(note, key.verifier, key.sign)
    return note


def _verify(note: bytes, known: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint that any of the keys has signed: the log may just have got another."""
    *others, last = known
    for key in others:
        with contextlib.suppress(LogError):
            return decode_checkpoint(note, key)
    return decode_checkpoint(note, last)


def _replace(path: Path, present: bytes, data: bytes) -> None:
    if data != present:
        write_durable(path, data)


def _check_same(role: str, version: int, present: str, sha256: str) -> None:
    if present != sha256:
        # Phones ask for each root after the last, so no root can be passed over.
        remedy = (
            "submit the root that was appended"
            if role == "root"
            else f"sign {role} {version + 1} instead"
        )
        raise LogError(f"{role} {version} is in the log with other octets and is burned; {remedy}.")

"""Whether a state folder is whole: what `hening-server check` finds, without changing anything."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from server.core.checkpoint import decode_checkpoint, encode_leaf, verify_proof
from server.core.errors import HeningError, LogError
from server.core.metadata import ROOT_LIMIT, check_expiry, decode_root
from server.core.names import metadata_name
from server.core.note import MAX_NOTE, VerifierKey
from server.core.profile import log_verifier
from server.core.tiles import plan_tiles
from server.core.tlog import leaf_hash, tree_hash
from server.publisher.audit import AuditPlan, audit_staged
from server.publisher.blob_check import list_targets, look_at_blobs, look_at_records
from server.publisher.errors import PublishError
from server.publisher.key_choice import choose_keys, describe_keys
from server.publisher.lives import Alarm, plan_alarms, plan_lives
from server.publisher.online_keys import load_online_keys
from server.publisher.plan import check_pointers
from server.publisher.published import Published, load_published
from server.storage.blobs import BlobStore
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob, LogEntry
from server.storage.roots import find_roots


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `error` is empty when it is in order."""

    subject: str
    detail: str
    error: str = ""


async def check_state(
    folder: StateFolder, sessions: Sessions, blobs: BlobStore, now: datetime, *, deep: bool
) -> list[Finding]:
    """Look at metadata, pointers, blobs, records and log; `deep` hashes every blob again."""
    published = await asyncio.to_thread(load_published, folder.public)
    if published is None:
        return [Finding("public tree", "", "nothing is published yet")]
    async with sessions() as session:
        entries = (await session.scalars(select(LogEntry).order_by(LogEntry.index))).all()
        records = {row.sha256: row.length for row in await session.scalars(select(Blob))}
    leaves = [encode_leaf(entry.role, entry.version, entry.sha256) for entry in entries]
    names = [(entry.role, entry.version) for entry in entries]
    listed = list_targets(published)
    current = {*published.versions().items(), ("root", published.root.version)}
    begun = {
        entry.role: datetime.fromtimestamp(entry.appended_at, UTC)
        for entry in entries
        if (entry.role, entry.version) in current
    }
    alarms = {alarm.role: alarm for alarm in plan_alarms(plan_lives(published, begun), now)}

    def look() -> list[Finding]:
        return [
            *_expiries(published, alarms, now),
            _keys(folder, published),
            _roots(folder),
            _audit(folder, published),
            Finding("blobs", *look_at_blobs(blobs, listed, deep=deep)),
            Finding("records", *look_at_records(blobs, listed, records)),
            _log(folder, log_verifier(published.root), names, leaves),
        ]

    return await asyncio.to_thread(look)


def _expiries(
    published: Published, alarms: Mapping[str, Alarm], now: datetime
) -> Iterator[Finding]:
    signed: list[tuple[str, Root | Snapshot | Timestamp | Targets]] = [
        ("root", published.root),
        ("targets", published.targets),
        *sorted(published.roles.items()),
        ("snapshot", published.snapshot),
        ("timestamp", published.timestamp),
    ]
    for name, role in signed:
        error = ""
        try:
            check_expiry(name, role, now)
        except HeningError as found:
            error = str(found)
        detail = f"version {role.version}, until {role.expires:%Y-%m-%d %H:%M} UTC"
        if name in alarms and not error:
            detail += f", {alarms[name].severity}: {alarms[name].what_to_do}"
        yield Finding(name, detail, error)


def _keys(folder: StateFolder, published: Published) -> Finding:
    try:
        keys = load_online_keys(folder.keys)
        choose_keys(keys, published.root, published.targets)
    except (HeningError, OSError) as error:  # a key file may be gone, too
        return Finding("keys", "", str(error))
    waiting = [state.name for state in describe_keys(keys, published) if state.following]
    rest = f"; next ones of {', '.join(waiting)} wait to be switched to" if waiting else ""
    return Finding("keys", f"root and targets list this server's keys{rest}")


def _roots(folder: StateFolder) -> Finding:
    """Look at the files by which phones go from root to root: one each, under its version."""
    found = find_roots(folder.public)
    try:
        for expected, version in enumerate(found, start=found[0]):
            name = metadata_name("root", expected)
            if version != expected:
                raise PublishError(f"{name} is not there: restore public/metadata from a copy.")
            data = read_bounded(folder.public / "metadata" / name, ROOT_LIMIT)
            if (signed := decode_root(data).signed.version) != version:
                raise PublishError(
                    f"{name} holds root {signed}: restore public/metadata from a copy."
                )
    except HeningError as error:
        return Finding("roots", "", str(error))
    return Finding("roots", f"{len(found)} without a gap, each under its version")


def _audit(folder: StateFolder, published: Published) -> Finding:
    paths = [path for role in published.roles.values() for path in role.targets]
    try:
        check_pointers(published, published.pointers())
        root = read_bounded(folder.trusted_root, ROOT_LIMIT)
        audit_staged(folder.public, folder.public, root, published.root.version, AuditPlan(paths))
    except HeningError as error:
        return Finding("audit", "", str(error))
    return Finding("audit", f"a TUF client finds all {len(paths)} targets")


def _log(
    folder: StateFolder, key: VerifierKey, names: list[tuple[str, int]], entries: list[bytes]
) -> Finding:
    log = folder.public / "log"
    try:
        checkpoint = decode_checkpoint(read_bounded(log / "checkpoint", MAX_NOTE), key)
        if checkpoint.size > len(entries):
            raise LogError("the checkpoint speaks of more leaves than the database has.")
        hashes = [leaf_hash(entry) for entry in entries[: checkpoint.size]]
        if tree_hash(hashes) != checkpoint.root:
            raise LogError("the database's leaves do not lead to the signed root.")
        for path, data in plan_tiles(entries[: checkpoint.size], hashes, 0):
            if read_bounded(log / path, len(data)) != data:
                raise LogError(f"{path} is not what the leaves lead to.")
        for (role, version), entry in zip(names, entries[: checkpoint.size], strict=False):
            verify_proof(read_bounded(log / "proof" / f"{role}.{version}", 16_384), entry, key)
    except (HeningError, OSError) as error:
        return Finding("log", "", str(error))
    return Finding("log", f"{checkpoint.size} leaves, every proof holds")
